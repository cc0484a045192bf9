// Plays stages: each simulated pod and node waits for one stage at a time, of those it fits, and what the stage says happens to it when its delay is
// over, if it still fits. A stage whose result fits itself comes round ever more slowly.
import { conditionOf } from '#api/conditions.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { Kind } from '#api/kind.ts'
import { keyOf, type KubeObject } from '#api/object.ts'
import { hasReason, ignoreOvertaken } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import type { Informers } from '#client/informer.ts'
import { createInformers } from '#client/informers.ts'
import { type Clock, formatTime, type Timer } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { Random } from '#lib/random.ts'
import type { Exit } from '#node/simulated/pods.ts'
import type { WorkPool } from '#node/simulated/work-pool.ts'
import { compileStage, type PlayedStage } from './compile.ts'
import { Stage, stageDefinition } from './stage.ts'

/** Of the object: the stage that came last. What a stage has made of a pod is not made undone. */
export const STAGE_ANNOTATION = 'sampan.dev/stage'
/** A stage that hardly waits waits at least this long before it follows itself, then twice as long each time. */
const AGAIN_MS = 1000
const MOST_AGAIN_MS = 300_000
/** So many may follow each other without a pause. */
const FREE_TIMES = 8
/** So many of one owner are deleted without one, and as many more at each: who deletes what is made again at once would never end. */
const DELETIONS_AT_ONCE = 200
const MOST_OWNERS = 4096

export interface StagesOptions {
  client: Client
  informers: Informers
  clock: Clock
  random: Random
  log: Logger
  events: EventRecorder
  pool: WorkPool
  signal: AbortSignal
  /** Whether a node of that name is simulated here. */
  isOurs(node: string): boolean
  /** Ends containers of a pod. */
  exit(pod: Pod, exit: Exit): void
  /** A pod that was held on its way out goes as any other. */
  release(pod: Pod): void
}

interface Waiting {
  stage: PlayedStage
  timer: Timer
}

/** The stage that was played last on an object, and how many were in a row with it. */
interface Past {
  stage: string
  times: number
  atMs: number
}

export class Stages {
  readonly #options: StagesOptions
  #stages: readonly PlayedStage[] = []
  readonly #compiled = new Map<string, { generation: number | undefined; played: PlayedStage | undefined }>()
  /** By uid. */
  readonly #waiting = new Map<string, Waiting>()
  readonly #past = new Map<string, Past>()
  /** Deletions by stage and owner of what was deleted. */
  readonly #deletions = new LruMap<string, Past>(MOST_OWNERS)
  /** Pods on their way out that a stage will delete. */
  readonly #held = new Set<string>()
  #following: AbortController | undefined

  constructor(options: StagesOptions) {
    this.#options = options
  }

