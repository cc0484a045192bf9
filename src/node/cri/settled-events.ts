// Holds an exit back until the runtime's own listing shows it: containerd's CRI side learns of an exit from the same event, a moment later, and
// an agent that lists at once would still see the container running. A program that ends at once may do so before it is even shown as started.
import type { Clock } from '#lib/clock.ts'
import type { ContainerState, RuntimeEvent } from '#node/runtime.ts'

const LONGEST_WAIT_MS = 2000

export async function* settledEvents(
  events: AsyncIterable<RuntimeEvent>,
  { stateOf, clock, signal }: { stateOf(containerId: string): Promise<ContainerState | undefined>; clock: Clock; signal: AbortSignal },
): AsyncGenerator<RuntimeEvent, void> {
  const ready: RuntimeEvent[] = []
  const state: { ended: boolean; wake?: () => void } = { ended: false }

  const deliver = (event: RuntimeEvent) => {
    ready.push(event)
    state.wake?.()
  }
  const settle = async (event: RuntimeEvent) => {
    const began = clock.monotonic()
    for (let waitMs = 2; clock.monotonic() - began < LONGEST_WAIT_MS; waitMs *= 2) {
      const shown = await stateOf(event.containerId).catch(() => undefined)
      if (shown !== 'created' && shown !== 'running') break
      await clock.sleep(waitMs, signal).catch(() => {})
      if (signal.aborted) return
    }
    deliver(event)
  }
  const pump = async () => {
    try {
      for await (const event of events) {
        if (event.type === 'stopped') void settle(event)
        else deliver(event)
      }
    } finally {
      state.ended = true
      state.wake?.()
    }
  }

  const pumping = pump()
  while (!state.ended || ready.length > 0) {
    const event = ready.shift()
    if (event) yield event
    else {
      await new Promise<void>((resolve) => {
        state.wake = resolve
        if (state.ended || ready.length > 0) resolve()
      })
    }
  }
  await pumping
}
