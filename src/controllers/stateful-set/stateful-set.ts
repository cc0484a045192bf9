// statefulset-controller: pods with names, one after the other, each with its own claims; updates from the highest ordinal down.
import { isFinished } from '#api/finished-pod.ts'
import { ControllerRevision } from '#api/kinds/apps/controller-revision.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { adoptersOf, itself, ownersOf } from '#client/triggers.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'
import { EarlyEnds, FailedPodPace } from '#controllers/failed-pods.ts'
import { claim } from '#controllers/owners.ts'
import { isNamespaceTerminating, textOf } from '#controllers/pod-control.ts'
import { availableInMs, isReady } from '#controllers/pod-state.ts'
import { Repeats } from '#controllers/repeats.ts'
import { hashOf, type History, syncHistory, templateOf, truncateHistory } from '#controllers/revision-history.ts'
import { ensureClaims, hasStaleClaim, syncClaimOwners } from './claims.ts'
import { nextTurn } from '#lib/paced.ts'
import { isMember, lostLabels, newPod, ordinalOf, startOf } from './identity.ts'
import { writeStatus } from './status.ts'

/** A failed pod is replaced at once, then after 1 s and so on, at most after this. Upstream does not wait, but asks less than 20 times a second. */
const FAILED_MAX_MS = 60_000
/** A claim that goes with a pod that is gone is looked at again. */
const STALE_CLAIM_MS = 1000
/** Most pods made in one pass, as many as upstream makes at once: a set may want two billion. */
const BURST = 500
/** Then everybody else has a turn: on a store in memory nothing else would give them one. */
const MEMBERS_PER_TURN = 32

export function statefulSetController(): Controller {
  const pace = new FailedPodPace({ maxMs: FAILED_MAX_MS })
  const ends = new EarlyEnds({ placeOf: ({ metadata }) => metadata?.name })
  const lost = new Repeats()
  return {
    name: 'statefulset-controller',
    workers: 20,
    triggers: [
      itself(StatefulSet),
      ownersOf(Pod, StatefulSet),
      ownersOf(ControllerRevision, StatefulSet),
      adoptersOf(Pod, StatefulSet, ({ spec }) => spec?.selector),
    ],
    reads: [PersistentVolumeClaim],
    async run(context) {
      ends.follow(context)
    },
    async reconcile(key, context) {
      const set = context.informers.of(StatefulSet).get(key)
      if (!set?.metadata?.uid) return
      const pods = context.informers.of(Pod)
      const candidates = [...pods.ownedBy(set.metadata.uid), ...pods.orphans(key.namespace ?? '')]
      const members = await claim(candidates, {
        client: context.client,
        ownerKind: StatefulSet,
        owner: set,
        dependentKind: Pod,
        matches: (pod) => selectorMatches(set.spec?.selector, pod.metadata?.labels) && isMember(set, pod),
      })
      if (set.metadata.deletionTimestamp) {
        // Nothing is made for it any more, its history neither: it would be collected again at once.
        const { currentRevision: current, updateRevision: update, collisionCount } = set.status ?? {}
        return writeStatus(set, { pods: members, revisions: { current, update, collisionCount }, context })
      }
      const history = await syncHistory(set, StatefulSet, { ...context, lost })
      const pass = new Pass(set, { members, history, pace, ends, context })
      const failure = await pass.step().then(
        () => undefined,
        (error: unknown) => error,
      )
      await pass.writeStatus()
      await truncateHistory(set, { revisions: history.revisions, inUse: pass.revisionsInUse(), client: context.client })
      if (failure !== undefined && !isNamespaceTerminating(failure)) throw failure
      return pass.nextLook()
    },
  }
}

/** One step towards what the set wants; ordered sets take no second step before the first has worked out. */
class Pass {
  #set: StatefulSet
  #history: History
  #context: ControllerContext
  #members: Map<number, Pod>
  #current: ControllerRevision
  #pace: FailedPodPace
  #ends: EarlyEnds
  /** Until failed pods may be replaced. */
  #waits: number[] = []

  constructor(
    set: StatefulSet,
    {
      members,
      history,
      pace,
      ends,
      context,
    }: { members: readonly Pod[]; history: History; pace: FailedPodPace; ends: EarlyEnds; context: ControllerContext },
  ) {
    this.#set = set
    this.#history = history
    this.#pace = pace
    this.#ends = ends
    this.#context = context
    this.#members = new Map(members.map((pod) => [ordinalOf(pod), pod]))
    const name = set.status?.currentRevision
    this.#current = history.revisions.find(({ metadata }) => metadata?.name === name) ?? history.update
  }

