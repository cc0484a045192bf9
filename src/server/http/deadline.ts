// How long a request may take: what `timeout` asks for, at most a minute. Watches and streams have no such end. Who is late is told so, if nothing
// was answered yet; what the server does meanwhile still happens.
import { StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import type { Link } from './call.ts'
import type { Within } from '#server/request.ts'
import { isLongRunning } from './long-running.ts'

const MAX_MS = 60_000
/** What one write may take, admission above all. */
const MAX_WRITE_MS = 34_000
const UNITS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

export function deadline({ clock }: { clock: Clock }): Link {
  return async (call, next) => {
    const { exchange } = call
    const began = clock.monotonic()
    const lasting = isLongRunning(call)
    const within = (milliseconds: number): Within => ({
      get signal() {
        return exchange.signal
      },
      remainingMs: () => began + milliseconds - clock.monotonic(),
      waited: (strangers) => void (call.waitedMs += strangers),
    })
    call.within = within(lasting ? Infinity : MAX_WRITE_MS)
    if (lasting || !exchange.url.includes('timeout=')) return next()
    const asked = exchange.query.get('timeout')
    if (asked === null || asked === '') return next()
    const milliseconds = parseGoDuration(asked)
    if (milliseconds <= 0) return next()
    call.within = within(Math.min(milliseconds, MAX_WRITE_MS))
    const late = Promise.withResolvers<never>()
    using _timer = clock.after(Math.min(milliseconds, MAX_MS), () => {
      // A begun answer comes to its end.
      if (!exchange.answered)
        late.reject(new StatusError('Timeout', 'Timeout: request did not complete within the allotted timeout', { details: {} }))
    })
    await Promise.race([next(), late.promise])
  }
}

/** In milliseconds, or refused in Go's words. */
function parseGoDuration(text: string): number {
  const refuse = (why: string) =>
    new StatusError('BadRequest', `invalid timeout specified in the request URL - time: ${why} ${JSON.stringify(text)}`)
  const [, sign = '', rest = ''] = /^([-+]?)(.*)$/s.exec(text)!
  if (rest === '0') return 0
  if (rest === '' || text.length > 64) throw refuse('invalid duration')
  let total = 0
  for (let left = rest; left !== ''; ) {
    const [whole = '', amount = '', unit = ''] = /^(\d+\.?\d*|\.\d+)?([^\d.]*)/.exec(left)!
    if (amount === '') throw refuse('invalid duration')
    if (unit === '') throw refuse('missing unit in duration')
    if (!Object.hasOwn(UNITS, unit)) throw refuse(`unknown unit ${JSON.stringify(unit)} in duration`)
    total += Number(amount) * UNITS[unit]!
    left = left.slice(whole.length)
  }
  return sign === '-' ? -total : total
}
