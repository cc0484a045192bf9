// A bounded number of writes at a time, begun a few in a turn of the event loop so that nobody waits for all of them; of what waits under one key
// only the newest is done. Failures come back after a pause.
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'

type Task = () => Promise<unknown>

/** About as many as keep the loop busy for a few milliseconds. */
const PER_TURN = 16
const RETRY_MS = 1000
const MOST_RETRY_MS = 30_000

export class WorkPool {
  readonly #options: { concurrency: number; clock: Clock; log: Logger; signal: AbortSignal }
  readonly #waiting = new Map<string, { task: Task; tries: number }>()
  readonly #running = new Set<string>()

  constructor(options: { concurrency: number; clock: Clock; log: Logger; signal: AbortSignal }) {
    this.#options = options
  }

  add(key: string, task: Task, tries = 0): void {
    if (this.#options.signal.aborted) return
    this.#waiting.set(key, { task, tries })
    this.#next()
  }

  /** Resolves when the task has been done, however often it had to be tried. */
  async run(task: Task, { retryMs, signal }: { retryMs: number; signal: AbortSignal }): Promise<void> {
    const done = Promise.withResolvers<void>()
    const attempt = async () => {
      try {
        signal.throwIfAborted()
        await task()
        done.resolve()
      } catch (error) {
        if (signal.aborted) return done.reject(signal.reason)
        this.#options.log.warn('a simulated node could not write', { error })
        this.#options.clock.after(retryMs, () => this.add(key, attempt))
      }
    }
    const key = `run ${this.#serial++}`
    this.add(key, attempt)
    await done.promise
  }

  #serial = 0
  #begun = 0

  #next(): void {
    const { concurrency, log, clock, signal } = this.#options
    for (const [key, { task, tries }] of this.#waiting) {
      if (this.#running.size >= concurrency || this.#begun >= PER_TURN) return
      if (this.#running.has(key)) continue
      if (this.#begun++ === 0)
        setImmediate(() => {
          this.#begun = 0
          this.#next()
        })
      this.#waiting.delete(key)
      this.#running.add(key)
      void task()
        .catch((error: unknown) => {
          if (signal.aborted) return
          log.warn('a simulated node could not write', { key, error })
          const delayMs = Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** Math.min(tries, 10))
          if (!this.#waiting.has(key)) clock.after(delayMs, () => this.#waiting.has(key) || this.add(key, task, tries + 1))
        })
        .finally(() => {
          this.#running.delete(key)
          this.#next()
        })
    }
  }
}
