// A clock that moves only when told. Timers fire in order of their due time and of their making, each followed by a pause in which what it
// woke may run; those of one instant that were set beforehand fire together.
import type { Clock, Timer } from './clock.ts'
import { Heap } from './heap.ts'

export interface VirtualClock extends Clock {
  /** Moves time forward, firing every timer that falls due on the way (those set meanwhile too). One at a time: calls wait for each other. */
  advance(ms: number): Promise<void>
  /** Sets the time of day on or back, as somebody who corrects a clock does: nothing falls due by it. */
  set(ms: number): void
  /** Due times of what is scheduled, for tests that ask whether anything polls. */
  pending(): number[]
}

interface Scheduled {
  due: number
  order: number
  cancelled: boolean
  task(): void
}

export interface VirtualClockOptions {
  /** Lets work set off by a timer finish before the next one fires; by default a few turns of the event loop. */
  settle?(): Promise<void>
}

const MOST_CANCELLED = 256

export function createVirtualClock(startMs = Date.UTC(2026, 0, 1), options: VirtualClockOptions = {}): VirtualClock {
  const settle = options.settle ?? turns
  const scheduled = new Heap<Scheduled>((a, b) => a.due < b.due || (a.due === b.due && a.order < b.order))
  let now = startMs
  /** By how much the time of day differs from the time that has passed. */
  let off = 0
  let order = 0
  let cancelled = 0
  let moving = Promise.resolve()

  const at = (due: number, task: () => void): Timer => {
    const entry = { due, order: order++, task, cancelled: false }
    scheduled.push(entry)
    const cancel = () => {
      if (entry.cancelled) return
      entry.cancelled = true
      entry.task = nothing
      if (++cancelled > MOST_CANCELLED && cancelled > scheduled.size / 2) sweep()
    }
    return { cancel, [Symbol.dispose]: cancel }
  }

  const sweep = () => {
    scheduled.retain((one) => !one.cancelled)
    cancelled = 0
  }

  /** Next that is due by then; cancelled ones are dropped on the way. */
  const takeDue = (by: number): Scheduled | undefined => {
    for (let first = scheduled.peek(); first && (first.cancelled || first.due <= by); first = scheduled.peek()) {
      scheduled.pop()
      if (!first.cancelled) return first
    }
    return undefined
  }

  const move = async (ms: number) => {
    const target = now + ms
    await settle()
    for (let next = takeDue(target); next; next = takeDue(target)) {
      now = Math.max(now, next.due)
      const before = order
      next.task()
      // What was set for this instant by what just ran waits until that has come to rest.
      for (let same = scheduled.peek(); same && same.due <= now && same.order < before; same = scheduled.peek()) {
        scheduled.pop()
        same.task()
      }
      await settle()
    }
    now = target
  }

  return {
    now: () => now + off,
    monotonic: () => now - startMs,
    after: (delayMs, task) => at(now + Math.max(0, delayMs), task),
    every(periodMs, task) {
      let timer: Timer
      const again = () => {
        timer = at(now + periodMs, again)
        task()
      }
      timer = at(now + periodMs, again)
      const cancel = () => timer.cancel()
      return { cancel, [Symbol.dispose]: cancel }
    },
    sleep(delayMs, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const timer = at(now + Math.max(0, delayMs), () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        })
        const abort = () => {
          timer.cancel()
          reject(signal?.reason)
        }
        signal?.addEventListener('abort', abort, { once: true })
      })
    },
    advance(ms) {
      const moved = moving.then(() => move(ms))
      moving = moved.catch(nothing)
      return moved
    },
    set(ms) {
      off = ms - now
    },
    pending: () => [...scheduled].flatMap((one) => (one.cancelled ? [] : [one.due])).sort((a, b) => a - b),
  }
}

function nothing(): void {}

async function turns(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve))
}
