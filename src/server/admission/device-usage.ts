// How many devices a claim counts for, by class: under the class's own quota and under those of the extended resources that stand for the class.
import type { ExactDeviceRequest, Pod, ResourceResourceClaim as ResourceClaim } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { Quantity, quantityValue } from '#api/quantity.ts'
import { type Amounts, add, podUsage } from './pod-usage.ts'

export type Find = <T extends KubeObject>(kind: Kind<T>, key: ObjectKey) => T | undefined

/** `CLASS.deviceclass.resource.k8s.io/devices`: how many devices of a class claims may ask for. */
export const DEVICES = '.deviceclass.resource.k8s.io/devices'
/** Every class is an extended resource by its own name, whatever else it stands for. */
const IMPLICIT = 'deviceclass.resource.kubernetes.io/'
const MADE_FOR_POD = 'resource.kubernetes.io/extended-resource-claim'
/** As many as one allocation can hold: who asks for all may get that. */
const MOST_DEVICES = 32

/** Whether claims count towards a quota's resource, as pods may, too. */
export function isOfDevices(name: string): boolean {
  return name.endsWith(DEVICES) || (name.startsWith('requests.') && name.includes('/'))
}

export function deviceAmounts(claim: ResourceClaim, find: Find): Amounts {
  const usage: Amounts = new Map()
  const paid = paidByPod(claim, find)
  for (const { exactly, firstAvailable } of claim.spec?.devices?.requests ?? []) {
    // Of alternatives the largest counts, class by class.
    const largest = new Map<string, number>()
    for (const request of firstAvailable ?? (exactly ? [exactly] : []))
      largest.set(request.deviceClassName, Math.max(largest.get(request.deviceClassName) ?? 0, devicesOf(request)))
    for (const [name, count] of largest) add(usage, ofClass(name, count, { paid, find }))
  }
  return usage
}

/** What the pod has paid for itself under one name is not charged under that name again. */
function ofClass(name: string, count: number, { paid, find }: { paid: [resource: string, count: number][]; find: Find }): Amounts {
  const explicit = find(DeviceClass, { name })?.spec.extendedResourceName
  const resources = [`${IMPLICIT}${name}`, ...(explicit ? [explicit] : [])]
  const settled = resources.find((resource) => {
    const at = paid.findIndex(([asked, much]) => asked === resource && much === count)
    if (at >= 0) paid.splice(at, 1)
    return at >= 0
  })
  const charged = resources.filter((resource) => resource !== settled).map((resource) => `requests.${resource}`)
  return new Map([`${name}${DEVICES}`, ...charged].map((resource) => [resource, Quantity.of(count)]))
}

/** The extended resources that the pod of a claim asks for which the scheduler made for them. */
function paidByPod({ metadata }: ResourceClaim, find: Find): [resource: string, count: number][] {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
  if (metadata?.annotations?.[MADE_FOR_POD] !== 'true' || owner?.kind !== 'Pod' || owner.apiVersion !== 'v1') return []
  const pod = find<Pod>(PodKind, { namespace: metadata.namespace ?? '', name: owner.name })
  const named = pod?.status?.extendedResourceClaimStatus?.resourceClaimName
  if (!pod || pod.metadata?.uid !== owner.uid || (named !== undefined && named !== metadata.name)) return []
  return resourcesOf(pod)
}

/** By container; of what only starts before the others, as much as the pod needs for it beyond theirs. */
function resourcesOf(pod: Pod): [resource: string, count: number][] {
  const asked: [resource: string, count: number][] = []
  const sums = new Map<string, number>()
  const { initContainers = [], containers = [] } = pod.spec ?? {}
  for (const { resources, restartPolicy } of [...initContainers.map((one) => ({ restartPolicy: '', ...one })), ...containers])
    for (const [resource, amount] of Object.entries(resources?.requests ?? {})) {
      const count = restartPolicy === '' ? 0 : quantityValue(amount)
      if (count > 0) asked.push([resource, count])
      sums.set(resource, (sums.get(resource) ?? 0) + count)
    }
  for (const [resource, amount] of podUsage(pod).requests) {
    const beyond = amount.value() - (sums.get(resource) ?? 0)
    if (beyond > 0) asked.push([resource, beyond])
  }
  return asked
}

function devicesOf({ allocationMode = 'ExactCount', count = 1 }: Pick<ExactDeviceRequest, 'allocationMode' | 'count'>): number {
  if (allocationMode === 'ExactCount') return count
  return allocationMode === 'All' ? MOST_DEVICES : 0
}
