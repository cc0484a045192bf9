// Carries a preemption out: marks each victim, deletes it, says so, and releases weaker pods that were promised the node.
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import { type Clock, formatTime } from '#lib/clock.ts'
import type { PodInfo } from './pod-info.ts'
import type { Candidate } from './preemption.ts'

export interface EvictOptions {
  client: Client
  events: EventRecorder
  clock: Clock
  schedulerName: string
  signal: AbortSignal
}

export async function evictVictims({ victims, node }: Candidate, preemptor: PodInfo, options: EvictOptions): Promise<void> {
  await Promise.all(victims.map((victim) => evict(victim, preemptor, { ...options, node: node.name })))
}

async function evict({ pod }: PodInfo, preemptor: PodInfo, options: EvictOptions & { node: string }): Promise<void> {
  const { client, events, clock, schedulerName, signal, node } = options
  if (pod.metadata?.deletionTimestamp) return
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'PreemptionByScheduler',
    message: `${schedulerName}: preempting to accommodate a higher priority pod`,
    lastTransitionTime: formatTime(clock.now()),
    ...(pod.metadata?.generation ? { observedGeneration: pod.metadata.generation } : {}),
  }
  const patch = { metadata: { uid: pod.metadata?.uid }, status: { conditions: [condition] } }
  try {
    await client.patch(Pod, keyOf(pod), { type: 'strategic', patch }, { subresource: 'status', signal })
    await client.delete(Pod, keyOf(pod), { ...(pod.metadata?.uid ? { preconditions: { uid: pod.metadata.uid } } : {}), signal })
  } catch (error) {
    ignoreNotFound(error)
    return
  }
  events.event(pod, 'Normal', 'Preempted', `Preempted by pod ${preemptor.uid} on node ${node}`, {
    action: 'Preempting',
    related: preemptor.pod,
  })
}
