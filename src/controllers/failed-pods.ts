// How soon pods that failed are replaced. Nodes may refuse a pod as soon as they see it: replacing each at once would go on without end.
import { conditionOf } from '#api/conditions.ts'
import { createBackoff, type Backoff } from '#client/backoff.ts'
import type { ControllerContext } from '#client/controller.ts'
import type { KubeObject } from '#api/object.ts'
import { LruMap } from '#lib/lru-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { controllerOf } from './owners.ts'

const MOST_REMEMBERED = 4096
const INITIAL_MS = 1000
/** Rounds of refusals before replacements have to wait. */
const PATIENT_ROUNDS = 3
const MOST_WAIT_MS = 300_000
/** The life of a pod on a node that is not there ends within that. */
const EARLY_MS = 90_000
const FORGOTTEN_MS = 2 * MOST_WAIT_MS
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

function waitAfter({ count, latestMs }: { count: number; latestMs: number }, wanted: number, now: number): number {
  const rounds = Math.floor(count / Math.max(1, wanted)) - PATIENT_ROUNDS
  return rounds < 0 ? 0 : Math.max(0, latestMs + Math.min(MOST_WAIT_MS, INITIAL_MS * 2 ** rounds) - now)
}

/**
 * Pods of each owner that were taken away soon after they were made, because their node is gone or has a taint, or because they were given
 * other labels than their owner selects: the next will fare no better.
 */
export class EarlyEnds {
  readonly #ends = new LruMap<string, { count: number; latestMs: number; last: Pod }>(MOST_REMEMBERED)

  /** Until the signal is aborted. */
  follow({ informers, clock, signal }: Pick<ControllerContext, 'informers' | 'clock' | 'signal'>): void {
    const subscription = informers.of(Pod).subscribe(({ object, previous }) => {
      // Gone they may be much later: others take their place as soon as they are on their way.
      if (object && wasTaken(object) && !(previous && wasTaken(previous))) this.#taken(object, clock.now())
      else if (object && previous && controllerOf(previous) && !controllerOf(object)) this.#taken(previous, clock.now())
    })
    signal.addEventListener('abort', () => subscription[Symbol.dispose](), { once: true })
  }

  /** Milliseconds until the next of `wanted` pods may be made. */
  waitMs(owner: string, wanted: number, now: number): number {
    const known = this.#ends.get(owner)
    return known ? waitAfter(known, wanted, now) : 0
  }

  /** The same for an owner, who says so where it has to wait. */
  holdBack(owner: KubeObject, wanted: number, { clock, events }: Pick<ControllerContext, 'clock' | 'events'>): number {
    const uid = owner.metadata?.uid ?? ''
    const waitMs = this.waitMs(uid, wanted, clock.now())
    if (waitMs === 0) return 0
    const last = endOf(this.#ends.get(uid)?.last)
    events.event(owner, 'Warning', 'PodsRefused', `Pods are taken away as they come, the next has to wait. The last was ${last}`)
    return waitMs
  }

  #taken(pod: Pod, now: number): void {
    const owner = controllerOf(pod)?.uid
    const ageMs = now - (Date.parse(pod.metadata?.creationTimestamp ?? '') || 0)
    if (!owner || ageMs > EARLY_MS) return
    const known = this.#ends.get(owner)
    const before = known && now - known.latestMs <= FORGOTTEN_MS ? known.count : 0
    this.#ends.set(owner, { count: before + 1, latestMs: now, last: pod })
  }
}

function wasTaken({ status }: Pod): boolean {
  return (status?.conditions ?? []).some(({ type, reason = '' }) => type === 'DisruptionTarget' && TAKEN.has(reason))
}

/** It failed before its node began any of its containers. */
export function isRefused({ status }: Pod): boolean {
  return status?.phase === 'Failed' && (status.containerStatuses ?? []).length === 0
}

/** `web-x on node-1: Taint manager: deleting due to NoExecute taint` */
function endOf(pod: Pod | undefined): string {
  const disrupted = conditionOf(pod?.status?.conditions, 'DisruptionTarget')
  if (!disrupted) return `${pod?.metadata?.name}: its labels are not those that are selected`
  return `${pod?.metadata?.name} on ${pod?.spec?.nodeName}: ${disrupted?.message}`
}
