// Runs one controller: triggers fill a work queue, workers reconcile its keys, failures come back later. Knows nothing of any kind.
import { keyText, parseKeyText } from '#api/object.ts'
import { hasReason, StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import { Metrics } from '#lib/metrics.ts'
import { orAborted } from '#lib/or-aborted.ts'
import type { Service } from '#lib/service.ts'
import type { Client } from './client.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { createEventRecorder } from './event-recorder.ts'
import type { Informers } from './informer.ts'
import { createInformers } from './informers.ts'
import { OwnWrites } from './own-writes.ts'
import { WorkQueue } from './work-queue.ts'
import { WorkTimes } from './work-times.ts'

/** What was given up is looked at again after that, up to twice: as if informers told of everything anew, as upstream's do. */
const RESYNC_MS = 12 * 3600_000

export interface ControllerOptions {
  client: Client
  /** Shared by all actors of a process; without it the controller makes its own. */
  informers?: Informers
  clock: Clock
  random: Random
  log: Logger
  /** Where it counts, and what its queue is called there. */
  metrics?: Metrics
  queue?: string
}

export interface ControllerCounters {
  adds: number
  retries: number
  depth: number
  reconciles: number
  errors: number
}

export interface ControllerService extends Service {
  counters(): ControllerCounters
}

export function createControllerService(controller: Controller, options: ControllerOptions): ControllerService {
  const timed = options.metrics !== undefined
  const queue = new WorkQueue(options.clock, { timed, ...controller.retryMs })
  const times = new WorkTimes(options.queue ?? controller.name, options)
  times.watch(queue)
  const refusals = new Map<string, number>()
  const givenUp = new Set<string>()
  const totals = { reconciles: 0, errors: 0 }
  return {
    name: controller.name,
    counters: () => ({ adds: queue.adds, retries: queue.retries, depth: queue.depth, ...totals }),
    async start(signal) {
      const stop = new AbortController()
      await using starting = new AsyncDisposableStack()
      starting.defer(() => stop.abort(new Error(`${controller.name} was stopped`)))
      const log = options.log.child({ controller: controller.name })
      const context = contextOf(controller, options, { log, signal: stop.signal })
      const { informers } = context

      for (const trigger of controller.triggers) {
        const enqueue = (object: object | undefined) => {
          if (object) for (const key of trigger.keys(object, informers)) queue.add(keyText(key))
        }
        starting.use(
          informers.of(trigger.kind).subscribe((change) => {
            if (trigger.matters && !trigger.matters(change)) return
            const { object, previous } = change
            if (!object || !previous || !trigger.same?.(object, previous)) enqueue(previous)
            enqueue(object)
          }),
        )
      }
      const read = [...controller.triggers.map(({ kind }) => kind), ...(controller.reads ?? [])].map((kind) => informers.of(kind).synced())
      await orAborted(Promise.all(read), signal)

      const writes = new OwnWrites(options.client, informers)
      const workers = Array.from({ length: controller.workers ?? 1 }, () =>
        work(controller, context, { queue, writes, totals, times, refusals, givenUp }),
      )
      const running = controller.run?.(context).catch((error: unknown) => {
        if (!stop.signal.aborted) log.error('stopped running', { error })
      })
      starting.defer(async () => {
        queue.close()
        stop.abort(new Error(`${controller.name} was stopped`))
        await Promise.all([...workers, running])
      })
      return starting.move()
    },
  }
}

function contextOf(controller: Controller, options: ControllerOptions, own: { log: Logger; signal: AbortSignal }): ControllerContext {
  const { client, clock, random } = options
  const informers = options.informers ?? createInformers({ client, clock, random, ...own })
  const events = createEventRecorder({ client, clock, random, component: controller.component ?? controller.name, ...own })
  return { client, informers, events, clock, random, metrics: options.metrics ?? new Metrics({}), ...own }
}

async function work(
  controller: Controller,
  context: ControllerContext,
  {
    queue,
    writes,
    totals,
    times,
    refusals,
    givenUp,
  }: {
    queue: WorkQueue
    writes: OwnWrites
    totals: { reconciles: number; errors: number }
    times: WorkTimes
    /** How often in a row the API server has refused a key. */
    refusals: Map<string, number>
    /** What is not well since then. */
    givenUp: Set<string>
  },
): Promise<void> {
  for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
    let restMs = 0
    times.begin(key, queue)
    try {
      const seen = writes.seen(key)
      if (seen) await orAborted(seen, context.signal)
      totals.reconciles++
      const result = await controller.reconcile(parseKeyText(key), { ...context, client: writes.clientFor(key) })
      if (givenUp.delete(key)) queue.callOff(key)
      if (result?.retry) queue.addRateLimited(key)
      else queue.forget(key)
      if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs)
      restMs = result?.restMs ?? 0
      refusals.delete(key)
    } catch (error) {
      if (!context.signal.aborted) {
        totals.errors++
        const refused = isRefusal(error) ? (refusals.get(key) ?? 0) + 1 : 0
        const again = refused <= (controller.retries ?? Infinity)
        if (again) queue.addRateLimited(key)
        report(context.log, { key, error, failures: queue.failures(key), again })
        if (again && refused > 0) refusals.set(key, refused)
        else refusals.delete(key)
        if (!again) {
          givenUp.add(key)
          queue.forget(key)
          queue.addAfter(key, RESYNC_MS * (1 + context.random.float()))
        }
      }
    } finally {
      times.end(key)
      const rested = key
      if (restMs > 0) context.clock.after(restMs, () => queue.done(rested))
      else queue.done(key)
    }
  }
}

/** The API server has decided. What it cannot do for the moment may well be done later: upstream begins anew then, with a lease it had lost. */
function isRefusal(error: unknown): error is StatusError {
  return error instanceof StatusError && error.code < 500 && error.code !== 429
}

/** Lost races are everyday life among actors; anything else is worth a line. Where a refusal came about is of no use to who reads it. */
function report(log: Logger, { again, error, ...rest }: { key: string; error: unknown; failures: number; again: boolean }): void {
  const fields = { ...rest, error: isRefusal(error) ? String(error) : error }
  if (!again) log.warn('could not reconcile, given up until something changes', fields)
  else if (hasReason(error, 'Conflict', 'AlreadyExists', 'NotFound')) log.debug('will try again', fields)
  else log.warn('could not reconcile', fields)
}
