// Hands committed changes to whoever watches a prefix: in order, without gaps, in arrays. Ends a watcher when its signal aborts.
import type { Change } from './store.ts'

class Watcher implements AsyncIterableIterator<Change[]> {
  readonly prefix: string
  #waiting: ((result: IteratorResult<Change[]>) => void) | undefined
  #backlog: Change[]
  #ended = false
  #onEnd: () => void

  constructor(prefix: string, backlog: Change[], onEnd: () => void) {
    this.prefix = prefix
    this.#backlog = backlog
    this.#onEnd = onEnd
  }

  offer(changes: Change[]): void {
    if (this.#waiting) {
      const deliver = this.#waiting
      this.#waiting = undefined
      deliver({ done: false, value: changes })
    } else {
      for (const change of changes) this.#backlog.push(change)
    }
  }

  next(): Promise<IteratorResult<Change[]>> {
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    if (this.#backlog.length > 0) {
      const value = this.#backlog
      this.#backlog = []
      return Promise.resolve({ done: false, value })
    }
    return new Promise((resolve) => (this.#waiting = resolve))
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#backlog = []
    this.#waiting?.({ done: true, value: undefined })
    this.#waiting = undefined
    this.#onEnd()
  }

  async return(): Promise<IteratorResult<Change[]>> {
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

export class Watchers {
  #all = new Set<Watcher>()

  add(prefix: string, { backlog, signal }: { backlog: Change[]; signal: AbortSignal }): AsyncIterable<Change[]> {
    const abort = () => watcher.end()
    const watcher = new Watcher(prefix, backlog, () => {
      this.#all.delete(watcher)
      signal.removeEventListener('abort', abort)
    })
    this.#all.add(watcher)
    if (signal.aborted) watcher.end()
    else signal.addEventListener('abort', abort, { once: true })
    return watcher
  }

  publish(changes: Change[]): void {
    for (const watcher of this.#all) {
      const wanted = watcher.prefix === '' ? changes : changes.filter(({ key }) => key.startsWith(watcher.prefix))
      if (wanted.length > 0) watcher.offer(wanted)
    }
  }

  close(): void {
    for (const watcher of this.#all) watcher.end()
  }
}
