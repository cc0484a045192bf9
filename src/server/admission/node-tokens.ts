// A kubelet gets tokens for the accounts of its own pods, for audiences that the pods ask for or that a right gives it.
import type { AuthenticationTokenRequest, Pod } from '#api/generated/types.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { notFoundError } from '#api/status.ts'
import type { ObjectReader } from '#server/request.ts'
import type { NodesRequest } from './node-restriction.ts'
import { denied } from './refusal.ts'

export async function checkNodesToken({ request, node, reader, authorizer }: NodesRequest): Promise<void> {
  const { attributes, operation } = request
  if (operation !== 'CREATE' || attributes.subresource !== 'token') return
  const { namespace, user } = attributes
  const { boundObjectRef: ref, audiences } = (request.object as AuthenticationTokenRequest).spec ?? {}
  if (!ref || ref.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) throw denied(request, 'node requested token not bound to a pod')
  if (!ref.uid) throw denied(request, 'node requested token with a pod binding without a uid')
  const pod = reader.get(PodKind, { namespace, name: ref.name })
  if (!pod) throw notFoundError({ group: '', plural: 'pod' }, ref.name)
  if (ref.uid !== pod.metadata?.uid)
    throw denied(
      request,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    )
  if (pod.spec?.nodeName !== node) throw denied(request, 'node requested token bound to a pod scheduled on a different node')
  if (audiences && audiences.length > 1) throw denied(request, 'node may only request 0 or 1 audiences')
  const [audience = ''] = audiences ?? []
  if (podAudiences(pod, reader).has(audience)) return
  const verb = 'request-serviceaccounts-token-audience'
  const asked = { ...attributes, verb, resource: audience, subresource: '', path: '' }
  if ((await authorizer.authorize(asked)).allowed) return
  throw denied(
    request,
    `audience ${JSON.stringify(audience)} not found in pod spec volume, ${user.username} is not authorized to request tokens for this audience`,
  )
}

/** Audiences of the tokens that volumes of the pod are made of, by themselves or through their drivers. */
function podAudiences({ spec, metadata }: Pod, reader: ObjectReader): Set<string> {
  const audiences = new Set<string>()
  const addDriver = (name: string | undefined) => {
    const driver = name ? reader.get(CSIDriver, { name }) : undefined
    for (const { audience } of driver?.spec.tokenRequests ?? []) audiences.add(audience)
  }
  for (const { name, projected, csi, persistentVolumeClaim, ephemeral } of spec?.volumes ?? []) {
    for (const { serviceAccountToken } of projected?.sources ?? [])
      if (serviceAccountToken) audiences.add(serviceAccountToken.audience ?? '')
    addDriver(csi?.driver)
    const claim = ephemeral ? `${metadata?.name}-${name}` : persistentVolumeClaim?.claimName
    const volume = claim && reader.get(PersistentVolumeClaim, { namespace: metadata?.namespace ?? '', name: claim })?.spec?.volumeName
    if (volume) addDriver(reader.get(PersistentVolume, { name: volume })?.spec?.csi?.driver)
  }
  return audiences
}
