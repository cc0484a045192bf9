// Whether a pod bound to this node may run on it, checked once, against what was admitted before. A refusal is final: the pod fails.
import type { Pod } from '#api/generated/types.ts'
import { allowsNode } from '#api/node-selector.ts'
import { quantityMilliValue, quantityValue } from '#api/quantity.ts'
import { tolerates } from '#api/toleration.ts'
import type { NodeFacts } from './context.ts'
import { podRequest } from './resources.ts'

export interface Refusal {
  reason: string
  message: string
}

const PORTS_TAKEN: Refusal = {
  reason: 'NodePorts',
  message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
}

export function admit(pod: Pod, { others, node }: { others: readonly Pod[]; node: NodeFacts }): Refusal | undefined {
  const used = (resource: string) => others.reduce((sum, other) => sum + amountOf(other, resource), 0)
  return unsupported(pod) ?? unfit(pod, node, { pods: others.length, used, isPortTaken: () => portConflict(pod, others) !== undefined })
}

/** What those hold that were admitted before. */
export interface Held {
  pods: number
  used(resource: string): number
  isPortTaken(): boolean
}

/** Whether there is room for it, and it is wanted there: as any kubelet judges, whatever runs its containers. */
export function unfit(pod: Pod, node: Pick<NodeFacts, 'name' | 'labels' | 'taints' | 'allocatable'>, held: Held): Refusal | undefined {
  const os = pod.spec?.os?.name
  if (os && os !== 'linux') return { reason: 'PodOSNotSupported', message: `Failed to admit pod as the OS field doesn't match node OS` }
  return (
    outOfResources(pod, node.allocatable, held) ??
    (allowsNode(pod.spec ?? {}, node)
      ? undefined
      : { reason: 'NodeAffinity', message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector" }) ??
    (held.isPortTaken() ? PORTS_TAKEN : undefined) ??
    (node.taints.some((one) => one.effect === 'NoExecute' && !tolerates(pod.spec?.tolerations, one))
      ? { reason: 'TaintToleration', message: 'Predicate TaintToleration failed: node(s) had untolerated taint(s)' }
      : undefined)
  )
}

/** What a pod asks for that this node cannot give at all. */
function unsupported(pod: Pod): Refusal | undefined {
  const { hostUsers, securityContext, resourceClaims = [], initContainers = [], containers = [] } = pod.spec ?? {}
  if (hostUsers === false)
    return { reason: 'UserNamespacesNotSupported', message: 'user namespaces (hostUsers: false) are not supported by this node' }
  if (securityContext?.supplementalGroupsPolicy === 'Strict') {
    return { reason: 'SupplementalGroupsPolicyNotSupported', message: 'SupplementalGroupsPolicy=Strict is not supported in this node' }
  }
  const profiles = [securityContext, ...[...initContainers, ...containers].map((container) => container.securityContext)].map(
    (own) => own?.appArmorProfile?.type,
  )
  if (profiles.some((type) => type === 'RuntimeDefault' || type === 'Localhost')) {
    return { reason: 'AppArmor', message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host' }
  }
  if (resourceClaims.length > 0)
    return { reason: 'UnexpectedAdmissionError', message: 'resource claims (dynamic resource allocation) are not supported by this node' }
  return undefined
}

function outOfResources(pod: Pod, allocatable: Record<string, string>, { pods, used }: Held): Refusal | undefined {
  const short = (resource: string, amounts: { requested: number; used: number; capacity: number }): Refusal => ({
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${amounts.requested}, used: ${amounts.used}, capacity: ${amounts.capacity}`,
  })
  const capacity = quantityValue(allocatable.pods)
  if (pods + 1 > capacity) return short('pods', { requested: 1, used: pods, capacity })
  for (const resource of requestNames(pod)) {
    // Resources that are not the node's own: of the whole cluster, or of devices that are claimed.
    if (isExtended(resource) && !Object.hasOwn(allocatable, resource)) continue
    const requested = amountOf(pod, resource)
    if (requested === 0) continue
    const room = resource === 'cpu' ? quantityMilliValue(allocatable.cpu) : quantityValue(allocatable[resource])
    const taken = used(resource)
    if (taken + requested > room) return short(resource, { requested, used: taken, capacity: room })
  }
  return undefined
}

function isExtended(resource: string): boolean {
  const [domain, name] = resource.split('/')
  return name !== undefined && domain !== 'kubernetes.io' && !domain!.endsWith('.kubernetes.io')
}

/** What the pod requests: thousandths of a processor, else whole units. */
export function amountOf(pod: Pod, resource: string): number {
  return resource === 'cpu' ? podRequest(pod, resource).milliValue() : podRequest(pod, resource).value()
}

export function requestNames(pod: Pod): Set<string> {
  const names = new Set<string>()
  for (const { resources } of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? []), { resources: pod.spec?.resources }]) {
    for (const name of Object.keys({ ...resources?.limits, ...resources?.requests })) names.add(name)
  }
  return names
}

export function portConflict(pod: Pod, others: readonly Pod[]): Refusal | undefined {
  const taken = others.flatMap(hostPorts)
  const clash = hostPorts(pod).some((one) =>
    taken.some(
      (other) =>
        one.port === other.port && one.protocol === other.protocol && (one.ip === other.ip || anyAddress(one.ip) || anyAddress(other.ip)),
    ),
  )
  if (!clash) return undefined
  return PORTS_TAKEN
}

export function hostPorts(pod: Pod): { ip: string; port: number; protocol: string }[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return [...sidecars, ...(pod.spec?.containers ?? [])].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP = '', protocol = 'TCP' }) => (hostPort ? [{ ip: hostIP, port: hostPort, protocol }] : [])),
  )
}

function anyAddress(ip: string): boolean {
  return ip === '' || ip === '0.0.0.0' || ip === '::'
}
