// The object in a request's body: read within bounds, decoded by its content type, defaulted.
import { decodeBody, type FieldValidation } from '#api/codec/decode-body.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import type { Engine } from '#server/engine/engine.ts'
import { applyDefaults } from '#server/engine/schema.ts'
import { readBody } from './body.ts'
import type { Call } from './call.ts'

export const contentType = (call: Call): string => (call.exchange.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()

export async function readObject(
  engine: Engine,
  call: Call,
  { kind, fieldValidation }: { kind: Kind; fieldValidation: FieldValidation },
): Promise<KubeObject> {
  const body = await readBody(call.exchange, { clock: engine.clock })
  const { object, warnings } = decodeBody(body, call.exchange.headers['content-type'], {
    expected: kind,
    fieldValidation,
    isKnown: ({ group, version, kind: name }) => engine.registry.findKind(group ? `${group}/${version}` : version, name) !== undefined,
  })
  for (const warning of warnings) call.warnings.add(warning)
  applyDefaults(kind, object)
  call.audit?.request(object)
  return object
}

export function unsupportedMediaType(accepted: string): StatusError {
  return new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  )
}
