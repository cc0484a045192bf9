// Who may say that an object has an owner: whoever may delete the object, since it goes with its owner; and, where it holds its owner back, whoever
// may set the owner's finalizers, since that is what it comes to. Off unless asked for, as upstream.
import { equal } from '#api/equal.ts'
import type { OwnerReference } from '#api/object.ts'
import { attributesOf } from '#server/attributes.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer, RequestAttributes, ServerContext } from '#server/request.ts'
import { denied, target } from './refusal.ts'

export function ownerReferencesPermissionEnforcement(
  { registry }: Pick<ServerContext, 'registry'>,
  authorizer: Authorizer,
): AdmissionPlugin {
  const check = async (request: AdmissionRequest, asked: RequestAttributes, why: string) => {
    const { allowed, reason, error } = await authorizer.authorize(asked)
    if (!allowed) throw denied(request, `${why}: ${reason}, ${error ?? '<nil>'}`)
  }
  return {
    name: 'OwnerReferencesPermissionEnforcement',
    async validate(request) {
      const { attributes, operation, object, oldObject } = request
      // The status of a pod takes its owners along and cannot change them.
      if (!object || (operation !== 'CREATE' && operation !== 'UPDATE') || target(request) === 'pods/status') return
      const [owners, before] = [object, oldObject].map((one) => one?.metadata?.ownerReferences ?? []) as [
        OwnerReference[],
        OwnerReference[],
      ]
      if (equal(owners, before)) return
      if (operation === 'UPDATE')
        await check(request, { ...attributes, verb: 'delete' }, "cannot set an ownerRef on a resource you can't delete")
      const blocking = owners.filter(
        (owner) => owner.blockOwnerDeletion && !before.some((one) => one.uid === owner.uid && one.blockOwnerDeletion),
      )
      if (blocking.length === 0 || (await authorizer.authorize(finalizersOf(request, ANYTHING))).allowed) return
      for (const { apiVersion, kind, name } of blocking) {
        const owner = registry.findKind(apiVersion, kind)?.kind
        const unknown = `APIVersion ${apiVersion} Kind ${kind}: no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`
        if (!owner) throw denied(request, `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for ${unknown}`)
        const why = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on"
        await check(request, finalizersOf(request, { ...owner, name }), why)
      }
    },
  }
}

const ANYTHING = { group: '*', version: '*', plural: '*', name: '*', scope: 'Cluster' } as const

function finalizersOf(
  { attributes: { user, namespace } }: AdmissionRequest,
  { name, ...owner }: { group: string; version: string; plural: string; name: string; scope: 'Namespaced' | 'Cluster' },
): RequestAttributes {
  return attributesOf(owner, {
    user,
    verb: 'update',
    name,
    subresource: 'finalizers',
    namespace: owner.scope === 'Namespaced' ? namespace : undefined,
  })
}
