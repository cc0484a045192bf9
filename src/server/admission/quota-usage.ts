// What objects count against resource quotas: by kind, by what they ask for, and by the scopes they fall into.
import { isFinished } from '#api/finished-pod.ts'
import type { PersistentVolumeClaim, Pod, ResourceQuotaSpec, ScopedResourceSelectorRequirement, Service } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { PersistentVolumeClaim as ClaimKind } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import type { KubeObject } from '#api/object.ts'
import { Quantity, quantityOf } from '#api/quantity.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import { deviceAmounts, type Find } from './device-usage.ts'
import { type Amounts, add, podUsage } from './pod-usage.ts'

const ONE = Quantity.of(1)
/** Counted under their own name as well as under count/NAME. */
const PLAIN_COUNTS = new Set(['configmaps', 'secrets', 'replicationcontrollers', 'resourcequotas', 'services', 'persistentvolumeclaims'])
/** Of a pod: these names and, for the rest, `requests.NAME` and `limits.NAME`. */
const COMPUTE = ['cpu', 'memory', 'ephemeral-storage']

export interface Circumstances {
  now: number
  /** Other objects that it depends on what this one counts for. */
  find: Find
}

export function usageOf(kind: Kind<any>, object: KubeObject, { now, find }: Circumstances): Amounts {
  const usage: Amounts = new Map([[`count/${kind.group ? `${kind.plural}.${kind.group}` : kind.plural}`, ONE]])
  if ((kind as unknown) === ResourceClaim) add(usage, deviceAmounts(object as ResourceClaim, find))
  if (kind.group) return usage
  if (PLAIN_COUNTS.has(kind.plural)) usage.set(kind.plural, ONE)
  if (kind.plural === 'pods') add(usage, podAmounts(object as Pod, now))
  else if (kind.plural === 'services') add(usage, serviceAmounts(object as Service))
  else if (kind.plural === 'persistentvolumeclaims') add(usage, claimAmounts(object as PersistentVolumeClaim))
  return usage
}

/** Of pods that cannot change: namespaces are counted again and again, and most of their pods are what they were. */
const known = new WeakMap<Pod, Amounts>()

function podAmounts(pod: Pod, now: number): Amounts {
  if (isOver(pod, now)) return new Map()
  const before = known.get(pod)
  if (before) return before
  const usage: Amounts = new Map([['pods', ONE]])
  const { requests, limits } = podUsage(pod, { held: true })
  for (const [name, amount] of requests) {
    usage.set(`requests.${name}`, amount)
    if (COMPUTE.includes(name) || name.startsWith('hugepages-')) usage.set(name, amount)
  }
  for (const [name, amount] of limits) usage.set(`limits.${name}`, amount)
  if (Object.isFrozen(pod)) known.set(pod, usage)
  return usage
}

function isOver(pod: Pod, now: number): boolean {
  if (isFinished(pod)) return true
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata ?? {}
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return false
  // The time of deletion has the grace period in it; as long again is waited before a pod counts as stuck.
  return now > Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000
}

function serviceAmounts({ spec }: Service): Amounts {
  const ports = spec?.ports?.length ?? 0
  const usage: Amounts = new Map()
  if (spec?.type === 'NodePort') usage.set('services.nodeports', Quantity.of(ports))
  if (spec?.type === 'LoadBalancer') {
    const allocated = spec.allocateLoadBalancerNodePorts === false ? (spec.ports ?? []).filter(({ nodePort }) => nodePort).length : ports
    usage.set('services.nodeports', Quantity.of(allocated))
    usage.set('services.loadbalancers', ONE)
  }
  return usage
}

function claimAmounts(claim: PersistentVolumeClaim): Amounts {
  const usage: Amounts = new Map()
  const storageClass = storageClassOf(claim)
  const ofClass = storageClass ? `${storageClass}.storageclass.storage.k8s.io/` : undefined
  if (ofClass) usage.set(`${ofClass}persistentvolumeclaims`, ONE)
  const text = claim.spec?.resources?.requests?.storage
  if (text === undefined) return usage
  const asked = quantityOf(text)
  // A volume that has grown stays as it is, whatever is asked for afterwards.
  const allocated = quantityOf(claim.status?.allocatedResources?.['storage'])
  const storage = (allocated.compare(asked) > 0 ? allocated : asked).roundUp()
  usage.set('requests.storage', storage)
  if (ofClass) usage.set(`${ofClass}requests.storage`, storage)
  return usage
}

