// Extended resources that a class of devices stands for: where a node does not offer the resource itself, the pod gets devices of the class by a claim
// that is made for it once its node is chosen.
import type { ContainerExtendedResourceRequest } from '#api/generated/types.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { quantityValue } from '#api/quantity.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import type { Objects } from '#scheduler/objects.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { byKey } from '#lib/order.ts'

const ANNOTATION = 'resource.kubernetes.io/extended-resource-claim'
/** Every class has a resource by its own name, whatever else it stands for. */
const IMPLICIT = 'deviceclass.resource.kubernetes.io/'

/** Resource -> name of its class. */
export type Delegated = ReadonlyMap<string, string>

export function delegatedResources({ requests }: PodInfo, objects: Objects): Delegated | undefined {
  let delegated: Map<string, string> | undefined
  for (const resource of requests.scalars?.keys() ?? []) {
    const name = resource.includes('/') ? classFor(resource, objects) : undefined
    if (name) (delegated ??= new Map()).set(resource, name)
  }
  return delegated
}

/** Of several classes the newest. */
function classFor(resource: string, objects: Objects): string | undefined {
  const made = ({ metadata }: DeviceClass) => metadata?.creationTimestamp ?? ''
  const [newest] = objects
    .list(DeviceClass)
    .filter(({ metadata, spec }) => spec.extendedResourceName === resource || resource === `${IMPLICIT}${metadata?.name}`)
    .sort((a, b) => (made(a) === made(b) ? (a.metadata!.name! < b.metadata!.name! ? -1 : 1) : made(a) < made(b) ? 1 : -1))
  return newest?.metadata?.name
}

export interface ExtendedClaim {
  claim: ResourceClaim
  mappings: ContainerExtendedResourceRequest[]
}

/** The claim the pod would need on that node; undefined where the node offers all itself. */
export function extendedClaimFor(pod: Pod, { allocatable }: NodeInfo, delegated: Delegated): ExtendedClaim | undefined {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {}
  const mappings: ContainerExtendedResourceRequest[] = []
  const requests: NonNullable<NonNullable<ResourceClaim['spec']['devices']>['requests']> = []
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  for (const [i, { name: containerName, resources }] of containers.entries()) {
    const asked = Object.entries(resources?.requests ?? {}).sort(byKey)
    for (const [j, [resourceName, amount]] of asked.entries()) {
      if (!delegated.has(resourceName) || allocatable.scalars?.has(resourceName) || quantityValue(amount) <= 0) continue
      const requestName = `container-${i}-request-${j}`
      const exactly = { deviceClassName: delegated.get(resourceName)!, allocationMode: 'ExactCount', count: quantityValue(amount) }
      requests.push({ name: requestName, exactly })
      mappings.push({ containerName, resourceName, requestName })
    }
  }
  if (requests.length === 0) return undefined
  const owner = { apiVersion: 'v1', kind: 'Pod', name, uid, controller: true, blockOwnerDeletion: true }
  const metadata = {
    generateName: `${name}-extended-resources-`,
    namespace,
    uid: `extended ${uid}`,
    annotations: { [ANNOTATION]: 'true' },
    ownerReferences: [owner],
  }
  const claim: ResourceClaim = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata, spec: { devices: { requests } } }
  return { claim, mappings }
}

/** The one made for the pod by an attempt before. */
export function madeFor({ metadata }: Pod, objects: Objects): ResourceClaim | undefined {
  const isOwn = ({ metadata: own }: ResourceClaim) =>
    own?.annotations?.[ANNOTATION] === 'true' && !own.deletionTimestamp && own.ownerReferences?.some(({ uid }) => uid === metadata?.uid)
  return objects.list(ResourceClaim, metadata?.namespace).find(isOwn)
}
