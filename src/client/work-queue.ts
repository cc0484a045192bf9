// Keys that want work: each at most once in the queue, never by two workers at once, again if it was asked for meanwhile.
import type { Clock, Timer } from '#lib/clock.ts'

/** How long a key that fails waits at first, doubling with every failure, and at most. */
export interface Retry {
  first: number
  most: number
}

const RETRY_MS: Retry = { first: 5, most: 1_000_000 }

export class WorkQueue {
  #clock: Clock
  #ready: string[] = []
  #head = 0
  /** In the queue, or to be put there once its worker is done. */
  #dirty = new Set<string>()
  #processing = new Set<string>()
  #delayed = new Map<string, { due: number; timer: Timer }>()
  #failures = new Map<string, number>()
  /** Since when each has waited; only where someone asks. */
  #addedAt: Map<string, number> | undefined
  #takers: ((key: string | undefined) => void)[] = []
  #closed = false
  readonly #retryMs: Retry
  adds = 0
  retries = 0

  constructor(clock: Clock, { timed = false, ...retryMs }: { timed?: boolean } & Partial<Retry> = {}) {
    this.#clock = clock
    this.#retryMs = { ...RETRY_MS, ...retryMs }
    if (timed) this.#addedAt = new Map()
  }

  get depth(): number {
    return this.#ready.length - this.#head
  }

  get idle(): boolean {
    return this.depth === 0 && this.#processing.size === 0
  }

  add(key: string): void {
    if (this.#closed || this.#dirty.has(key)) return
    this.adds++
    this.#dirty.add(key)
    if (!this.#addedAt?.has(key)) this.#addedAt?.set(key, this.#clock.monotonic())
    if (!this.#processing.has(key)) this.#push(key)
  }

  /** The earliest of several delays wins. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return
    if (delayMs <= 0) return this.add(key)
    const due = this.#clock.monotonic() + delayMs
    const planned = this.#delayed.get(key)
    if (planned && planned.due <= due) return
    planned?.timer.cancel()
    const timer = this.#clock.after(delayMs, () => {
      this.#delayed.delete(key)
      this.add(key)
    })
    this.#delayed.set(key, { due, timer })
  }

  /** No matter after which delay it was to be added. */
  callOff(key: string): void {
    this.#delayed.get(key)?.timer.cancel()
    this.#delayed.delete(key)
  }

  /** Adds after a while that doubles with every failure since `forget`: from 5 ms to 1000 s unless said otherwise. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    this.retries++
    const { first, most } = this.#retryMs
    this.addAfter(key, Math.min(most, first * 2 ** failures))
  }

  /** Whether it waits to be worked on, now or after a delay. */
  has(key: string): boolean {
    return this.#dirty.has(key) || this.#delayed.has(key)
  }

  /** How long the key waited that was just taken. Asked once. */
  waitedMs(key: string): number {
    const since = this.#addedAt?.get(key)
    this.#addedAt?.delete(key)
    return since === undefined ? 0 : this.#clock.monotonic() - since
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0
  }

  forget(key: string): void {
    this.#failures.delete(key)
  }

  /** The next key, as soon as there is one; undefined once closed. `done` must follow. */
  take(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined)
    const key = this.#shift()
    if (key !== undefined) return Promise.resolve(key)
    return new Promise((resolve) => this.#takers.push(resolve))
  }

  done(key: string): void {
    this.#processing.delete(key)
    if (this.#dirty.has(key) && !this.#closed) this.#push(key)
  }

  close(): void {
    this.#closed = true
    for (const { timer } of this.#delayed.values()) timer.cancel()
    this.#delayed.clear()
    for (const take of this.#takers) take(undefined)
    this.#takers = []
  }

  #push(key: string): void {
    const take = this.#takers.shift()
    if (take) {
      this.#begin(key)
      take(key)
    } else this.#ready.push(key)
  }

  #shift(): string | undefined {
    if (this.#head === this.#ready.length) return undefined
    const key = this.#ready[this.#head++]!
    if (this.#head > 1024 && this.#head * 2 > this.#ready.length) {
      this.#ready.splice(0, this.#head)
      this.#head = 0
    }
    this.#begin(key)
    return key
  }

  #begin(key: string): void {
    this.#dirty.delete(key)
    this.#processing.add(key)
  }
}
