// Triggers only name keys; reconcile reads the world and moves it one step. Throw to retry with backoff.
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Metrics } from '#lib/metrics.ts'
import type { Random } from '#lib/random.ts'
import type { Client } from './client.ts'
import type { EventRecorder } from './event-recorder.ts'
import type { Informers } from './informer.ts'
import type { Retry } from './work-queue.ts'

export interface Trigger<T extends KubeObject = KubeObject> {
  kind: Kind<T>
  /** Keys to reconcile when `object` (or what it was before) changes. */
  keys(object: T, informers: Informers): Iterable<ObjectKey>
  /** Whether two versions of an object are known to name the same keys: then one is asked. */
  same?(object: T, previous: T): boolean
  /** Whether a change can concern anyone; every change can by default. */
  matters?(change: { object?: T; previous?: T }): boolean
}

export interface ControllerContext {
  client: Client
  informers: Informers
  events: EventRecorder
  clock: Clock
  random: Random
  log: Logger
  /** Counts by name; what is not in its table is not counted. */
  metrics: Metrics
  signal: AbortSignal
}

export interface NextPass {
  requeueAfterMs?: number
  /** Again with backoff, as after an error, though nothing is wrong: what it waits for tells nobody when it comes. */
  retry?: true
  /** What calls for the key meanwhile waits so long; for passes that cost much. */
  restMs?: number
}

export interface Controller {
  /** As in kube-controller-manager's --controllers; its identity is kube-system's service account of `account` (default: name). */
  name: string
  account?: string
  /** `source.component` of its events (default: name). */
  component?: string
  triggers: readonly Trigger<any>[]
  /** Kinds it reads but is not triggered by. */
  reads?: readonly Kind<any>[]
  /** Keys worked on at once: upstream's concurrency, and more where hundreds change together, since every write waits for the disk. */
  workers?: number
  /** How long a key that fails waits at first, which doubles, and at most. */
  retryMs?: Partial<Retry>
  /** How often a key is tried again that the API server refuses, before it is given up until something concerns it (default: without end). */
  retries?: number
  /** Does not run again for a key until the informers have seen this actor's own last write. */
  reconcile(key: ObjectKey, context: ControllerContext): Promise<void | NextPass>
  /** Work that no object triggers; runs for as long as the controller does. */
  run?(context: ControllerContext): Promise<void>
}
