// The images a node tells of: read anew now and then, and the last known ones while the runtime does not answer.
import type { Clock } from '#lib/clock.ts'
import type { Image, Runtime } from './runtime.ts'

const PERIOD_MS = 60_000

export function imageList({
  runtime,
  clock,
}: {
  runtime: Runtime
  clock: Clock
}): (runtimeState: { readable: boolean }) => Promise<Image[]> {
  let list: Image[] = []
  let readAt = -Infinity
  return async ({ readable }) => {
    if (readable && clock.monotonic() - readAt >= PERIOD_MS) {
      list = await runtime.listImages().catch(() => list)
      readAt = clock.monotonic()
    }
    return list
  }
}
