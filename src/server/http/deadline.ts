// How long a request may take: what `timeout` asks for, at most a minute. Watches and streams have no such end. Who is late is told so, if nothing
// was answered yet; what the server does meanwhile still happens.
import { StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import { goDurationFault, parseGoDuration } from '#lib/duration.ts'
import type { Call, Link, Serve } from './call.ts'
import type { Within } from '#server/request.ts'
import { isLongRunning } from './long-running.ts'

const MAX_MS = 60_000
/** What one write may take, admission above all. */
const MAX_WRITE_MS = 34_000
/** Nobody needs more digits: what is longer is not read. */
const MAX_TEXT = 64

export function deadline({ clock }: { clock: Clock }): Link {
  return (call, next) => {
    const { exchange } = call
    const began = clock.monotonic()
    const lasting = isLongRunning(call)
    call.within = new WithinDeadline(call, { clock, end: lasting ? Infinity : began + MAX_WRITE_MS })
    if (lasting || !exchange.url.includes('timeout=')) return next(call)
    const asked = exchange.query.get('timeout')
    if (asked === null || asked === '') return next(call)
    const milliseconds = durationOf(asked)
    if (milliseconds <= 0) return next(call)
    call.within = new WithinDeadline(call, { clock, end: began + Math.min(milliseconds, MAX_WRITE_MS) })
    return timed(call, next, Math.min(milliseconds, MAX_MS))
  }

  async function timed(call: Call, next: Serve, milliseconds: number): Promise<void> {
    const late = Promise.withResolvers<never>()
    using _timer = clock.after(milliseconds, () => {
      // A begun answer comes to its end.
      if (!call.exchange.answered)
        late.reject(new StatusError('Timeout', 'Timeout: request did not complete within the allotted timeout', { details: {} }))
    })
    await Promise.race([next(call), late.promise])
  }
}

/** A class, not an object of accessors: V8 keeps a form of its own for each of those, and with it the request, until the next full collection. */
class WithinDeadline implements Within {
  readonly #call: Call
  readonly #clock: Clock
  readonly #end: number

  constructor(call: Call, { clock, end }: { clock: Clock; end: number }) {
    this.#call = call
    this.#clock = clock
    this.#end = end
  }

  /** Made only for those who ask. */
  get signal(): AbortSignal {
    return this.#call.exchange.signal
  }

  remainingMs(): number {
    return this.#end - this.#clock.monotonic()
  }

  waited(strangers: number): void {
    this.#call.waitedMs += strangers
  }
}

/** In milliseconds. */
function durationOf(text: string): number {
  const ms = text.length > MAX_TEXT ? undefined : parseGoDuration(text)
  if (ms !== undefined) return ms
  const fault = text.length > MAX_TEXT ? `time: invalid duration ${JSON.stringify(text)}` : goDurationFault(text)
  throw new StatusError('BadRequest', `invalid timeout specified in the request URL - ${fault}`)
}
