// What the annotations of a simulated pod say of its life: `sampan.dev/WHAT` for its main containers (or the pod), `sampan.dev/WHAT.CONTAINER` for one.
// A time may be a range, `2s-5s`: where in it a pod falls comes of its uid, and so of the cluster's seed. What cannot be read is as if it were not there,
// and is told.
import type { Pod } from '#api/generated/types.ts'
import { parseDuration } from '#lib/duration.ts'

const PREFIX = 'sampan.dev/'
const TIMES = ['start-delay', 'ready-delay', 'stop-delay', 'exit-after'] as const
const FAILINGS = ['image-pull', 'readiness', 'liveness', 'startup'] as const
const TEXTS = ['exit-code', 'exit-reason', 'evict'] as const
/** Those that make a script; an exit code alone belongs to `run-seconds`. */
const WORDS = new Set<string>([...TIMES, ...FAILINGS, 'exit-reason', 'evict'])
const RUN_SECONDS = `${PREFIX}run-seconds`
const MOST_MS = 366 * 24 * 3600 * 1000

type Time = (typeof TIMES)[number]
type Failing = (typeof FAILINGS)[number]
type Text = (typeof TEXTS)[number]

export function hasScript({ metadata }: Pod): boolean {
  for (const key in metadata?.annotations) if (key.startsWith(PREFIX) && WORDS.has(key.slice(PREFIX.length).split('.', 1)[0]!)) return true
  return false
}

export class Script {
  readonly #pod: Pod

  constructor(pod: Pod) {
    this.#pod = pod
  }

  timeMs(what: Time, container?: string, { own = false } = {}): number | undefined {
    const text = this.#text(what, container, own)
    return text === undefined ? undefined : timeIn(text, this.#pod.metadata?.uid ?? '')
  }

  fails(what: Failing, container: string): boolean {
    return this.#text(what, container, false) === 'failing'
  }

  text(what: Text, container?: string, { own = false } = {}): string | undefined {
    return this.#text(what, container, own)
  }

  /** How containers that may end do. */
  exitOf(container: string, { own }: { own: boolean }): { code: number; reason: string } {
    const given = this.text('exit-reason', container, { own })
    const code = Number(this.text('exit-code', container, { own }) ?? (given === 'OOMKilled' ? 137 : 0))
    const known = Number.isInteger(code) && code >= 0 && code <= 255 ? code : 0
    return { code: known, reason: given ?? (known === 0 ? 'Completed' : 'Error') }
  }

  get runMs(): number | undefined {
    const seconds = Number(this.#pod.metadata?.annotations?.[RUN_SECONDS] ?? NaN)
    return seconds >= 0 ? Math.min(seconds * 1000, MOST_MS) : undefined
  }

  /** What is written but cannot be read. */
  faults(): string[] {
    return Object.entries(this.#pod.metadata?.annotations ?? {}).flatMap(([key, value]) => {
      if (!key.startsWith(PREFIX)) return []
      const what = key.slice(PREFIX.length).split('.', 1)[0]!
      if ((TIMES as readonly string[]).includes(what) && timeIn(value, '') === undefined)
        return [`${key}: ${JSON.stringify(value)} is no time: say 500ms, 30s or 2s-5s`]
      if ((FAILINGS as readonly string[]).includes(what) && value !== 'failing' && value !== 'passing')
        return [`${key}: ${JSON.stringify(value)}: say failing or passing`]
      if (what === 'exit-code' && !/^(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$/.test(value))
        return [`${key}: ${JSON.stringify(value)} is no exit code`]
      return []
    })
  }

  /** `own`: only what is said of that very container counts. */
  #text(what: string, container: string | undefined, own: boolean): string | undefined {
    const annotations = this.#pod.metadata?.annotations ?? {}
    const of = (key: string) => (Object.hasOwn(annotations, key) ? annotations[key] : undefined)
    const named = container === undefined ? undefined : of(`${PREFIX}${what}.${container}`)
    return named ?? (own ? undefined : of(PREFIX + what))
  }
}

function timeIn(text: string, uid: string): number | undefined {
  const [from = '', to, ...more] = text.split('-')
  const least = parseDuration(from)
  const most = to === undefined ? least : parseDuration(to)
  if (least === undefined || most === undefined || most < least || most > MOST_MS || more.length > 0) return undefined
  const part = (Number.parseInt(uid.slice(0, 8), 16) || 0) / 2 ** 32
  return Math.round(least + (most - least) * part)
}
