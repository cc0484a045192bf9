// Extended resources that a class of devices stands for: where a node does not offer the resource itself, the pod gets devices of the class by a claim
// that is made for it once its node is chosen.
import type { ContainerExtendedResourceRequest as Mapping, DeviceRequest } from '#api/generated/types.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { quantityValue } from '#api/quantity.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import type { Objects } from '#scheduler/objects.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { byKey, compareTexts } from '#lib/order.ts'
import { amountOf } from '#scheduler/resources.ts'

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
  mappings: Mapping[]
}

/** The claim the pod would need on that node; undefined where the node offers all itself. */
export function extendedClaimFor(pod: Pod, { allocatable }: NodeInfo, delegated: Delegated): ExtendedClaim | undefined {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {}
  const needed = [...delegated].filter(([resource]) => !amountOf(allocatable, resource)).sort(byKey)
  const found = needed.map(([resource, className]) => requestsFor(pod, resource, className))
  const requests = found.flatMap((one) => one.requests).sort((a, b) => compareTexts(a.name, b.name))
  const mappings = found.flatMap((one) => one.mappings)
  if (requests.length === 0) return undefined
  const owner = { apiVersion: 'v1', kind: 'Pod', name, uid, controller: true }
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

/** Init containers that end use what those after them will have, and one another's: only what they need beyond that is asked for, once. */
function requestsFor({ spec }: Pod, resourceName: string, deviceClassName: string): { requests: DeviceRequest[]; mappings: Mapping[] } {
  const before = spec?.initContainers ?? []
  const containers = [...before, ...(spec?.containers ?? [])]
  const ends = containers.map(({ restartPolicy }, i) => i < before.length && restartPolicy !== 'Always')
  const own = containers.map(({ resources }, i) => {
    const asked = resources?.requests ?? {}
    const place = Object.keys(asked).sort(compareTexts).indexOf(resourceName)
    return { name: `container-${i}-request-${place}`, count: place < 0 ? 0 : quantityValue(asked[resourceName]) }
  })
  const using = (i: number, requestName: string): Mapping => ({ containerName: containers[i]!.name, resourceName, requestName })
  const lasting = own.flatMap(({ name, count }, index) => (count > 0 && !ends[index] ? [{ index, name, count }] : []))
  const mappings = lasting.map(({ index, name }) => using(index, name))
  let beyond: { name: string; count: number } | undefined
  const more: Mapping[] = []
  for (const [i, { name, count }] of own.entries()) {
    if (!ends[i]) continue
    let missing = count
    for (const one of lasting) {
      if (missing <= 0) break
      if (one.index < i) continue
      missing -= one.count
      mappings.push(using(i, one.name))
    }
    if (missing <= 0) continue
    const mapping = using(i, name)
    mappings.push(mapping)
    more.push(mapping)
    if (!beyond || missing > beyond.count) beyond = { name, count: missing }
  }
  if (beyond) for (const mapping of more) mapping.requestName = beyond.name
  const requests = [...(beyond ? [beyond] : []), ...lasting].map(({ name, count }) => ({
    name,
    exactly: { deviceClassName, allocationMode: 'ExactCount', count },
  }))
  return { requests, mappings }
}

/** The one made for the pod by an attempt before. */
export function madeFor({ metadata }: Pod, objects: Objects): ResourceClaim | undefined {
  const isOwn = ({ metadata: own }: ResourceClaim) =>
    own?.annotations?.[ANNOTATION] === 'true' && !own.deletionTimestamp && own.ownerReferences?.some(({ uid }) => uid === metadata?.uid)
  return objects.list(ResourceClaim, metadata?.namespace).find(isOwn)
}
