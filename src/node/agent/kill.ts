// Ending containers: preStop hook, the stop signal, and after the grace period the end. A shorter grace asked for later takes effect on
// what is already being stopped. Sidecars outlive the main containers and end in reverse order.
import type { Pod } from '#api/generated/types.ts'
import type { Clock } from '#lib/clock.ts'
import { orAborted } from '#lib/or-aborted.ts'
import type { Container, Runtime } from '#node/runtime.ts'
import { containersOf, LABEL, type TypedContainer } from './identity.ts'

/** Containers always get a moment to end by themselves. */
const MINIMUM_GRACE_SECONDS = 2

/** Seconds left to a pod that is ending; can only become fewer. */
export class Grace {
  #seconds: number
  readonly #listeners = new Set<() => void>()

  constructor(seconds: number) {
    this.#seconds = seconds
  }

  get seconds(): number {
    return this.#seconds
  }

  shorten(seconds: number): void {
    if (seconds >= this.#seconds) return
    this.#seconds = seconds
    for (const listener of this.#listeners) listener()
  }

  onShorter(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }
}

export interface KillContext {
  /** The agent stops: what is being ended is left to the runtime. */
  signal: AbortSignal
  runtime: Runtime
  clock: Clock
  killing(container: TypedContainer, message: string): void
  /** Runs the hook to its end or to the end of the grace period; never throws. */
  preStop(pod: Pod, container: TypedContainer, options: { containerId: string; graceSeconds: number }): Promise<void>
}

/** Ends one container. `grace` is shared by all that end for the same reason. */
export async function killContainer(
  pod: Pod | undefined,
  container: Container,
  {
    spec,
    message,
    grace,
    context,
    turn,
  }: { spec: TypedContainer | undefined; message?: string; grace: Grace; context: KillContext; turn?: () => Promise<void> },
): Promise<void> {
  const { runtime, clock } = context
  const began = clock.monotonic()
  const left = () => Math.max(MINIMUM_GRACE_SECONDS, Math.ceil(grace.seconds - (clock.monotonic() - began) / 1000))
  if (spec) context.killing(spec, message ?? `Stopping container ${spec.spec.name}`)
  if (pod && spec?.spec.lifecycle?.preStop && grace.seconds > 0) {
    await context.preStop(pod, spec, { containerId: container.id, graceSeconds: grace.seconds })
  }
  await turn?.()
  await orAborted(stopped(), context.signal)

  function stopped() {
    return new Promise<void>((resolve, reject) => {
      const listening = grace.onShorter(() => stop())
      const done = (error?: unknown) => {
        listening[Symbol.dispose]()
        if (error === undefined) resolve()
        else reject(error)
      }
      const stop = () => void runtime.stopContainer(container.id, left()).then(() => done(), done)
      stop()
    })
  }
}

/** Ends all running containers of a pod at once, but sidecars only after those that came later. Collects failures. */
export async function killContainers(
  pod: Pod | undefined,
  running: readonly Container[],
  { grace, context, message }: { grace: Grace; context: KillContext; message?: string },
): Promise<void> {
  const order = pod ? containersOf(pod) : []
  const place = (container: Container) => order.findIndex(({ spec }) => spec.name === (container.labels[LABEL.container] ?? container.name))
  const ends = new Map<Container, PromiseWithResolvers<void>>(running.map((one) => [one, Promise.withResolvers<void>()]))
  const began = context.clock.monotonic()
  const results = await Promise.allSettled(
    running.map(async (container) => {
      const spec = order[place(container)]
      const later = running.filter(
        (other) => other !== container && mustEndBefore(order[place(other)], { than: spec, later: place(other) > place(container) }),
      )
      const turn = async () => {
        const leftMs = grace.seconds * 1000 - (context.clock.monotonic() - began)
        if (later.length === 0 || leftMs <= 0) return
        await within(Promise.all(later.map((other) => ends.get(other)!.promise)), { ms: leftMs, grace, clock: context.clock })
      }
      try {
        await killContainer(pod, container, { spec, grace, context, turn, ...(message ? { message } : {}) })
      } finally {
        ends.get(container)!.resolve()
      }
    }),
  )
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

function mustEndBefore(other: TypedContainer | undefined, { than, later }: { than: TypedContainer | undefined; later: boolean }): boolean {
  return than?.type === 'sidecar' && other !== undefined && other.type !== 'ephemeral' && (other.type === 'main' || later)
}

/** Waits no longer than the time left, nor when that becomes less. */
async function within(work: Promise<unknown>, { ms, grace, clock }: { ms: number; grace: Grace; clock: Clock }): Promise<void> {
  const over = Promise.withResolvers<void>()
  using _timer = clock.after(ms, over.resolve)
  using _shorter = grace.onShorter(over.resolve)
  await Promise.race([work, over.promise])
}
