// Subresources and virtual kinds that handlers serve: admission around the handler, and the kind of what is sent to them.
import { defineKind } from '#api/define-kind.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { type Status, StatusError } from '#api/status.ts'
import type { Annotate, RequestAttributes, SubresourceHandler, SubresourceRequest, Within } from '#server/request.ts'
import { mutatingAdmission, validatingAdmission } from './admit.ts'
import type { Engine } from './engine.ts'

export interface HandlerCall {
  kind: Kind
  key: ObjectKey
  attributes: RequestAttributes
  query: URLSearchParams
  dryRun: boolean
  options?: Readonly<Record<string, unknown>>
  warn(text: string): void
  annotate?: Annotate
  within?: Within
}

/** What is sent to a subresource: its own kind, or the parent's. */
export function bodyKind(parent: Kind, subresource: string): Kind {
  const own = parent.subresources[subresource]?.kind
  if (!own) return parent
  return defineKind<KubeObject>({ ...own, plural: parent.plural, scope: parent.scope, virtual: true })
}

export async function createThrough(
  engine: Engine,
  handler: SubresourceHandler,
  { call, object }: { call: HandlerCall; object: KubeObject },
): Promise<KubeObject | Status> {
  if (!handler.create) throw notAllowed()
  settleMetadata(object, call, handler)
  const request = { ...askedBy(call), operation: 'CREATE', object } as const
  await mutatingAdmission(engine, request)
  await validatingAdmission(engine, request)
  return handler.create(requestOf(call, object))
}

/** In the namespace of the URL, and without what only the server says; that of the parent stays where it is what is asked about. */
function settleMetadata({ metadata }: KubeObject, { key, kind }: HandlerCall, { keepsIdentity = false }: SubresourceHandler): void {
  if (!metadata) return
  if (kind.scope === 'Cluster' && !key.namespace) delete metadata.namespace
  else if (!metadata.namespace) metadata.namespace = key.namespace ?? ''
  else if (metadata.namespace !== key.namespace)
    throw new StatusError('BadRequest', 'the namespace of the provided object does not match the namespace sent on the request')
  if (keepsIdentity) return
  for (const field of ['uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink'] as const)
    delete metadata[field]
}

/** What admission learns of a call, whatever it sends. */
export function askedBy({ attributes, kind, dryRun, options, warn, annotate, within }: HandlerCall) {
  return {
    attributes,
    kind,
    dryRun,
    warn,
    ...(options ? { options } : {}),
    ...(annotate ? { annotate } : {}),
    ...(within ? { within } : {}),
  }
}

export function requestOf({ attributes, kind, key, query, dryRun, warn, annotate }: HandlerCall, object?: KubeObject): SubresourceRequest {
  return { attributes, kind, key, query, dryRun, warn, ...(annotate ? { annotate } : {}), ...(object ? { object } : {}) }
}

export function notAllowed(): StatusError {
  return new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource', { details: {} })
}
