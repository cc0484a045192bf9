// A clock that moves only when told. Timers fire in order of their due time, each followed by a pause in which what it woke may run.
import type { Clock, Timer } from './clock.ts'

export interface VirtualClock extends Clock {
  /** Moves time forward, firing every timer that falls due on the way (those set meanwhile too). */
  advance(ms: number): Promise<void>
  /** Due times of what is scheduled, for tests that ask whether anything polls. */
  pending(): number[]
}

interface Scheduled {
  due: number
  order: number
  task(): void
}

/** `settle` lets work set off by a timer finish before the next one fires; by default a few turns of the event loop. */
export function createVirtualClock(startMs = Date.UTC(2026, 0, 1), options: { settle?(): Promise<void> } = {}): VirtualClock {
  const settle = options.settle ?? turns
  const scheduled = new Set<Scheduled>()
  let now = startMs
  let order = 0

  const at = (due: number, task: () => void): Timer => {
    const entry = { due, order: order++, task }
    scheduled.add(entry)
    const cancel = () => void scheduled.delete(entry)
    return { cancel, [Symbol.dispose]: cancel }
  }

  const earliest = (): Scheduled | undefined => {
    let first: Scheduled | undefined
    for (const one of scheduled) if (!first || one.due < first.due || (one.due === first.due && one.order < first.order)) first = one
    return first
  }

  return {
    now: () => now,
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
    async advance(ms) {
      const target = now + ms
      await settle()
      for (let next = earliest(); next && next.due <= target; next = earliest()) {
        scheduled.delete(next)
        now = Math.max(now, next.due)
        next.task()
        await settle()
      }
      now = target
    },
    pending: () => [...scheduled].map(({ due }) => due).sort((a, b) => a - b),
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve))
}
