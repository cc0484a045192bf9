// Keeps events.k8s.io events few: the second alike within six minutes opens a series, later ones are counted and written now and then.
import { EventsEvent } from '#api/kinds/events/event.ts'
import { hasReason } from '#api/status.ts'
import { type Clock, formatMicroTime, type Timer } from '#lib/clock.ts'
import type { Client } from './client.ts'
import type { EventWrite } from './event-recorder.ts'

const FINISH_MS = 360_000
const REFRESH_MS = 1_800_000
const LIMIT = 4096

interface Open {
  event: EventsEvent
  count: number
  lastMs: number
  writtenMs: number
  /** Count that the API knows of. */
  writtenCount: number
}

export class EventSeries {
  #options: { client: Client; clock: Clock; enqueue(write: EventWrite): void; signal?: AbortSignal }
  #open = new Map<string, Open>()
  #timer: Timer | undefined

  constructor(options: { client: Client; clock: Clock; enqueue(write: EventWrite): void; signal?: AbortSignal }) {
    this.#options = options
    options.signal?.addEventListener('abort', () => this.#timer?.cancel(), { once: true })
  }

  record(event: EventsEvent): void {
    const { clock, enqueue, client } = this.#options
    const key = isomorphKey(event)
    const open = this.#open.get(key)
    if (open && clock.now() - open.lastMs < FINISH_MS) {
      open.count++
      open.lastMs = clock.now()
      if (open.count === 2 || open.lastMs - open.writtenMs >= REFRESH_MS) this.#write(open)
      return
    }
    if (open && open.count !== open.writtenCount) this.#write(open)
    if (this.#open.size >= LIMIT) this.#open.delete(this.#open.keys().next().value!)
    this.#open.set(key, { event, count: 1, lastMs: clock.now(), writtenMs: clock.now(), writtenCount: 1 })
    enqueue(async () => void (await client.create(EventsEvent, event)))
    this.#schedule()
  }

  #write(open: Open): void {
    const { client, clock, enqueue } = this.#options
    const series = { count: open.count, lastObservedTime: formatMicroTime(open.lastMs) }
    open.writtenMs = clock.now()
    open.writtenCount = open.count
    const { namespace, name } = open.event.metadata!
    enqueue(async () => {
      try {
        await client.patch(EventsEvent, { namespace: namespace!, name: name! }, { type: 'strategic', patch: { series } })
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error
        await client.create(EventsEvent, { ...open.event, series })
      }
    })
  }

  /** One timer to the earliest end of a series; none while nothing is open. */
  #schedule(): void {
    const { clock, signal } = this.#options
    if (this.#timer || signal?.aborted || this.#open.size === 0) return
    const earliest = Math.min(...[...this.#open.values()].map(({ lastMs }) => lastMs + FINISH_MS))
    this.#timer = clock.after(Math.max(1000, earliest - clock.now()), () => {
      this.#timer = undefined
      for (const [key, open] of this.#open) {
        if (clock.now() - open.lastMs < FINISH_MS) continue
        if (open.count !== open.writtenCount) this.#write(open)
        this.#open.delete(key)
      }
      this.#schedule()
    })
  }
}

/** What is said is part of it: a series tells one thing. Upstream takes the version of the object for that, which changes with what its status says. */
function isomorphKey({ type, action, reason, note, reportingController, reportingInstance, regarding, related }: EventsEvent): string {
  const { resourceVersion: _, ...about } = regarding ?? {}
  const { resourceVersion: __, ...other } = related ?? {}
  return JSON.stringify([type, action, reason, note, reportingController, reportingInstance, about, other])
}
