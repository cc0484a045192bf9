// Room for the large bodies of requests: what is read and worked on at once is bounded, however many are sent. Who finds none waits in line, unread; one
// user never has it all. Small bodies need none.
import { StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'

/** A body takes several times its size while it is worked on. */
const ROOM_BYTES = 32 * 1024 * 1024
const ROOM_OF_ONE_USER = ROOM_BYTES / 2
const PATIENCE_MS = 30_000

export interface RoomRequest {
  user: string
  signal: AbortSignal
  /** How long the client waits for all of it. */
  remainingMs?: number
}

interface Waiting {
  user: string
  bytes: number
  enter(): void
}

export class BodyRoom {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiting>()
  readonly #held = new Map<string, number>()
  #free = ROOM_BYTES

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Given back by disposing what it resolves to. Throws TooManyRequests where there is none for too long, or the client left. */
  take(bytes: number, { user, signal, remainingMs = Infinity }: RoomRequest): Promise<Disposable> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(one)
        timer.cancel()
        signal.removeEventListener('abort', refuse)
      }
      const refuse = () => {
        leave()
        reject(new StatusError('TooManyRequests', 'too many large requests, please try again later', { details: { retryAfterSeconds: 1 } }))
      }
      const enter = () => {
        leave()
        resolve(this.#hold(user, bytes))
      }
      const one: Waiting = { user, bytes, enter }
      const timer = this.#clock.after(Math.min(PATIENCE_MS, Math.max(0, remainingMs)), refuse)
      signal.addEventListener('abort', refuse, { once: true })
      this.#waiting.add(one)
      if (signal.aborted) refuse()
      else this.#next()
    })
  }

  /** In the order they came, but nobody waits behind someone who has enough already. */
  #next(): void {
    for (const one of this.#waiting) {
      if ((this.#held.get(one.user) ?? 0) + one.bytes > ROOM_OF_ONE_USER) continue
      if (one.bytes > this.#free) return
      one.enter()
    }
  }

  #hold(user: string, bytes: number): Disposable {
    this.#free -= bytes
    this.#held.set(user, (this.#held.get(user) ?? 0) + bytes)
    let held = true
    return {
      [Symbol.dispose]: () => {
        if (!held) return
        held = false
        this.#free += bytes
        const left = this.#held.get(user)! - bytes
        if (left > 0) this.#held.set(user, left)
        else this.#held.delete(user)
        this.#next()
      },
    }
  }
}
