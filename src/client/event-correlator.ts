// Keeps core v1 events few: the same one again only counts, many similar ones become one, and one source may not flood one object.
// Constants are client-go's: 10 similar in 600 s; 25 at once per source and object, then one per 300 s; 4096 remembered.
import type { CoreEvent } from '#api/kinds/core/event.ts'
import type { Clock } from '#lib/clock.ts'
import { LruMap } from '#lib/lru-map.ts'

const REMEMBERED = 4096
const SIMILAR_LIMIT = 10
const SIMILAR_INTERVAL_MS = 600_000
const BURST = 25
const REFILL_MS = 300_000

interface Known {
  name: string
  namespace: string
  firstTimestamp: string | null | undefined
  count: number
  stored: boolean
}

export interface Decision {
  event: CoreEvent
  /** Whether it is in the API already, so that a patch will do. Ask right before writing. */
  known(): boolean
  /** What the API made of it. */
  stored(event: CoreEvent): void
}

export class EventCorrelator {
  #clock: Clock
  #similar = new LruMap<string, { messages: Set<string>; lastMs: number }>(REMEMBERED)
  #known = new LruMap<string, Known>(REMEMBERED)
  #buckets = new LruMap<string, { tokens: number; atMs: number }>(REMEMBERED)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The event as it should be written, or undefined when it should not. */
  correlate(event: CoreEvent): Decision | undefined {
    const about = identity(event)
    const { key, message } = this.#aggregate(event, about)
    const known = this.#known.get(key)
    if (known) known.count++
    const { name, namespace, firstTimestamp, count } = known ?? {
      name: event.metadata!.name!,
      namespace: event.metadata!.namespace!,
      firstTimestamp: event.firstTimestamp,
      count: 1,
    }
    const entry: Known = known ?? { name, namespace, firstTimestamp, count, stored: false }
    if (!known) this.#known.set(key, entry)
    if (!this.#admit(about)) return undefined
    return {
      event: { ...event, message, count, ...(firstTimestamp ? { firstTimestamp } : {}), metadata: { ...event.metadata, name, namespace } },
      known: () => entry.stored,
      stored: (written) => {
        entry.stored = true
        entry.name = written.metadata?.name ?? entry.name
      },
    }
  }

  /** From the eleventh different message on, messages no longer tell similar events apart. */
  #aggregate(event: CoreEvent, about: string): { key: string; message: string } {
    const now = this.#clock.now()
    const message = event.message ?? ''
    const group = [about, event.type, event.reason, event.reportingComponent, event.reportingInstance].join('\n')
    let similar = this.#similar.get(group)
    if (!similar || now - similar.lastMs > SIMILAR_INTERVAL_MS) this.#similar.set(group, (similar = { messages: new Set(), lastMs: now }))
    similar.messages.add(message)
    similar.lastMs = now
    if (similar.messages.size < SIMILAR_LIMIT) return { key: [group, event.involvedObject.fieldPath, message].join('\n'), message }
    // Bounded: one message is dropped for each that came in.
    similar.messages.delete(similar.messages.values().next().value!)
    return { key: group, message: `(combined from similar events): ${message}` }
  }

  #admit(about: string): boolean {
    const now = this.#clock.now()
    const bucket = this.#buckets.get(about) ?? { tokens: BURST, atMs: now }
    bucket.tokens = Math.min(BURST, bucket.tokens + (now - bucket.atMs) / REFILL_MS)
    bucket.atMs = now
    this.#buckets.set(about, bucket)
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }
}

/** By whom and about what. Only a message, which stands last in a key, has lines. */
function identity({ source, involvedObject: about }: CoreEvent): string {
  return [source?.component, source?.host, about.kind, about.namespace, about.name, about.uid, about.apiVersion].join('\n')
}
