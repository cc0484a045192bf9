// Lets requests in as their priority level has seats for them; who finds none waits, within bounds, or is told to come again. Streams do not count;
// a watch counts until what it begins with is on its way.
import type { Clock } from '#lib/clock.ts'
import { type Asked, type Fairness, type Flow, type FlowCounts, type Passing } from '#server/fairness/fairness.ts'
import { EVENT_MS, listSeats, watcherSeats } from '#server/fairness/seats.ts'
import type { Rejection, Running } from '#server/fairness/fair-queues.ts'
import type { RequestMetrics } from '#server/metrics.ts'
import type { Registry } from '#server/registry.ts'
import { answer, type Call, type Link, type Serve } from './call.ts'
import { isLongRunning } from './long-running.ts'

const READS = new Set(['get', 'list', 'watch', 'head', 'options'])
const MOST_WATCHES_OF_ONE_USER = 20_000
/** A watch with a long selector counts as several: it costs memory, and time with each change, as it is long. */
const CHARACTERS_OF_ONE_WATCH = 512
/** One request may take this part of its level's seats at most. */
const LARGEST_PART = 0.15

export interface FairnessOptions {
  registry: Registry
  metrics: Pick<RequestMetrics, 'inFlight'>
  clock: Clock
}

export function fairness(fair: Fairness, { registry, clock, metrics: { inFlight } }: FairnessOptions): Link {
  const watches = new Map<string, number>()

  const watch = async (call: Call, next: Serve) => {
    const { username } = call.user
    const open = watches.get(username) ?? 0
    const weight = 1 + Math.floor(call.exchange.url.length / CHARACTERS_OF_ONE_WATCH)
    if (open + weight > MOST_WATCHES_OF_ONE_USER) return refuse(call)
    watches.set(username, open + weight)
    try {
      await pass(call, next)
    } finally {
      const left = watches.get(username)! - weight
      if (left > 0) watches.set(username, left)
      else watches.delete(username)
    }
  }

  const pass = async (call: Call, next: Serve) => {
    const { info } = call
    const flow = fair.match(call.user, info)
    const { level, counts } = flow
    if (flow.uid) call.headers['x-kubernetes-pf-flowschema-uid'] = flow.uid
    if (level.uid) call.headers['x-kubernetes-pf-prioritylevel-uid'] = level.uid
    const kind = READS.has(info.verb) ? 'readOnly' : 'mutating'
    let running: Running | undefined
    let passing: Passing | undefined
    if (!level.exempt) {
      const admitted = admit(call, flow)
      const outcome = admitted instanceof Promise ? await waitFor(admitted, { counts, clock }) : admitted
      if (typeof outcome === 'string') {
        counts.rejected.set(outcome, (counts.rejected.get(outcome) ?? 0) + 1)
        return refuse(call)
      }
      running = outcome
      counts.waited.observe(running.waitedMs / 1000)
      call.waitedMs += running.waitedMs
    }
    const started = clock.monotonic()
    if (level.exempt) level.passing.add((passing = { username: call.user.username, info, flowSchema: flow.name, startedMs: started }))
    counts.dispatched++
    counts.executing++
    inFlight[kind]++
    let done = false
    const finish = () => {
      if (done) return
      done = true
      inFlight[kind]--
      counts.executing--
      const ran = info.verb === 'watch' ? counts.ranWatches : counts.ran
      ran.observe((clock.monotonic() - started) / 1000)
      if (passing) level.passing.delete(passing)
      running?.finish(watcherSeats(registry, info, mostOf(flow)), EVENT_MS)
    }
    if (info.verb === 'watch') whenOpened(call, finish)
    try {
      await next(call)
    } finally {
      finish()
    }
  }

  const admit = (call: Call, flow: Flow): Running | Rejection | Promise<Running | Rejection> => {
    const { info, exchange, user } = call
    const listing = info.verb === 'list' || info.verb === 'watch'
    const seats = listing && info.isResourceRequest ? listSeats(registry, info, { query: exchange.query, most: mostOf(flow) }) : 1
    const distinguisher = flow.distinguisher === 'ByUser' ? user.username : flow.distinguisher === 'ByNamespace' ? info.namespace : ''
    const { queues } = flow.level
    const request: Asked = { username: user.username, info }
    // A signal is made only for those who may have to wait.
    const crowded = queues.waiting > 0 || queues.seatsInUse + seats > queues.limit
    return queues.admit({ flowSchema: flow.name, distinguisher, seats, request, ...(crowded ? { signal: exchange.signal } : {}) })
  }

  return (call, next) => {
    const { info } = call
    if (info.isResourceRequest && info.verb === 'watch') return watch(call, next)
    return isLongRunning(call) ? next(call) : pass(call, next)
  }
}

const mostOf = ({ level }: Flow): number => Math.max(1, Math.ceil(level.bounds.nominal * LARGEST_PART))

interface Wait {
  counts: FlowCounts
  clock: Clock
}

async function waitFor(admitted: Promise<Running | Rejection>, { counts, clock }: Wait): Promise<Running | Rejection> {
  const since = clock.monotonic()
  counts.waiting++
  try {
    const outcome = await admitted
    if (typeof outcome === 'string') counts.waitedInVain.observe((clock.monotonic() - since) / 1000)
    return outcome
  } finally {
    counts.waiting--
  }
}

function whenOpened({ exchange }: Call, finish: () => void): void {
  const before = exchange.opened
  exchange.opened = (status) => {
    before?.(status)
    finish()
  }
}

function refuse(call: Call): void {
  answer(call, 429, {
    type: 'text/plain; charset=utf-8',
    body: 'Too many requests, please try again later.\n',
    headers: { 'retry-after': '1', 'x-content-type-options': 'nosniff' },
  })
}
