// Waiting for what informers are to see.
import type { Clock } from '#lib/clock.ts'

export interface UntilOptions {
  /** What may change the answer. */
  informers: Iterable<{ subscribe(changed: () => void): Disposable }>
  clock: Clock
  timeoutMs: number
  /** Says that the time is over. */
  timeout: string
  signal: AbortSignal
}

/** Resolves once `holds` says so, asked now and at every change. Rejects with what it throws, when the time is over, and when the signal aborts. */
export async function until(holds: () => boolean, { informers, clock, timeoutMs, timeout, signal }: UntilOptions): Promise<void> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const check = () => {
    try {
      if (holds()) resolve()
    } catch (error) {
      reject(error)
    }
  }
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  using subscriptions = new DisposableStack()
  for (const informer of informers) subscriptions.use(informer.subscribe(check))
  using _timeout = clock.after(timeoutMs, () => reject(new Error(timeout)))
  try {
    check()
    await promise
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
