// node-lifecycle-controller: notices nodes that fell silent, says so in their conditions, taints them, and marks their pods not ready.
// Sets no timer but to the moment a node's grace ends.
import type { NodeCondition } from '#api/generated/types.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import { NODE_LEASE_NAMESPACE } from '#api/well-known.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { isConditionTrue } from '#api/conditions.ts'
import { isReady, nodeNameOf, observedGenerationOf } from '#controllers/pod-state.ts'
import { type Clock, formatTime } from '#lib/clock.ts'
import { NodeHealth } from './health.ts'
import { executionKey, hasExecutionTaint, sameTaints, wantedTaints, type Execution } from './taints.ts'
import { EvictionPace, zoneOf } from './zones.ts'

const WATCHED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

export function nodeLifecycleController(clock: Clock): Controller {
  const health = new NodeHealth(clock)
  const pace = new EvictionPace(clock)
  const ready = new Set<string>()
  /** Nodes whose pods are to go, now or when it may be, or to stay after all when everything is lost. */
  const lost = new Set<string>()
  return {
    name: 'node-lifecycle-controller',
    account: 'node-controller',
    component: 'node-controller',
    workers: 4,
    triggers: [
      itself(Node),
      // Whether an unready node's pods may be evicted depends on how its zone and the others fare.
      mapped(Node, ({ metadata }, informers) => {
        const name = metadata?.name ?? ''
        if (!pace.note(name, informers.of(Node).get({ name }))) return []
        return Array.from(lost, (one) => ({ name: one }))
      }),
      // A sign of life changes nothing by itself: the end of the grace finds out that there was one.
      mapped(Lease, (lease) => {
        const { namespace, name = '' } = lease.metadata ?? {}
        return namespace !== NODE_LEASE_NAMESPACE || health.renewed(name, lease) ? [] : [{ name }]
      }),
    ],
    reads: [Pod],
    async run({ metrics }) {
      const read = (name: string, value: (zone: { ready: number; total: number }) => number) =>
        metrics.measure(name, () => Array.from(pace.zones(), ([zone, of]) => [[zone], value(of)]))
      read('node_collector_zone_size', ({ total }) => total)
      read('node_collector_zone_health', ({ ready, total }) => (100 * ready) / total)
      read('node_collector_unhealthy_nodes_in_zone', ({ ready, total }) => total - ready)
    },
    async reconcile({ name }, context) {
      const { informers, events } = context
      const node = informers.of(Node).get({ name })
      if (!node) {
        if (health.knows(name))
          tell(events, { name, uid: name }, 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`)
        ready.delete(name)
        lost.delete(name)
        return health.forget(name)
      }
      if (!health.knows(name)) {
        tell(events, { name, uid: node.metadata?.uid ?? '' }, 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`)
      }
      const lease = informers.of(Lease).get({ namespace: NODE_LEASE_NAMESPACE, name })
      const remainingMs = health.remainingMs(node, lease)
      // What it writes brings it back here, counted among the lost.
      if (remainingMs <= 0 && (await markLost(node, context)) !== node) return
      const waitMs = await syncTaints(node, { pace, context })
      if (executionKey(node) === undefined) lost.delete(name)
      else lost.add(name)
      if (isNodeReady(node)) ready.add(name)
      else {
        if (ready.delete(name))
          tell(events, { name, uid: node.metadata?.uid ?? '' }, 'NodeNotReady', `Node ${name} status is now: NodeNotReady`)
        await markPodsNotReady(node, context)
      }
      const next = [...(remainingMs > 0 ? [remainingMs] : []), ...(waitMs === undefined ? [] : [waitMs])]
      if (next.length > 0) return { requeueAfterMs: Math.min(...next) }
    },
  }
}

/** All conditions of a silent node become Unknown; what it last said stays readable in their times. */
async function markLost(node: Node, { client, clock }: ControllerContext): Promise<Node> {
  const now = formatTime(clock.now())
  const conditions = [...(node.status?.conditions ?? [])]
  let changed = false
  for (const type of WATCHED) {
    const index = conditions.findIndex((condition) => condition.type === type)
    const current = conditions[index]
    if (current?.status === 'Unknown') continue
    changed = true
    const next: NodeCondition = current
      ? {
          ...current,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: now,
        }
      : {
          type,
          status: 'Unknown',
          reason: 'NodeStatusNeverUpdated',
          message: 'Kubelet never posted node status.',
          lastTransitionTime: now,
          ...(node.metadata?.creationTimestamp ? { lastHeartbeatTime: node.metadata.creationTimestamp } : {}),
        }
    if (current) conditions[index] = next
    else conditions.push(next)
  }
  if (!changed) return node
  return client.update(Node, { ...node, status: { ...node.status, conditions } }, { subresource: 'status' })
}

/** Returns how long to wait where evictions of the zone are paced. */
async function syncTaints(node: Node, { pace, context }: { pace: EvictionPace; context: ControllerContext }): Promise<number | undefined> {
  let execute: Execution = 'spare'
  let waitMs: number | undefined
  if (executionKey(node) !== undefined) {
    if (hasExecutionTaint(node)) execute = pace.allLost ? 'spare' : 'evict'
    else {
      const answer = pace.ask(node)
      execute = answer.verdict === 'wait' ? undefined : answer.verdict
      if (answer.verdict === 'wait') waitMs = answer.waitMs
    }
  }
  if (execute === 'evict' && !hasExecutionTaint(node)) context.metrics.add('node_collector_evictions_total', [zoneOf(node)])
  const taints = wantedTaints(node, { execute, now: context.clock.now() })
  if (!sameTaints(taints, node.spec?.taints ?? [])) {
    const { resourceVersion } = node.metadata!
    await context.client.patch(Node, keyOf(node), {
      type: 'merge',
      patch: { metadata: { resourceVersion }, spec: { taints: taints.length > 0 ? taints : null } },
    })
  }
  return waitMs
}

/** Pods of a node that is not ready serve nobody: their Ready turns False, so that endpoints let go of them. */
async function markPodsNotReady(node: Node, { client, informers, clock, events }: ControllerContext): Promise<void> {
  const pods = informers
    .of(Pod)
    .by(nodeNameOf, node.metadata?.name ?? '')
    .filter((pod) => isReady(pod))
  for (const pod of pods) {
    const observed = observedGenerationOf(pod)
    const condition = { type: 'Ready', status: 'False', lastTransitionTime: formatTime(clock.now()), ...observed }
    const patch = { metadata: { uid: pod.metadata?.uid }, status: { ...observed, conditions: [condition] } }
    events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready')
    await client.patch(Pod, keyOf(pod), { type: 'strategic', patch }, { subresource: 'status' }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound')) throw error
    })
  }
}

export function isNodeReady({ status }: Node): boolean {
  return isConditionTrue(status?.conditions, 'Ready')
}

function tell(events: ControllerContext['events'], { name, uid }: { name: string; uid: string }, reason: string, message: string): void {
  events.event({ apiVersion: 'v1', kind: 'Node', metadata: { name, uid } }, 'Normal', reason, message)
}
