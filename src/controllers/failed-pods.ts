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

/** A daemon may be in trouble on every node of a large cluster. */
const MOST_REMEMBERED = 65_536
const INITIAL_MS = 1000
/** The life of a pod on a node that is not there ends within that. */
const EARLY_MS = 90_000
/** Whoever fails sooner cannot have done anything: it was given another phase, or no time at all. */
const FAILED_EARLY_MS = 5000
const OTHER_LABELS = 'its labels are not those that are selected'
const OTHER_REVISION = 'its labels are not those of the present revision'
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
  readonly #placeOf: PlaceOf | undefined

  /**
   * `failed`: those that fail at once, too; for owners that do not wait for these by themselves.
   * `placeOf`: for owners whose pods each belong somewhere: what becomes of those at one place holds back none at others.
   */
  constructor({ failed = false, placeOf }: { failed?: boolean; placeOf?: PlaceOf } = {}) {
    this.#failed = failed
    this.#placeOf = placeOf
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
    const why = this.#whyLost(pod, sent, uid)
    if (why !== undefined) this.#lost(pod, { sent, owner, why }, now)
  }

  /** It will be replaced as one of an older revision. */
  outdated(pod: Pod, { sent, owner }: { sent: Pod; owner: KubeObject }, now: number): void {
    this.#lost(pod, { sent, owner, why: OTHER_REVISION }, now)
  }

  #lost(pod: Pod, { sent, owner, why }: { sent: Pod; owner: KubeObject; why: string }, now: number): void {
    this.#ends.note(this.#nameOf(owner.metadata?.uid ?? '', sent), `${pod.metadata?.name}: ${why}`, now)
  }

  #whyLost(pod: Pod, sent: Pod, uid: string): string | undefined {
    const controller = controllerOf(pod)
    if (controller && controller.uid !== uid) return `its owner is ${controller.kind} ${controller.name} with the uid ${controller.uid}`
    // Without an owner it is adopted, unless it has other labels.
    if (!controller && !equal(pod.metadata?.labels, sent.metadata?.labels)) return OTHER_LABELS
    const [place, wanted] = [this.#placeOf?.(pod), this.#placeOf?.(sent)]
    return place === wanted ? undefined : `it was made for ${wanted} and sent to ${place}`
  }

  /** Milliseconds until the next of `wanted` pods may be made; the owner says so where it has to wait. */
  holdBack(owner: KubeObject, wanted: number, context: Pick<ControllerContext, 'clock' | 'events'>): number {
    const name = owner.metadata?.uid ?? ''
    const waitMs = this.#waitMs(owner, { name, wanted }, context)
    if (waitMs > 0) this.#tell(owner, name, context)
    return waitMs
  }

  /** At which of `places` the next pod may be made, and how long until it may be at another of them, if any; the owner says so. */
  openPlaces(
    owner: KubeObject,
    places: readonly string[],
    context: Pick<ControllerContext, 'clock' | 'events'>,
  ): { open: string[]; waitMs: number | undefined } {
    const open: string[] = []
    let waitMs = Infinity
    let held: string | undefined
    for (const place of places) {
      const name = nameAt(owner.metadata?.uid, place)
      const wait = this.#waitMs(owner, { name, wanted: 1 }, context)
      if (wait === 0) open.push(place)
      else [held, waitMs] = [name, Math.min(waitMs, wait)]
    }
    if (held === undefined) return { open, waitMs: undefined }
    this.#tell(owner, held, context)
    return { open, waitMs }
  }

  #waitMs(owner: KubeObject, { name, wanted }: { name: string; wanted: number }, { clock }: Pick<ControllerContext, 'clock'>): number {
    return this.#ends.ofGeneration(name, owner.metadata?.generation ?? 0).waitMs(name, wanted, clock.now())
  }

  #tell(owner: KubeObject, name: string, { events }: Pick<ControllerContext, 'events'>): void {
    const last = this.#ends.last(name)
    events.event(owner, 'Warning', 'PodsRefused', `Pods are taken away as they come, the next has to wait. The last was ${last}`)
  }

  #taken(pod: Pod, now: number, earlyMs = EARLY_MS): void {
    const owner = controllerOf(pod)?.uid
    const ageMs = now - (Date.parse(pod.metadata?.creationTimestamp ?? '') || 0)
    if (owner && ageMs <= earlyMs) this.#ends.note(this.#nameOf(owner, pod), endOf(pod), now)
  }

  /** Under which its ends are counted. */
  #nameOf(owner: string, pod: Pod): string {
    return this.#placeOf ? nameAt(owner, this.#placeOf(pod)) : owner
  }
}

type PlaceOf = (pod: Pod) => string | undefined

function nameAt(owner: string | undefined, place: string | undefined): string {
  return `${owner} ${place}`
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
