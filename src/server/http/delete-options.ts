// DeleteOptions from the body, or from the query where there is no body.
import { decodeBody } from '#api/codec/decode-body.ts'
import { DeleteOptionsKind } from '#api/codec/meta-kinds.ts'
import { type FieldError, invalid, notSupported } from '#api/field-error.ts'
import type { DeleteOptions } from '#api/generated/types.ts'
import { invalidError } from '#api/status.ts'
import type { DeletionOptions } from '#server/engine/deletion.ts'
import { type BodyOptions, readBody } from './body.ts'
import type { Call } from './call.ts'
import { dryRunOf, flag, integer } from './parameters.ts'

const POLICIES = ['Background', 'Foreground', 'Orphan']

export async function readDeleteOptions(call: Call, options: BodyOptions): Promise<DeletionOptions & { dryRun: boolean }> {
  const body = await readBody(call, options)
  const { query } = call.exchange
  const sent: DeleteOptions = body.length > 0 ? decodeOptions(call, body) : fromQuery(query)
  return checkedOptions({ ...sent, dryRun: [...(sent.dryRun ?? []), ...(body.length > 0 ? [] : query.getAll('dryRun'))] })
}

/** What they come to. Throws StatusError Invalid. */
export function checkedOptions(sent: DeleteOptions): DeletionOptions & { dryRun: boolean } {
  const errors: FieldError[] = []
  const dryRun = dryRunOf(sent.dryRun ?? [], errors)
  const { propagationPolicy: policy, orphanDependents, gracePeriodSeconds, preconditions } = sent
  if (policy && orphanDependents !== undefined)
    errors.push(invalid('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'))
  if (policy && !POLICIES.includes(policy)) errors.push(notSupported('propagationPolicy', policy, [...POLICIES, 'nil']))
  if (errors.length > 0) throw invalidError({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors)
  const orphans = orphanDependents === undefined ? undefined : orphanDependents ? 'Orphan' : 'Background'
  const propagation = (policy || orphans) as DeletionOptions['propagationPolicy']
  return {
    dryRun,
    ...(propagation ? { propagationPolicy: propagation } : {}),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: Number(gracePeriodSeconds) }),
    ...(preconditions ? { preconditions } : {}),
  }
}

/** As admission sees them. */
export function deleteOptionsOf(dryRun: boolean, options: DeletionOptions): Record<string, unknown> {
  return { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...options, ...(dryRun ? { dryRun: ['All'] } : {}) }
}

/** Its group and version may be any: every API group serves options of its own name for the same thing. */
function decodeOptions(call: Call, body: Buffer): DeleteOptions {
  const type = call.exchange.headers['content-type']
  return decodeBody<DeleteOptions>(body, type, { expected: DeleteOptionsKind, anyVersion: true, fieldValidation: 'Ignore' }).object
}

function fromQuery(query: URLSearchParams): DeleteOptions {
  const gracePeriodSeconds = integer(query, 'gracePeriodSeconds')
  const orphanDependents = flag(query, 'orphanDependents')
  const propagationPolicy = query.get('propagationPolicy')
  return {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(orphanDependents === undefined ? {} : { orphanDependents }),
    ...(propagationPolicy ? { propagationPolicy } : {}),
  }
}
