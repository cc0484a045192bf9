// Ends connections that carry nothing for too long.
import type { Clock } from '#lib/clock.ts'

interface Counted {
  bytesRead?: number
  bytesWritten?: number
  destroyed: boolean
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
}

/** Upstream's streamingConnectionIdleTimeout. */
const STREAM_IDLE_MS = 4 * 3600 * 1000
const CHECK_MS = 60_000

export function endWhenIdle(socket: Counted, { clock, idleMs = STREAM_IDLE_MS }: { clock: Clock; idleMs?: number }): void {
  let seen = -1
  let since = clock.monotonic()
  const timer = clock.every(Math.min(CHECK_MS, idleMs), () => {
    const moved = (socket.bytesRead ?? 0) + (socket.bytesWritten ?? 0)
    if (moved !== seen) {
      seen = moved
      since = clock.monotonic()
    } else if (clock.monotonic() - since >= idleMs) socket.destroy()
  })
  socket.once('close', () => timer.cancel())
}
