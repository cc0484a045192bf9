// The store's engine: present entries and recent history in memory, in front of a journal that makes batches durable. A write is checked and
// numbered at once, made durable together with its neighbours (group commit), and only then seen by readers and watchers, in order.
import { firstAfter, SortedKeys } from '#lib/sorted-keys.ts'
import { type Change, Compacted, type Entry, type Page, type Revision, RevisionMismatch, type Store } from './store.ts'
import { Watchers } from './watchers.ts'

/** One numbered write: `after` undefined is a deletion. */
export interface Mutation {
  key: string
  revision: Revision
  before: Entry | undefined
  after: Entry | undefined
}

export interface Journal extends AsyncDisposable {
  /** Durable when it resolves; nothing of the batch counts when it rejects. */
  append(batch: readonly Mutation[]): Promise<void>
}

/** What a store begins with. */
export class Contents {
  readonly entries = new Map<string, Entry>()
  readonly keys = new SortedKeys()

  add(entry: Entry): void {
    this.entries.set(entry.key, entry)
    this.keys.add(entry.key)
  }
}

export interface RevisionedOptions {
  /** The store's to keep. */
  contents?: Contents
  revision?: Revision
  journal?: Journal
  /** How many past writes are kept for watchers that resume and for snapshots. */
  historyLimit?: number
  /** And how many bytes of values that are nowhere else any more. */
  historyBytes?: number
}

const HISTORY_LIMIT = 20_000
/** 20,000 writes of 6.5 KB: large objects written again and again must not fill the memory. */
const HISTORY_BYTES = 128 * 1024 * 1024

interface Pending {
  mutation: Mutation
  resolve(written: Mutation): void
  reject(error: unknown): void
}

/** What becomes durable together. */
class Batch {
  readonly writes: Pending[] = []
  /** The last write of each key. */
  readonly newest = new Map<string, Pending>()

  add(write: Pending): void {
    this.writes.push(write)
    this.newest.set(write.mutation.key, write)
  }
}

export function createRevisionedStore(options: RevisionedOptions = {}): Store {
  return new RevisionedStore(options)
}

class RevisionedStore implements Store {
  readonly #entries: Map<string, Entry>
  readonly #keys: SortedKeys
  #history: Mutation[] = []
  /** History holds every write after this revision. */
  #compacted: Revision
  #committed: Revision
  #assigned: Revision
  /** Numbered but not yet durable: what the journal is at, and what waits for it. */
  #flushed: Batch | undefined
  #queue = new Batch()
  #flushing: Promise<void> | undefined
  #watchers = new Watchers()
  #journal: Journal | undefined
  readonly #historyLimit: number
  readonly #historyBytesLimit: number
  /** What writes in the history have replaced. */
  #historyBytes = 0
  #closed = false

  constructor(options: RevisionedOptions) {
    const { contents = new Contents(), revision = 0, journal, historyLimit = HISTORY_LIMIT, historyBytes = HISTORY_BYTES } = options
    this.#entries = contents.entries
    this.#keys = contents.keys
    this.#compacted = this.#committed = this.#assigned = revision
    this.#journal = journal
    this.#historyLimit = historyLimit
    this.#historyBytesLimit = historyBytes
  }

  revision(): Revision {
    return this.#committed
  }

  async get(key: string): Promise<Entry | undefined> {
    return this.#entries.get(key)
  }

