// How soon pods that failed are replaced. Nodes may refuse a pod as soon as they see it: replacing each at once would go on without end.
import { conditionOf } from '#api/conditions.ts'
import { equal } from '#api/equal.ts'
import { createBackoff, type Backoff } from '#client/backoff.ts'
import type { ControllerContext } from '#client/controller.ts'
import type { KubeObject } from '#api/object.ts'
import { LruMap } from '#lib/lru-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { controllerOf } from './owners.ts'
import { Repeats, waitAfter } from './repeats.ts'

const MOST_REMEMBERED = 4096
const INITIAL_MS = 1000
/** The life of a pod on a node that is not there ends within that. */
const EARLY_MS = 90_000
/** Whoever fails sooner cannot have done anything: it was given another phase, or no time at all. */
const FAILED_EARLY_MS = 5000
const OTHER_LABELS = 'its labels are not those that are selected'
const TAKEN = new Set(['DeletionByTaintManager', 'DeletionByPodGC'])

/** For controllers that delete a failed pod before they make the next: the first goes at once, each further one after twice as long. */
export class FailedPodPace {
  readonly #maxMs: number
  readonly #failures = new LruMap<string, { untilMs: number; backoff: Backoff }>(MOST_REMEMBERED)

  constructor({ maxMs }: { maxMs: number }) {
    this.#maxMs = maxMs
  }

  /** Milliseconds the next replacement under this name has to wait; 0 counts as one failure. */
  ask(name: string, { clock, random }: Pick<ControllerContext, 'clock' | 'random'>): number {
    const options = { initialMs: INITIAL_MS, maxMs: this.#maxMs, jitter: 0, resetAfterMs: 2 * this.#maxMs, clock, random }
    const known = this.#failures.get(name) ?? { untilMs: 0, backoff: createBackoff(options) }
    if (clock.monotonic() < known.untilMs) return known.untilMs - clock.monotonic()
    known.untilMs = clock.monotonic() + known.backoff.nextMs()
    this.#failures.set(name, known)
    return 0
  }
}

/**
 * For controllers that leave failed pods where they are: milliseconds until `wanted` pods that nodes have refused may be replaced once more.
 * Pods that ran before they failed are replaced at once.
 */
export function refusalWaitMs(owned: readonly Pod[], wanted: number, now: number): number {
  const refused = owned.filter(isRefused)
  const latestMs = refused.reduce((latest, { metadata }) => Math.max(latest, Date.parse(metadata?.creationTimestamp ?? '') || 0), 0)
  return waitAfter({ count: refused.length, latestMs }, wanted, now)
}

/**
 * Pods of each owner that were taken away soon after they were made, because their node is gone or has a taint, or because they were given
 * other labels than their owner selects, or another owner: the next will fare no better.
 */
export class EarlyEnds {
  /** With why the last one was of no use. */
  readonly #ends = new Repeats()
  readonly #failed: boolean

  /** `failed`: those that fail at once, too; for owners that do not wait for these by themselves. */
  constructor({ failed = false } = {}) {
    this.#failed = failed
  }

  /** Until the signal is aborted. */
  follow({ informers, clock, signal }: Pick<ControllerContext, 'informers' | 'clock' | 'signal'>): void {
    const subscription = informers.of(Pod).subscribe(({ object, previous }) => {
      // Gone they may be much later: others take their place as soon as they are on their way.
      if (object && wasTaken(object) && !(previous && wasTaken(previous))) this.#taken(object, clock.now())
      else if (object && previous && controllerOf(previous) && !controllerOf(object)) this.#taken(previous, clock.now())
      else if (this.#failed && object && failsNow(object, previous)) this.#taken(object, clock.now(), FAILED_EARLY_MS)
    })
    signal.addEventListener('abort', () => subscription[Symbol.dispose](), { once: true })
  }

  /** What came of a pod that was to be the owner's. */
  made(pod: Pod, { sent, owner }: { sent: Pod; owner: KubeObject }, now: number): void {
    const { uid = '' } = owner.metadata ?? {}
    const controller = controllerOf(pod)
    if (controller && controller.uid !== uid)
      this.lost(pod, { owner, why: `its owner is ${controller.kind} ${controller.name} with the uid ${controller.uid}` }, now)
    // Without an owner it is adopted, unless it has other labels.
    else if (!controller && !equal(pod.metadata?.labels, sent.metadata?.labels)) this.lost(pod, { owner, why: OTHER_LABELS }, now)
  }

  lost({ metadata }: Pod, { owner, why }: { owner: KubeObject; why: string }, now: number): void {
    this.#ends.note(owner.metadata?.uid ?? '', `${metadata?.name}: ${why}`, now)
  }

  /** Milliseconds until the next of `wanted` pods may be made; the owner says so where it has to wait. */
  holdBack(owner: KubeObject, wanted: number, { clock, events }: Pick<ControllerContext, 'clock' | 'events'>): number {
    const { uid = '', generation = 0 } = owner.metadata ?? {}
    const waitMs = this.#ends.ofGeneration(uid, generation).waitMs(uid, wanted, clock.now())
    if (waitMs === 0) return 0
    const last = this.#ends.last(uid)
    events.event(owner, 'Warning', 'PodsRefused', `Pods are taken away as they come, the next has to wait. The last was ${last}`)
    return waitMs
  }

  #taken(pod: Pod, now: number, earlyMs = EARLY_MS): void {
    const owner = controllerOf(pod)?.uid
    const ageMs = now - (Date.parse(pod.metadata?.creationTimestamp ?? '') || 0)
    if (owner && ageMs <= earlyMs) this.#ends.note(owner, endOf(pod), now)
  }
}

/** It ran, for all that is known. */
function failsNow(pod: Pod, previous: Pod | undefined): boolean {
  return pod.status?.phase === 'Failed' && previous?.status?.phase !== 'Failed' && !isRefused(pod)
}

function wasTaken({ status }: Pod): boolean {
  return (status?.conditions ?? []).some(({ type, reason = '' }) => type === 'DisruptionTarget' && TAKEN.has(reason))
}

/** It failed before its node began any of its containers. */
export function isRefused({ status }: Pod): boolean {
  return status?.phase === 'Failed' && (status.containerStatuses ?? []).length === 0
}

/** `web-x on node-1: Taint manager: deleting due to NoExecute taint` */
function endOf({ metadata, spec, status }: Pod): string {
  const { phase, reason = 'Failed', message = 'it failed at once' } = status ?? {}
  const disrupted = conditionOf(status?.conditions, 'DisruptionTarget')
  if (disrupted) return `${metadata?.name} on ${spec?.nodeName}: ${disrupted.message}`
  if (phase === 'Failed') return `${metadata?.name} on ${spec?.nodeName}: ${reason}: ${message}`
  return `${metadata?.name}: ${OTHER_LABELS}`
}