  get #ordered(): boolean {
    return this.#set.spec?.podManagementPolicy !== 'Parallel'
  }

  get #end(): number {
    return startOf(this.#set) + (this.#set.spec?.replicas ?? 1)
  }

  /** Of those that are wanted: who is there, and the first that are not. */
  #ordinals(): number[] {
    const present = [...this.#members.keys()].filter((ordinal) => this.#isWanted(ordinal))
    const missing: number[] = []
    for (let ordinal = startOf(this.#set); ordinal < this.#end && missing.length < BURST; ordinal++)
      if (!this.#members.has(ordinal)) missing.push(ordinal)
    return [...present, ...missing].sort((a, b) => a - b)
  }

  #isWanted(ordinal: number): boolean {
    return ordinal >= startOf(this.#set) && ordinal < this.#end
  }

  async step(): Promise<void> {
    for (const [index, ordinal] of this.#ordinals().entries()) {
      if ((await this.#syncMember(ordinal)) === 'wait') return
      if (index % MEMBERS_PER_TURN === MEMBERS_PER_TURN - 1) await nextTurn()
    }
    const surplus = [...this.#members.values()].filter((pod) => !this.#isWanted(ordinalOf(pod))).sort((a, b) => ordinalOf(b) - ordinalOf(a))
    for (const pod of surplus) {
      await syncClaimOwners(this.#set, ordinalOf(pod), { pod, context: this.#context })
    }
    // By now the wanted ones are well. One that is not is waited for, unless it is the first of those that are not.
    const unwell = surplus.findLast((pod) => !this.#isHealthy(pod))
    for (const pod of surplus) {
      if (this.#ordered) {
        if (pod.metadata?.deletionTimestamp) return
        if (pod !== unwell && !this.#isAvailable(pod)) return
      }
      if (!pod.metadata?.deletionTimestamp) await this.#delete(pod)
      if (this.#ordered) return
    }
    await this.#update()
  }

  async #syncMember(ordinal: number): Promise<'wait' | 'next'> {
    const pod = this.#members.get(ordinal)
    if (!pod) {
      if (hasStaleClaim(this.#set, ordinal, this.#context)) {
        this.#waits.push(STALE_CLAIM_MS)
        return this.#ordered ? 'wait' : 'next'
      }
      const { waitMs } = this.#ends.openPlaces(this.#set, [`${this.#set.metadata?.name}-${ordinal}`], this.#context)
      if (waitMs !== undefined) this.#waits.push(waitMs)
      else await this.#create(ordinal)
      return this.#ordered ? 'wait' : 'next'
    }
    if (pod.metadata?.deletionTimestamp) return this.#ordered ? 'wait' : 'next'
    if (isFinished(pod)) {
      const waitMs = this.#pace.ask(`${this.#set.metadata!.uid}/${ordinal}`, this.#context)
      if (waitMs > 0) {
        this.#waits.push(waitMs)
        return this.#ordered ? 'wait' : 'next'
      }
      const [type, reason, what] =
        pod.status?.phase === 'Failed'
          ? (['Warning', 'RecreatingFailedPod', 'failed'] as const)
          : (['Normal', 'RecreatingTerminatedPod', 'terminated'] as const)
      const { namespace, name } = this.#set.metadata!
      this.#context.events.event(
        this.#set,
        type,
        reason,
        `StatefulSet ${namespace}/${name} is recreating ${what} Pod ${pod.metadata?.name}`,
      )
      await this.#delete(pod)
      return this.#ordered ? 'wait' : 'next'
    }
    if (pod.status?.phase === 'Pending') await ensureClaims(this.#set, ordinal, this.#context)
    if (this.#ordered && !this.#isAvailable(pod)) return 'wait'
    await this.#restore(pod)
    await syncClaimOwners(this.#set, ordinal, { pod, context: this.#context })
    return 'next'
  }

  /** Deletes the highest pod of an old revision, once all above it are well. */
  async #update(): Promise<void> {
    const { updateStrategy } = this.#set.spec!
    if (updateStrategy?.type === 'OnDelete') return
    const lowest = startOf(this.#set) + (updateStrategy?.rollingUpdate?.partition ?? 0)
    for (let ordinal = this.#end - 1; ordinal >= lowest; ordinal--) {
      const pod = this.#members.get(ordinal)
      if (!pod) return
      if (hashOf(pod) !== this.#history.update.metadata?.name && !pod.metadata?.deletionTimestamp) return this.#delete(pod)
      if (!this.#isAvailable(pod)) return
    }
  }

  async #create(ordinal: number): Promise<void> {
    const { client, events } = this.#context
    const partition = this.#set.spec?.updateStrategy?.rollingUpdate?.partition ?? 0
    const revision = ordinal < startOf(this.#set) + partition ? this.#current : this.#history.update
    const pod = newPod(this.#set, templateOf(revision), { ordinal, revision: revision.metadata!.name! })
    const what = `create Pod ${pod.metadata?.name} in StatefulSet ${this.#set.metadata?.name}`
    try {
      await ensureClaims(this.#set, ordinal, this.#context)
      const created = await client.create(Pod, pod)
      const making = { sent: pod, owner: this.#set }
      this.#ends.made(created, making, this.#context.clock.now())
      if (hashOf(created) !== hashOf(pod)) this.#ends.outdated(created, making, this.#context.clock.now())
      this.#members.set(ordinal, created)
      events.event(this.#set, 'Normal', 'SuccessfulCreate', `${what} successful`)
    } catch (error) {
      // Of a name that is taken upstream says nothing either.
      if (!isNamespaceTerminating(error) && !hasReason(error, 'AlreadyExists'))
        events.event(this.#set, 'Warning', 'FailedCreate', `${what} failed error: ${textOf(error)}`)
      throw error
    }
    await syncClaimOwners(this.#set, ordinal, { pod: this.#members.get(ordinal), context: this.#context })
  }

  /** Services of single pods select by these labels. */
  async #restore(pod: Pod): Promise<void> {
    const labels = lostLabels(pod)
    if (!labels) return
    const { client, events } = this.#context
    const what = `update Pod ${pod.metadata?.name} in StatefulSet ${this.#set.metadata?.name}`
    try {
      await client.patch(Pod, keyOf(pod), { type: 'merge', patch: { metadata: { uid: pod.metadata?.uid, labels } } })
    } catch (error) {
      events.event(this.#set, 'Warning', 'FailedUpdate', `${what} failed error: ${textOf(error)}`)
      throw error
    }
    events.event(this.#set, 'Normal', 'SuccessfulUpdate', `${what} successful`)
  }

  async #delete(pod: Pod): Promise<void> {
    const { client, events } = this.#context
    const what = `delete Pod ${pod.metadata?.name} in StatefulSet ${this.#set.metadata?.name}`
    try {
      await client.delete(Pod, keyOf(pod), { preconditions: { uid: pod.metadata!.uid! } })
    } catch (error) {
      if (hasReason(error, 'NotFound', 'Conflict')) return
      events.event(this.#set, 'Warning', 'FailedDelete', `${what} failed error: ${textOf(error)}`)
      throw error
    }
    events.event(this.#set, 'Normal', 'SuccessfulDelete', `${what} successful`)
  }

  #isHealthy(pod: Pod): boolean {
    return pod.status?.phase === 'Running' && isReady(pod) && !pod.metadata?.deletionTimestamp
  }

  #isAvailable(pod: Pod): boolean {
    return this.#isHealthy(pod) && availableInMs(pod, this.#set.spec?.minReadySeconds ?? 0, this.#context.clock.now()) === 0
  }

  async writeStatus(): Promise<void> {
    const { update, collisionCount } = this.#history
    const revisions = { current: this.#current.metadata?.name, update: update.metadata?.name, collisionCount }
    await writeStatus(this.#set, { pods: [...this.#members.values()], revisions, context: this.#context })
  }

  revisionsInUse(): Set<string> {
    const names = [...this.#members.values()].map((pod) => hashOf(pod) ?? '')
    return new Set([...names, this.#current.metadata!.name!, this.#history.update.metadata!.name!])
  }

  nextLook(): { requeueAfterMs: number } | void {
    const minReadySeconds = this.#set.spec?.minReadySeconds ?? 0
    const now = this.#context.clock.now()
    const available = [...this.#members.values()].map((pod) => availableInMs(pod, minReadySeconds, now) ?? 0).filter((wait) => wait > 0)
    const waits = [...available, ...this.#waits]
    if (waits.length > 0) return { requeueAfterMs: Math.min(...waits) }
  }
}
