// Delays by key: 10 s, doubled at each use up to 5 minutes, forgotten after ten quiet minutes.
import type { Clock } from '#lib/clock.ts'

const INITIAL_MS = 10_000
const MAX_MS = 300_000
const RESET_MS = 2 * MAX_MS
const ENTRY_LIMIT = 10_000

interface Entry {
  delayMs: number
  updatedAt: number
}

export class RestartBackoff {
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The time until which to wait, counted from `since` (default: when the delay was last raised); undefined: go ahead. */
  waitUntil(key: string, since?: number): number | undefined {
    const entry = this.#entries.get(key)
    if (!entry || this.#expired(entry, since)) return undefined
    const until = (since ?? entry.updatedAt) + entry.delayMs
    return this.#clock.now() < until ? until : undefined
  }

  delayMs(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0
  }

  next(key: string, since?: number): void {
    const entry = this.#entries.get(key)
    const delayMs = !entry || this.#expired(entry, since) ? INITIAL_MS : Math.min(MAX_MS, entry.delayMs * 2)
    this.#entries.delete(key)
    this.#entries.set(key, { delayMs, updatedAt: this.#clock.now() })
    if (this.#entries.size > ENTRY_LIMIT) this.#entries.delete(this.#entries.keys().next().value!)
  }

  forget(key: string): void {
    this.#entries.delete(key)
  }

  forgetAll(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key)
  }

  #expired(entry: Entry, since = this.#clock.now()): boolean {
    return since - entry.updatedAt > RESET_MS
  }
}

/** As Go prints whole seconds: 10s, 1m20s, 5m0s. */
export function goSeconds(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`
}