  /** Stages are followed for as long as their definition is there. */
  start(): Disposable {
    const { informers } = this.#options
    const stack = new DisposableStack()
    stack.defer(() => this.#end())
    stack.use(
      informers.of(CustomResourceDefinition).subscribe(({ object, previous }) => {
        if ((object ?? previous)?.metadata?.name !== stageDefinition.metadata?.name) return
        const established = object?.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')
        if (established) this.#follow()
        else if (!object) this.#end()
      }),
    )
    stack.use(informers.of(Pod).subscribe(({ object, previous }) => this.#changed(Pod, object, previous)))
    stack.use(informers.of(Node).subscribe(({ object, previous }) => this.#changed(Node, object, previous)))
    return stack
  }

  /** Whether a pod on its way out stays until a stage deletes it. */
  holds(pod: Pod): boolean {
    const held = this.#endings(pod).length > 0
    if (held) this.#held.add(pod.metadata!.uid!)
    return held
  }

  /** Stages that delete a pod for it is being deleted: they would not fit it otherwise. */
  #endings(pod: Pod): PlayedStage[] {
    const now = formatTime(this.#options.clock.now())
    const deleting = this.#fitting(Pod, pod, now).filter(({ spec }) => spec.next.delete)
    if (deleting.length === 0) return []
    const { deletionTimestamp: _at, deletionGracePeriodSeconds: _for, ...metadata } = pod.metadata!
    return deleting.filter((stage) => !stage.fits({ ...pod, metadata }, now))
  }

  #fitting(kind: Kind<any>, object: KubeObject, now: string): PlayedStage[] {
    return this.#stages.filter((stage) => stage.spec.resource === kind.kind && stage.weight > 0 && stage.fits(object, now))
  }

  #follow(): void {
    if (this.#following) return
    const { client, clock, random, log, signal } = this.#options
    this.#following = new AbortController()
    const own = createInformers({ client, clock, random, log, signal: AbortSignal.any([signal, this.#following.signal]) })
    const stages = own.of(Stage)
    stages.subscribe(({ object, previous }) => {
      const uid = (object ?? previous)!.metadata!.uid!
      if (object) this.#compile(object)
      else this.#compiled.delete(uid)
      this.#stages = [...this.#compiled.values()].flatMap(({ played }) => played ?? []).sort((a, b) => (a.name < b.name ? -1 : 1))
      this.#lookAgain()
    })
  }

  #end(): void {
    this.#following?.abort(new Error('stages are not defined any more'))
    this.#following = undefined
    this.#compiled.clear()
    this.#stages = []
    for (const { timer } of this.#waiting.values()) timer.cancel()
    this.#waiting.clear()
    this.#past.clear()
    this.#releaseAll()
  }

  #releaseAll(): void {
    const { informers, release } = this.#options
    const held = new Set(this.#held)
    this.#held.clear()
    if (held.size > 0) for (const pod of informers.of(Pod).list()) if (held.has(pod.metadata!.uid!)) release(pod)
  }

  /** Says in a condition whether it can be played. */
  #compile(stage: Stage): void {
    const { uid, generation } = stage.metadata!
    if (this.#compiled.get(uid!)?.generation === generation) return
    let played: PlayedStage | undefined
    let fault = ''
    try {
      played = compileStage(stage)
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error)
    }
    this.#compiled.set(uid!, { generation, played })
    const { client, clock, pool } = this.#options
    const status = fault ? 'False' : 'True'
    const before = conditionOf(stage.status?.conditions, 'Accepted')
    if (before?.status === status && before.message === fault && before.observedGeneration === generation) return
    const condition = {
      type: 'Accepted',
      status,
      reason: fault ? 'Invalid' : 'Valid',
      message: fault,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: before?.status === status ? before.lastTransitionTime : formatTime(clock.now()),
    }
    pool.add(`stage ${uid}`, () =>
      client
        .patch(
          Stage,
          { name: stage.metadata!.name! },
          { type: 'merge', patch: { status: { conditions: [condition] } } },
          { subresource: 'status' },
        )
        .catch(ignoreOvertaken),
    )
  }

  #lookAgain(): void {
    const { informers } = this.#options
    for (const pod of informers.of(Pod).list()) this.#changed(Pod, pod, undefined)
    for (const node of informers.of(Node).list()) this.#changed(Node, node, undefined)
  }

  #changed(kind: Kind<any>, object: KubeObject | undefined, previous: KubeObject | undefined): void {
    if (!object) return this.#forget(previous!.metadata!.uid!)
    if (this.#stages.length === 0 && this.#waiting.size === 0 && this.#held.size === 0) return
    const node = kind === Pod ? (object as Pod).spec?.nodeName : object.metadata!.name
    if (!node || !this.#options.isOurs(node)) return
    const { clock } = this.#options
    const uid = object.metadata!.uid!
    const now = formatTime(clock.now())
    const all = this.#fitting(kind, object, now)
    if (this.#held.has(uid) && this.#endings(object as Pod).length === 0) {
      this.#held.delete(uid)
      this.#options.release(object as Pod)
    }
    // One that would follow itself lets others go first.
    const others = all.filter(({ name }) => name !== this.#past.get(uid)?.stage)
    const fitting = others.length > 0 ? others : all
    const waiting = this.#waiting.get(uid)
    // A stage that was changed is another one.
    if (waiting && fitting.includes(waiting.stage)) return
    waiting?.timer.cancel()
    this.#waiting.delete(uid)
    const stage = this.#draw(fitting)
    if (!stage) return
    const timer = clock.after(Math.max(this.#delayOf(stage), this.#pauseOf(object, stage)), () => {
      this.#waiting.delete(uid)
      this.#options.pool.add(`stage of ${uid}`, () => this.#play(kind, uid, { key: keyOf(object), stage }))
    })
    this.#waiting.set(uid, { stage, timer })
  }

  #forget(uid: string): void {
    this.#waiting.get(uid)?.timer.cancel()
    this.#waiting.delete(uid)
    this.#past.delete(uid)
    this.#held.delete(uid)
  }

  #draw(fitting: readonly PlayedStage[]): PlayedStage | undefined {
    if (fitting.length < 2) return fitting[0]
    let left = this.#options.random.float() * fitting.reduce((sum, { weight }) => sum + weight, 0)
    return fitting.find(({ weight }) => (left -= weight) < 0) ?? fitting.at(-1)
  }

  #delayOf({ spec: { delay = {} } }: PlayedStage): number {
    const { seconds = 0, jitterSeconds = 0 } = delay
    return (seconds + (jitterSeconds > 0 ? jitterSeconds * this.#options.random.float() : 0)) * 1000
  }

  /** Nobody's result may keep the cluster busy: not of one stage, nor of several that undo each other. */
  #pauseOf(object: KubeObject, stage: PlayedStage): number {
    if ((stage.spec.delay?.seconds ?? 0) * 1000 >= AGAIN_MS) return 0
    const past = this.#past.get(object.metadata!.uid!)
    const deletions = this.#deletions.get(deletionOf(object, stage))?.times ?? 0
    const rounds = Math.floor(deletions / DELETIONS_AT_ONCE) - 1
    const doublings = Math.max(past ? past.times - (past.stage === stage.name ? 0 : FREE_TIMES) : -1, rounds)
    return doublings < 0 ? 0 : Math.min(MOST_AGAIN_MS, AGAIN_MS * 2 ** Math.min(doublings, 10))
  }

  #remember(object: KubeObject, stage: PlayedStage): void {
    const atMs = this.#options.clock.now()
    const pauseMs = this.#pauseOf(object, stage)
    const next = (past: Past | undefined): Past => {
      const soon = past !== undefined && atMs - past.atMs < 2 * pauseMs + AGAIN_MS
      return { stage: stage.name, times: soon ? past.times + 1 : 0, atMs }
    }
    const uid = object.metadata!.uid!
    this.#past.set(uid, next(this.#past.get(uid)))
    const deletion = deletionOf(object, stage)
    if (stage.spec.next.delete) this.#deletions.set(deletion, next(this.#deletions.get(deletion)))
  }

  async #play(kind: Kind<any>, uid: string, { key, stage }: { key: ReturnType<typeof keyOf>; stage: PlayedStage }): Promise<void> {
    const { client, informers, clock, events, log } = this.#options
    const object = informers.of<KubeObject>(kind).get(key)
    const now = formatTime(clock.now())
    if (object?.metadata?.uid !== uid || !this.#stages.includes(stage) || !stage.fits(object, now)) return
    this.#remember(object, stage)
    const { event, labels, annotations, finalizers, exit, delete: goes } = stage.spec.next
    if (event) events.event(object, event.type ?? 'Normal', event.reason, event.message ?? '')
    try {
      if (goes) {
        // What is on its way out already is gone then, as when its node has ended it.
        const atOnce = kind === Pod && object.metadata.deletionTimestamp ? { gracePeriodSeconds: 0 } : {}
        await client.delete(kind, key, { ...atOnce, preconditions: { uid } }).catch(ignoreOvertaken)
        return
      }
      // Only a stage that has something to say of the status speaks for it from then on.
      const speaks = stage.spec.next.status !== undefined || stage.spec.next.statusExpression !== undefined
      const told = { ...annotations, ...(speaks ? { [STAGE_ANNOTATION]: stage.name } : {}) }
      const { add = [], remove = [] } = finalizers ?? {}
      const metadata = {
        uid,
        ...(labels ? { labels } : {}),
        ...(Object.keys(told).length > 0 ? { annotations: told } : {}),
        ...(add.length > 0 ? { finalizers: add } : {}),
        ...(remove.length > 0 ? { '$deleteFromPrimitiveList/finalizers': remove } : {}),
      }
      if (Object.keys(metadata).length > 1) await client.patch(kind, key, { type: 'strategic', patch: { metadata } })
      if (exit && kind === Pod) this.#options.exit(object, { reason: exit.code === 0 ? 'Completed' : 'Error', ...exit })
      for (const status of stage.statusOf(object, now))
        await client.patch(kind, key, { type: 'strategic', patch: { metadata: { uid }, status } }, { subresource: 'status' })
    } catch (error) {
      if (hasReason(error, 'NotFound', 'Conflict')) return
      // Said where it happened; a stage that does not work is not tried again until something changes.
      events.event(object, 'Warning', 'StageFailed', `Stage ${stage.name}: ${error instanceof Error ? error.message : String(error)}`)
      log.debug('a stage could not be played', { stage: stage.name, key, error })
    }
  }
}

function deletionOf({ metadata }: KubeObject, stage: PlayedStage): string {
  return `${stage.name} of ${metadata?.ownerReferences?.[0]?.uid ?? metadata?.uid}`
}

/** Makes the definition of stages, unless it is there. */
export async function defineStages(client: Client): Promise<void> {
  await client.create(CustomResourceDefinition, stageDefinition).catch((error: unknown) => {
    if (!hasReason(error, 'AlreadyExists')) throw error
  })
}
