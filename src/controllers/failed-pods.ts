// How soon pods that failed are replaced. Nodes may refuse a pod as soon as they see it: replacing each at once would go on without end.
import { createBackoff, type Backoff } from '#client/backoff.ts'
import type { ControllerContext } from '#client/controller.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { Pod } from '#api/kinds/core/pod.ts'

const MOST_REMEMBERED = 4096
const INITIAL_MS = 1000
/** Rounds of refusals before replacements have to wait. */
const PATIENT_ROUNDS = 3
const MOST_WAIT_MS = 300_000

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
  const rounds = Math.floor(refused.length / Math.max(1, wanted)) - PATIENT_ROUNDS
  if (rounds < 0) return 0
  const latest = refused.reduce((latest, { metadata }) => Math.max(latest, Date.parse(metadata?.creationTimestamp ?? '') || 0), 0)
  return Math.max(0, latest + Math.min(MOST_WAIT_MS, INITIAL_MS * 2 ** rounds) - now)
}

/** It failed before its node began any of its containers. */
export function isRefused({ status }: Pod): boolean {
  return status?.phase === 'Failed' && (status.containerStatuses ?? []).length === 0
}
