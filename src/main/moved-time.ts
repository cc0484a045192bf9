// Time of a cluster that stands still but for what its work needs: whatever is written is carried to its end at once, what is due later
// waits until somebody moves the clock on, over the API, as far as they may post to its path.
import { StatusError } from '#api/status.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import type { Endpoint } from '#server/endpoints/endpoint.ts'
import { answer } from '#server/http/call.ts'
import { Activity } from './activity.ts'
import type { KeptTime } from './kept-time.ts'

export interface MovedTime {
  readonly activity: Activity
  readonly clock: Clock
  /** GET tells the time, POST `?advance=<milliseconds>` moves it. */
  readonly endpoint: Endpoint
  /** From now on work is carried on by itself. */
  run(): Disposable
}

const PATH = '/sampan.dev/clock'
const LOOK_MS = 20
/** Moved in steps, so that who asked may go away and others have their turn. */
const STEP_MS = 60_000
const MOST_MS = 366 * 86_400_000

/** Without `kept` it begins now: nothing is left of what was before. */
export function createMovedTime(kept?: KeptTime): MovedTime {
  const activity = new Activity()
  /** Who is moving it over the API: meanwhile it moves by what was asked, and by no more. */
  let asked = 0
  const startMs = kept?.startMs ?? systemClock.now()
  const clock = createVirtualClock(startMs, { settle: () => activity.settle() })
  let reached = startMs
  const move = (ms: number): Promise<void> => {
    reached += ms
    kept?.keep(reached)
    return clock.advance(ms)
  }

  const endpoint: Endpoint = {
    path: PATH,
    methods: ['GET', 'POST'],
    serves: (path) => path === PATH,
    async answer(call) {
      const { method, query, signal } = call.exchange
      if (method === 'POST') {
        const ms = Number(query.get('advance') ?? Number.NaN)
        if (!(ms >= 0 && ms <= MOST_MS)) throw new StatusError('BadRequest', `advance must be milliseconds from 0 to ${MOST_MS}`)
        asked++
        try {
          for (let left = ms; left > 0 && !signal.aborted; left -= STEP_MS) await move(Math.min(left, STEP_MS))
        } finally {
          asked--
        }
      }
      answer(call, 200, { type: 'text/plain; charset=utf-8', body: `${new Date(clock.now()).toISOString()}\n` })
    },
  }

  return {
    activity,
    clock,
    endpoint,
    run() {
      let working = false
      let seen = 0
      const look = async () => {
        if (working || asked > 0 || activity.writes === seen) return
        working = true
        await activity.rest(move)
        seen = activity.writes
        working = false
      }
      return systemClock.every(LOOK_MS, () => void look())
    },
  }
}
