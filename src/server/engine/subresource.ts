// Subresources and virtual kinds that handlers serve: admission around the handler, and the kind of what is sent to them.
import { defineKind } from '#api/define-kind.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { type Status, StatusError } from '#api/status.ts'
import type { RequestAttributes, SubresourceHandler, SubresourceRequest } from '#server/request.ts'
import { mutatingAdmission, validatingAdmission } from './admit.ts'
import type { Engine } from './engine.ts'

export interface HandlerCall {
  kind: Kind
  key: ObjectKey
  attributes: RequestAttributes
  query: URLSearchParams
  dryRun: boolean
  warn(text: string): void
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
  const request = {
    attributes: call.attributes,
    operation: 'CREATE',
    kind: call.kind,
    object,
    dryRun: call.dryRun,
    warn: call.warn,
  } as const
  await mutatingAdmission(engine, request)
  await validatingAdmission(engine, request)
  return handler.create(requestOf(call, object))
}

export function requestOf({ attributes, kind, key, query, dryRun, warn }: HandlerCall, object?: KubeObject): SubresourceRequest {
  return { attributes, kind, key, query, dryRun, warn, ...(object ? { object } : {}) }
}

export function notAllowed(): StatusError {
  return new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource', { details: {} })
}