  async list(prefix: string, page: { after?: string; limit?: number; revision?: Revision } = {}): Promise<Page> {
    const revision = page.revision ?? this.#committed
    if (revision < this.#compacted) throw new Compacted(this.#compacted)
    if (revision > this.#committed) throw new RangeError(`revision ${revision} is not written yet; the store is at ${this.#committed}`)
    const past = this.#snapshot(prefix, revision)
    const limit = page.limit ?? Infinity
    const entries: Entry[] = []
    const start = page.after === undefined ? prefix : `${page.after}\0`
    for (const key of mergeKeys(this.#keys.from(start), past, start)) {
      if (!key.startsWith(prefix)) break
      const entry = past?.has(key) ? past.get(key) : this.#entries.get(key)
      if (!entry) continue
      if (entries.length === limit) return { entries, revision, next: entries.at(-1)!.key, remaining: this.#remaining(key, prefix, past) }
      entries.push(entry)
    }
    return { entries, revision }
  }

  async put(key: string, value: Uint8Array, expected: Revision): Promise<Entry> {
    return (await this.#write(key, value, expected)).after!
  }

  async delete(key: string, expected: Revision): Promise<Revision> {
    return (await this.#write(key, undefined, expected || -1)).revision
  }

  watch(prefix: string, { after, signal }: { after: Revision; signal: AbortSignal }): AsyncIterable<Change[]> {
    if (after < this.#compacted) throw new Compacted(this.#compacted)
    const missed = this.#history.slice(firstAfter(this.#history, after)).filter(({ key }) => key.startsWith(prefix))
    return this.#watchers.add(prefix, { backlog: missed.map(changeOf), signal })
  }

  async compact(before: Revision): Promise<void> {
    if (before <= this.#compacted) return
    const bound = Math.min(before, this.#committed)
    this.#forget(firstAfter(this.#history, bound))
    this.#compacted = bound
  }

  #forget(count: number): void {
    for (const { before } of this.#history.splice(0, count)) this.#historyBytes -= before?.value.length ?? 0
  }

  /** A quarter over either bound, the history is cut back to it. */
  #trim(): void {
    let [count, bytes] = [0, this.#historyBytes]
    if (this.#history.length > this.#historyLimit * 1.25) count = this.#history.length - this.#historyLimit
    if (bytes > this.#historyBytesLimit * 1.25) {
      let shorter = 0
      while (bytes > this.#historyBytesLimit) bytes -= this.#history[shorter++]!.before?.value.length ?? 0
      count = Math.max(count, shorter)
    }
    if (count === 0) return
    this.#compacted = this.#history[count - 1]!.revision
    this.#forget(count)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#flushing
    this.#watchers.close()
    await this.#journal?.[Symbol.asyncDispose]()
  }

  /** Checks, numbers and queues without a pause between. A mismatch against a write in flight is told only once that write is decided. */
  #write(key: string, value: Uint8Array | undefined, expected: Revision): Promise<Mutation> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error('the store is closed'))
      const pending = this.#queue.newest.get(key) ?? this.#flushed?.newest.get(key)
      const before = pending ? pending.mutation.after : this.#entries.get(key)
      if ((before?.revision ?? 0) === expected) {
        const revision = ++this.#assigned
        const after = value && { key, value, revision, createRevision: before?.createRevision ?? revision }
        this.#queue.add({ mutation: { key, revision, before, after }, resolve, reject })
        this.#flushing ??= this.#flush()
      } else if (pending) resolve(this.#flushing!.then(() => this.#write(key, value, expected)))
      else reject(new RevisionMismatch(key, before))
    })
  }

  async #flush(): Promise<void> {
    // One turn of grace lets writers of the same event-loop turn share the first batch.
    await Promise.resolve()
    while (this.#queue.writes.length > 0) {
      const batch = (this.#flushed = this.#queue)
      this.#queue = new Batch()
      try {
        await this.#journal?.append(batch.writes.map(({ mutation }) => mutation))
      } catch (error) {
        this.#abandon(batch, error)
        continue
      }
      this.#publish(batch)
    }
    // In the same turn that found the queue empty: a writer that comes one turn later must start a new flush.
    this.#flushing = undefined
  }

  /** A failed batch takes along what was numbered behind it: those writes may rest on ones that never happened. */
  #abandon(batch: Batch, error: unknown): void {
    const lost = [...batch.writes, ...this.#queue.writes]
    this.#queue = new Batch()
    this.#flushed = undefined
    this.#assigned = this.#committed
    for (const { reject } of lost) reject(error)
  }

  #publish({ writes }: Batch): void {
    this.#flushed = undefined
    for (const { mutation } of writes) {
      const { key, before, after, revision } = mutation
      if (after) {
        this.#entries.set(key, after)
        if (!before) this.#keys.add(key)
      } else {
        this.#entries.delete(key)
        this.#keys.delete(key)
      }
      this.#history.push(mutation)
      this.#historyBytes += before?.value.length ?? 0
      this.#committed = revision
    }
    this.#trim()
    this.#watchers.publish(writes.map(({ mutation }) => changeOf(mutation)))
    for (const { mutation, resolve } of writes) resolve(mutation)
  }

  /** What keys below `prefix` held at `revision`, for those written since; undefined when nothing was. */
  #snapshot(prefix: string, revision: Revision): Map<string, Entry | undefined> | undefined {
    const from = firstAfter(this.#history, revision)
    if (from === this.#history.length) return undefined
    const past = new Map<string, Entry | undefined>()
    for (let i = from; i < this.#history.length; i++) {
      const { key, before } = this.#history[i]!
      if (key.startsWith(prefix) && !past.has(key)) past.set(key, before)
    }
    return past
  }

  #remaining(from: string, prefix: string, past: Map<string, Entry | undefined> | undefined): number {
    let count = this.#keys.count(from, `${prefix}\u{ffff}`)
    for (const [key, entry] of past ?? []) {
      if (key < from) continue
      if (entry && !this.#entries.has(key)) count++
      else if (!entry && this.#entries.has(key)) count--
    }
    return count
  }
}

function changeOf({ key, revision, before, after }: Mutation): Change {
  if (!after) return { type: 'delete', key, previous: before!.value, revision }
  const { value, createRevision } = after
  return { type: 'put', key, value, revision, createRevision, ...(before ? { previous: before.value } : {}) }
}

/** Present keys together with keys that only the past knows, in order, each once. */
function* mergeKeys(present: Iterable<string>, past: Map<string, unknown> | undefined, start: string): Generator<string> {
  const extra = past ? [...past.keys()].filter((key) => key >= start).toSorted() : []
  let next = 0
  for (const key of present) {
    while (next < extra.length && extra[next]! < key) yield extra[next++]!
    if (extra[next] === key) next++
    yield key
  }
  while (next < extra.length) yield extra[next++]!
}
