// Tells a pod, in its own status, why it is not scheduled. Only the latest word per pod is sent, a few pods at a time.
import { conditionOf } from '#api/conditions.ts'
import { equal } from '#api/equal.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { type Clock, formatTime } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { PodInfo } from './pod-info.ts'

export interface UnscheduledStatus {
  reason: 'Unschedulable' | 'SchedulerError'
  message: string
  /** '' clears it; absent leaves it. */
  nominatedNodeName?: string
}

const CONCURRENCY = 8

export class PodStatusWriter {
  readonly #options: { client: Client; clock: Clock; log: Logger; signal: AbortSignal }
  readonly #latest = new Map<string, { info: PodInfo; status: UnscheduledStatus }>()
  readonly #writing = new Set<string>()

  constructor(options: { client: Client; clock: Clock; log: Logger; signal: AbortSignal }) {
    this.#options = options
  }

  write(info: PodInfo, status: UnscheduledStatus): void {
    if (isToldAlready(info.pod, status)) return
    this.#latest.set(info.uid, { info, status })
    this.#next()
  }

  /** Tells others where the pod is about to go. Not so important that anything should stop for it. */
  async nominate(pod: Pod, node: string): Promise<Pod | undefined> {
    if (pod.status?.nominatedNodeName === node) return undefined
    return this.#patch(pod, { nominatedNodeName: node })
  }

  /** It is promised no node any more, whatever else is to be said of it. */
  clearNominated({ uid, pod }: PodInfo): void {
    const waiting = this.#latest.get(uid)
    if (waiting) waiting.status.nominatedNodeName = ''
    else if (pod.status?.nominatedNodeName) void this.#patch(pod, { nominatedNodeName: null })
  }

  /** The pod found its node or went away. */
  forget(uid: string): void {
    this.#latest.delete(uid)
  }

  #next(): void {
    for (const [uid, { info, status }] of this.#latest) {
      if (this.#writing.size >= CONCURRENCY) return
      if (this.#writing.has(uid)) continue
      this.#latest.delete(uid)
      this.#writing.add(uid)
      void this.#send(info.pod, status).finally(() => {
        this.#writing.delete(uid)
        this.#next()
      })
    }
  }

  async #send(pod: Pod, { reason, message, nominatedNodeName }: UnscheduledStatus): Promise<void> {
    const { clock } = this.#options
    const previous = conditionOf(pod.status?.conditions, 'PodScheduled')
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason,
      message,
      lastProbeTime: null,
      lastTransitionTime: previous?.status === 'False' ? previous.lastTransitionTime : formatTime(clock.now()),
      ...(pod.metadata?.generation ? { observedGeneration: pod.metadata.generation } : {}),
    }
    const nominated = nominatedNodeName === undefined ? {} : { nominatedNodeName: nominatedNodeName || null }
    await this.#patch(pod, { conditions: [condition], ...nominated })
  }

  async #patch(pod: Pod, status: object): Promise<Pod | undefined> {
    const { client, log, signal } = this.#options
    const patch = { metadata: { uid: pod.metadata?.uid }, status }
    try {
      return await client.patch(Pod, keyOf(pod), { type: 'strategic', patch }, { subresource: 'status', signal })
    } catch (error) {
      if (!signal.aborted && !hasReason(error, 'NotFound', 'Conflict'))
        log.warn('could not tell a pod how it stands', { pod: pod.metadata?.name, error })
      return undefined
    }
  }
}

function isToldAlready(pod: Pod, { reason, message, nominatedNodeName }: UnscheduledStatus): boolean {
  const told = conditionOf(pod.status?.conditions, 'PodScheduled')
  const sameNode = nominatedNodeName === undefined || nominatedNodeName === (pod.status?.nominatedNodeName ?? '')
  return sameNode && told?.status === 'False' && equal([told.reason, told.message], [reason, message])
}
