// The six verbs Kubernetes needs of its store. One revision sequence for all keys; the revision is the resourceVersion clients see.

/** Grows by one with every write; 0 stands for "absent" where a revision is expected. Below 2^53. */
export type Revision = number

export interface Entry {
  key: string
  value: Uint8Array
  /** Revision of the last write to this key. */
  revision: Revision
  /** Revision of the write that created it. */
  createRevision: Revision
  /** Why the value, left empty, cannot be read. */
  fault?: string
}

export interface Page {
  entries: Entry[]
  /** The store's revision the page shows. Pass it with `after` to go on with the same snapshot. */
  revision: Revision
  /** Present when entries remain: pass as `after`. */
  next?: string
  /** How many entries remain behind this page. */
  remaining?: number
}

export type Change =
  | { type: 'put'; key: string; value: Uint8Array; previous?: Uint8Array; revision: Revision; createRevision: Revision; fault?: string }
  | { type: 'delete'; key: string; previous: Uint8Array; revision: Revision }

export interface Store extends AsyncDisposable {
  get(key: string): Promise<Entry | undefined>
  /** Keys in byte order. `revision` reads an older snapshot; Compacted when it is gone. */
  list(prefix: string, page?: { after?: string; limit?: number; revision?: Revision }): Promise<Page>
  /** `expected` 0: only if absent; else the key's present revision, or RevisionMismatch. Durable when it resolves. */
  put(key: string, value: Uint8Array, expected: Revision): Promise<Entry>
  delete(key: string, expected: Revision): Promise<Revision>
  /** Every change after `after`, in order, without gaps, until the signal aborts (the iterable then ends). Compacted when too old. */
  watch(prefix: string, options: { after: Revision; signal: AbortSignal }): AsyncIterable<Change[]>
  /** Forgets history before `before`; present values stay. */
  compact(before: Revision): Promise<void>
  /** Revision of the last acknowledged write. */
  revision(): Revision
  /** Where others write too: the newest revision there is. A watch of everything will tell of it, or of a later one, soon. */
  latest?(): Promise<Revision>
  /** Whether the value is to be written anew though nothing in it changes: it is not kept as it should be. */
  isStale?(key: string): boolean
}

/** The key is not at the revision the writer expected; `actual` is what is there, undefined when absent. */
export class RevisionMismatch extends Error {
  override name = 'RevisionMismatch'
  readonly actual: Entry | undefined
  constructor(key: string, actual: Entry | undefined) {
    super(`${key} is at revision ${actual?.revision ?? 0}`)
    this.actual = actual
  }
}

/** The asked revision is older than the history kept; `compacted` is the oldest revision still served. */
export class Compacted extends Error {
  override name = 'Compacted'
  readonly compacted: Revision
  constructor(compacted: Revision) {
    super(`history before revision ${compacted} is gone`)
    this.compacted = compacted
  }
}