/** Whether a quota's scopes take in the object. Scopes speak of pods, and one of volume claims; a scoped quota counts nothing else. */
export function inScope(spec: ResourceQuotaSpec, kind: Kind<any>, object: KubeObject): boolean {
  return scopesOf(spec).every((one) => matchesScope(one, kind, object))
}

export function scopesOf({ scopes = [], scopeSelector }: ResourceQuotaSpec): ScopedResourceSelectorRequirement[] {
  return [...scopes.map((scopeName) => ({ scopeName, operator: 'Exists' })), ...(scopeSelector?.matchExpressions ?? [])]
}

export function matchesScope(requirement: ScopedResourceSelectorRequirement, kind: Kind<any>, object: KubeObject): boolean {
  if ((kind as unknown) === ClaimKind) return claimInScope(object as PersistentVolumeClaim, requirement)
  return (kind as unknown) === PodKind && podInScope(object as Pod, requirement)
}

/** By all classes the claim has to do with: the one wanted, the one it has, and the one it is being given. */
function claimInScope({ spec, status }: PersistentVolumeClaim, requirement: ScopedResourceSelectorRequirement): boolean {
  if (requirement.scopeName !== 'VolumeAttributesClass') return false
  const { currentVolumeAttributesClassName: current, modifyVolumeStatus } = status ?? {}
  const names = [spec?.volumeAttributesClassName, current, modifyVolumeStatus?.targetVolumeAttributesClassName].filter(Boolean) as string[]
  return (names.length > 0 ? names : ['']).some((name) => isSelected(name, requirement))
}

/** An empty name is none. */
function isSelected(name: string, { operator, values = [] }: ScopedResourceSelectorRequirement): boolean {
  if (operator === 'In') return values.includes(name)
  if (operator === 'NotIn') return !values.includes(name)
  return (operator === 'Exists') === (name !== '')
}

function podInScope({ spec, status }: Pod, requirement: ScopedResourceSelectorRequirement): boolean {
  switch (requirement.scopeName) {
    case 'Terminating':
      return spec?.activeDeadlineSeconds !== undefined
    case 'NotTerminating':
      return spec?.activeDeadlineSeconds === undefined
    case 'BestEffort':
      return isBestEffort(spec, status)
    case 'NotBestEffort':
      return !isBestEffort(spec, status)
    case 'PriorityClass':
      return isSelected(spec?.priorityClassName ?? '', requirement)
    case 'CrossNamespacePodAffinity':
      return [spec?.affinity?.podAffinity, spec?.affinity?.podAntiAffinity].some((rules) =>
        [
          ...(rules?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
          ...(rules?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
        ].some(({ namespaces, namespaceSelector }) => (namespaces?.length ?? 0) > 0 || namespaceSelector !== undefined),
      )
    default:
      return false
  }
}

function isBestEffort(spec: Pod['spec'], status: Pod['status']): boolean {
  if (status?.qosClass) return status.qosClass === 'BestEffort'
  const { requests, limits } = podUsage({ spec: spec ?? { containers: [] } })
  return ['cpu', 'memory'].every((name) => !requests.get(name)?.sign && !limits.get(name)?.sign)
}

const EXPLICIT = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory'])

/** A quota on these makes every container name them, unless the pod as a whole says what it needs; says which do not. */
export function missingRequests(pod: Pod, hard: Iterable<string>): string | undefined {
  const missing: string[] = []
  const { requests, limits } = pod.spec?.resources ?? {}
  if ([requests, limits].some((list) => Object.keys(list ?? {}).length > 0)) return undefined
  for (const resource of [...hard].filter((name) => EXPLICIT.has(name)).sort()) {
    const [list, name] = resource.startsWith('limits.')
      ? (['limits', resource.slice(7)] as const)
      : (['requests', resource.replace('requests.', '')] as const)
    const silent = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].filter(
      ({ resources }) => resources?.[list]?.[name] === undefined,
    )
    if (silent.length > 0)
      missing.push(
        `${resource} for: ${silent
          .map((one) => one.name)
          .sort()
          .join(',')}`,
      )
  }
  return missing.length > 0 ? `must specify ${missing.join('; ')}` : undefined
}
