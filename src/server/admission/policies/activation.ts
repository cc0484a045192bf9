// The variables of expressions for one request as a policy sees it. Each is made when an expression first looks at it.
import { authorizerValue, requestResourceValue } from '#api/cel/authorizer-library.ts'
import type { Kind } from '#api/kind.ts'
import { type KubeObject } from '#api/object.ts'
import { objectKind } from '#server/admission/matching/equivalents.ts'
import type { AdmissionRequest } from '#server/request.ts'
import type { Authorizations } from './authorizations.ts'

export interface Seen {
  request: AdmissionRequest
  /** The version the policy asked for. */
  kind: Kind
  object: KubeObject | undefined
  oldObject: KubeObject | undefined
  /** Absent for cluster-scoped requests. */
  namespace: KubeObject | undefined
  params: KubeObject | undefined
  authorizations: Authorizations
}

export type Activation = Readonly<Record<string, unknown>>

export function activationOf(seen: Seen): Activation {
  const { object, oldObject, namespace, params, authorizations } = seen
  let request: unknown
  return {
    object: object ?? null,
    oldObject: oldObject ?? null,
    params: params ?? null,
    namespaceObject: namespace ?? null,
    get request() {
      return (request ??= requestOf(seen))
    },
    get authorizer() {
      return authorizerValue(authorizations.authorize)
    },
    get 'authorizer.requestResource'() {
      const { group, version, resource, subresource, namespace: within, name } = seen.request.attributes
      const about = { group, version, resource, subresource, namespace: within, name }
      return requestResourceValue(authorizations.authorize, about)
    },
  }
}

/** What is empty is left out, as in an AdmissionReview. */
function requestOf({ request, kind }: Seen): Record<string, unknown> {
  const { attributes, operation, dryRun, options } = request
  const { group, version, resource, subresource, namespace, name, user } = attributes
  return {
    kind: objectKind(kind, subresource),
    resource: { group: kind.group, version: kind.version, resource: kind.plural },
    ...(subresource ? { subResource: subresource } : {}),
    requestKind: objectKind(request.kind, subresource),
    requestResource: { group, version, resource },
    ...(subresource ? { requestSubResource: subresource } : {}),
    ...(name ? { name } : {}),
    ...(namespace ? { namespace } : {}),
    operation,
    userInfo: {
      username: user.username,
      ...(user.uid ? { uid: user.uid } : {}),
      ...(user.groups.length > 0 ? { groups: user.groups } : {}),
      ...(user.extra ? { extra: user.extra } : {}),
    },
    dryRun,
    ...(options ? { options } : {}),
  }
}
