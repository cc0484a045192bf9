// What authorisers and admission are told of a request for a resource that did not come as a URL.
import type { Kind } from '#api/kind.ts'
import type { UserInfo } from '#client/client.ts'
import type { RequestAttributes } from './request.ts'

export interface AskedOfKind {
  user: UserInfo
  verb: string
  namespace?: string | undefined
  name?: string | undefined
  subresource?: string | undefined
}

type Served = Pick<Kind, 'group' | 'version' | 'plural'>

export function attributesOf(
  { group, version, plural }: Served,
  { user, verb, namespace = '', name = '', subresource = '' }: AskedOfKind,
): RequestAttributes {
  return { user, verb, isResourceRequest: true, path: '', group, version, resource: plural, subresource, namespace, name }
}

/** As a URL would say it: a namespace is asked for in itself, what has no namespace in none. */
export function namespaceAsked(
  kind: Kind<any>,
  { namespace, name }: { namespace?: string | undefined; name?: string | undefined },
): string {
  if (kind.scope === 'Namespaced') return namespace ?? ''
  return kind.plural === 'namespaces' ? (name ?? '') : ''
}
