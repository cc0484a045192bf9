// pod-garbage-collector-controller: deletes pods nobody else will: of nodes that are gone, unscheduled and terminating, of nodes declared
// out of service, and the oldest finished ones once there are too many.
import { isFinished } from '#api/finished-pod.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, type ObjectKey } from '#api/object.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import { OUT_OF_SERVICE_TAINT } from '#api/well-known.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { mapped } from '#client/triggers.ts'
import { formatTime } from '#lib/clock.ts'
import { isNodeReady } from './node-lifecycle/node-lifecycle.ts'
import { nodeNameOf, observedGenerationOf } from './pod-state.ts'

const QUARANTINE_MS = 40_000
const PERIOD_MS = 20_000
/** No pod has a key without namespace: stands for the sweep of finished pods. */
const FINISHED: ObjectKey = { name: 'finished-pods' }

export function podGarbageCollector({ threshold = 12_500 }: { threshold?: number } = {}): Controller {
  /** Nodes missed since when, in monotonic milliseconds. */
  const missing = new Map<string, number>()
  let finished = 0
  let counts = false
  /** Until they are counted there may be too many. */
  const mayBeTooMany = () => !counts || finished >= threshold
  return {
    name: 'pod-garbage-collector-controller',
    account: 'pod-garbage-collector',
    workers: 2,
    retryMs: { most: PERIOD_MS },
    triggers: [
      mapped(Pod, (pod, informers) => [...suspects(pod, informers), ...(isFinished(pod) && mayBeTooMany() ? [FINISHED] : [])]),
      mapped(Node, podsOfLost),
    ],
    async run({ informers, signal }) {
      const subscription = informers.of(Pod).subscribe(({ object, previous }) => {
        finished += Number(object !== undefined && isFinished(object)) - Number(previous !== undefined && isFinished(previous))
      })
      counts = true
      signal.addEventListener('abort', () => subscription[Symbol.dispose](), { once: true })
    },
    async reconcile(key, context) {
      if (key.namespace === undefined) {
        if (finished > threshold) await sweepFinished(threshold, context)
        return
      }
      const pod = context.informers.of(Pod).get(key)
      if (!pod) return
      const { nodeName } = pod.spec ?? {}
      if (!nodeName) {
        if (pod.metadata?.deletionTimestamp) await removePod(pod, { reason: 'unscheduled' }, context)
        return
      }
      const node = context.informers.of(Node).get({ name: nodeName })
      if (node) {
        missing.delete(nodeName)
        if (isOutOfService(node) && pod.metadata?.deletionTimestamp)
          await removePod(pod, { reason: 'out-of-service', why: 'PodGC: node is out-of-service' }, context)
        return
      }
      const now = context.clock.monotonic()
      const since = missing.get(nodeName) ?? now
      missing.set(nodeName, since)
      // A pod made for a node that is long gone waits as long: whoever made it may make the next as soon as it is gone.
      const ageMs = context.clock.now() - (Date.parse(pod.metadata?.creationTimestamp ?? '') || 0)
      const waitMs = QUARANTINE_MS - Math.min(now - since, Math.max(0, ageMs))
      if (waitMs > 0) return { requeueAfterMs: waitMs }
      // The cache may be behind: only the API's word deletes pods.
      const live = await context.client.get(Node, { name: nodeName }).catch(ignoreNotFound)
      if (live) return { requeueAfterMs: PERIOD_MS }
      await removePod(pod, { reason: 'orphaned', why: 'PodGC: node no longer exists' }, context)
    },
  }
}

async function removePod(
  pod: Pod,
  { reason, why }: { reason: string; why?: string },
  { client, clock, metrics }: ControllerContext,
): Promise<void> {
  const key = keyOf(pod)
  const labels = [key.namespace ?? '', reason]
  metrics.add('pod_gc_collector_force_delete_pods_total', labels)
  if (!isFinished(pod)) {
    // Whoever holds the pod by a finalizer learns that it will not end by itself.
    const observed = observedGenerationOf(pod)
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByPodGC',
      message: why ?? '',
      lastTransitionTime: formatTime(clock.now()),
      ...observed,
    }
    const patch = {
      metadata: { uid: pod.metadata?.uid },
      status: { phase: 'Failed', ...observed, ...(why ? { conditions: [condition] } : {}) },
    }
    await client.patch(Pod, key, { type: 'strategic', patch }, { subresource: 'status' }).catch(ignoreNotFound)
  }
  const { uid } = pod.metadata!
  await client.delete(Pod, key, { gracePeriodSeconds: 0, ...(uid ? { preconditions: { uid } } : {}) }).catch((error: unknown) => {
    if (hasReason(error, 'NotFound', 'Conflict')) return
    metrics.add('pod_gc_collector_force_delete_pod_errors_total', labels)
    throw error
  })
}

async function sweepFinished(threshold: number, context: ControllerContext): Promise<void> {
  const pods = context.informers
    .of(Pod)
    .list()
    .filter((pod) => isFinished(pod))
  const rank = (pod: Pod) => Number(pod.status?.reason !== 'Evicted')
  const created = (pod: Pod) => Date.parse(pod.metadata?.creationTimestamp ?? '') || 0
  pods.sort((a, b) => rank(a) - rank(b) || created(a) - created(b) || (a.metadata!.name! < b.metadata!.name! ? -1 : 1))
  for (const pod of pods.slice(0, Math.max(0, pods.length - threshold))) await removePod(pod, { reason: 'terminated' }, context)
}

function suspects(pod: Pod, informers: Informers): ObjectKey[] {
  const { nodeName } = pod.spec ?? {}
  if (!nodeName) return pod.metadata?.deletionTimestamp ? [keyOf(pod)] : []
  const node = informers.of(Node).get({ name: nodeName })
  return !node || (isOutOfService(node) && pod.metadata?.deletionTimestamp) ? [keyOf(pod)] : []
}

function podsOfLost(node: Node, informers: Informers): ObjectKey[] {
  const name = node.metadata?.name ?? ''
  const current = informers.of(Node).get({ name })
  if (current && !isOutOfService(current)) return []
  const pods = informers.of(Pod).by(nodeNameOf, name)
  return pods.map((pod) => keyOf(pod))
}

function isOutOfService(node: Node): boolean {
  return !isNodeReady(node) && (node.spec?.taints ?? []).some(({ key }) => key === OUT_OF_SERVICE_TAINT)
}
