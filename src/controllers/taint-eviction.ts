// taint-eviction-controller: deletes pods that do not tolerate a NoExecute taint of their node, or no longer do. Finished ones too, as upstream:
// whoever counts them has a finalizer on them.
import type { Taint, Toleration } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, keyText, type ObjectKey } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import { matchesTaint } from '#api/toleration.ts'
import type { Controller } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { mapped } from '#client/triggers.ts'
import { formatTime } from '#lib/clock.ts'
import { withCondition } from '#api/conditions.ts'
import { nodeNameOf, observedGenerationOf } from './pod-state.ts'

export function taintEvictionController(): Controller {
  /** Pods with a deletion ahead, and when: once set it stays until it is called off, whatever else pod and taints come to say. */
  const planned = new Map<string, number>()
  /** Pods whose deletion was told and has not come about yet: which, and for how long it bears what there is. */
  const marked = new Map<string, string>()
  return {
    name: 'taint-eviction-controller',
    account: 'node-controller',
    component: 'taint-eviction-controller',
    workers: 8,
    triggers: [
      mapped(Pod, (pod, informers) => (pod.spec?.nodeName && taintsOn(pod, informers).length > 0 ? [keyOf(pod)] : [])),
      mapped(Node, podsOnTainted),
    ],
    async reconcile(key, { client, informers, clock, events, metrics }) {
      const text = keyText(key)
      const pod = informers.of(Pod).get(key)
      const forget = () => {
        marked.delete(text)
        return planned.delete(text)
      }
      if (!pod || pod.metadata?.deletionTimestamp) return void forget()
      const now = clock.now()
      const due = planned.get(text)
      const waitMs = patienceMs(taintsOn(pod, informers), pod.spec?.tolerations ?? [])
      const callOff = () => events.event(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${text}`)
      if (waitMs === Infinity) {
        if (forget()) callOff()
        return
      }
      const mark = `${pod.metadata?.uid} ${waitMs}`
      if (marked.get(text) !== mark) {
        if (waitMs > 0 && (due === undefined || due > now)) {
          planned.set(text, due ?? now + waitMs)
          return { requeueAfterMs: (due ?? now + waitMs) - now }
        }
        // It goes earlier than was planned.
        if (due !== undefined && due > now) callOff()
        planned.delete(text)
        marked.set(text, mark)
        events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${text}`)
      }
      const conditions = withCondition(pod.status?.conditions, {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByTaintManager',
        message: 'Taint manager: deleting due to NoExecute taint',
        lastTransitionTime: formatTime(now),
        ...observedGenerationOf(pod),
      })
      const disrupted = conditions.find(({ type }) => type === 'DisruptionTarget')
      const patch = { metadata: { uid: pod.metadata?.uid }, status: { ...observedGenerationOf(pod), conditions: [disrupted] } }
      await client.patch(Pod, key, { type: 'strategic', patch }, { subresource: 'status' }).catch(ignoreNotFound)
      await client.delete(Pod, key).catch(ignoreNotFound)
      forget()
      metrics.add('taint_eviction_controller_pod_deletions_total')
      metrics.observe('taint_eviction_controller_pod_deletion_duration_seconds', [], (clock.now() - Math.min(due ?? now, now)) / 1000)
    },
  }
}

/** For how many milliseconds the pod may stay with these taints: 0 not at all, Infinity for ever. */
export function patienceMs(taints: readonly Taint[], tolerations: readonly Toleration[]): number {
  let wait = Infinity
  for (const taint of taints) {
    const matching = tolerations.filter((toleration) => matchesTaint(toleration, taint))
    if (matching.length === 0) return 0
    const seconds = Math.min(...matching.map(({ tolerationSeconds }) => tolerationSeconds ?? Infinity))
    if (seconds <= 0) return 0
    wait = Math.min(wait, seconds * 1000)
  }
  return wait
}

function taintsOn(pod: Pod, informers: Informers): Taint[] {
  const node = informers.of(Node).get({ name: pod.spec?.nodeName ?? '' })
  return (node?.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute')
}

/** Called for what a node was and what it is: taints that went call deletions off. */
function podsOnTainted(node: Node, informers: Informers): ObjectKey[] {
  if (!(node.spec?.taints ?? []).some(({ effect }) => effect === 'NoExecute')) return []
  const pods = informers.of(Pod).by(nodeNameOf, node.metadata?.name ?? '')
  return pods.map((pod) => keyOf(pod))
}
