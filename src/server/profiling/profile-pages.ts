// What is below /debug/pprof/: time and memory, for whoever may see them. V8's ways to look are loaded when somebody asks; one look at a time.
// Go's other profiles (goroutines, blocking, mutexes, threads, traces) mean nothing here.
import { promisify } from 'node:util'
import type { Looked } from './profiler.ts'

export interface ProfilePage {
  status: number
  type: string
  headers?: Record<string, string>
  body: string | Uint8Array
}

export const PROFILES = '/debug/pprof/'
const MOST_SECONDS = 120
/** Where nobody says: Go's for time; of memory it has all that ever was. */
const USUAL_SECONDS: Readonly<Record<Looked, number>> = { profile: 30, heap: 10, allocs: 10 }
const TOLD: Readonly<Record<Looked, string>> = {
  profile: 'what processor time is spent on (seconds=30)',
  heap: 'what is made meanwhile and still held (seconds=10)',
  allocs: 'what is made meanwhile (seconds=10)',
}

export type ProfilePages = (path: string, query: URLSearchParams, signal: AbortSignal) => Promise<ProfilePage> | undefined

/** undefined: no path of these. */
export function profilePages(): ProfilePages {
  let busy = false
  const profile = async (name: Looked, query: URLSearchParams, signal: AbortSignal): Promise<ProfilePage> => {
    const said = Number(query.get('seconds') ?? '')
    const seconds = said > 0 ? said : USUAL_SECONDS[name]
    if (seconds > MOST_SECONDS) return refused(400, `profile duration exceeds ${MOST_SECONDS} seconds`)
    if (Number(query.get('debug') ?? 0) > 0) return refused(400, 'profiles come as protobuf alone')
    if (busy) return refused(500, 'Could not enable profiling: profiling already in use')
    busy = true
    try {
      const [{ look }, { gzip }] = await Promise.all([import('./profiler.ts'), import('node:zlib')])
      const body = await promisify(gzip)(await look(name, seconds, signal))
      const headers = { 'content-disposition': `attachment; filename="${name}"`, 'x-content-type-options': 'nosniff' }
      return { status: 200, type: 'application/octet-stream', headers, body }
    } finally {
      busy = false
    }
  }
  return (path, query, signal) => {
    if (path === PROFILES.slice(0, -1)) return Promise.resolve(moved())
    if (!path.startsWith(PROFILES)) return undefined
    const name = path.slice(PROFILES.length)
    if (name === '') return Promise.resolve(index())
    return Object.hasOwn(TOLD, name) ? profile(name as Looked, query, signal) : Promise.resolve(refused(404, 'Unknown profile'))
  }
}

function index(): ProfilePage {
  const rows = Object.entries(TOLD).map(([name, told]) => `<li><a href="${name}">${name}</a>: ${told}</li>\n`)
  const body = `<html>\n<head><title>${PROFILES}</title></head>\n<body>\n<ul>\n${rows.join('')}</ul>\n</body>\n</html>\n`
  return { status: 200, type: 'text/html; charset=utf-8', headers: { 'x-content-type-options': 'nosniff' }, body }
}

function moved(): ProfilePage {
  return { status: 301, type: 'text/html; charset=utf-8', headers: { location: PROFILES }, body: '' }
}

function refused(status: number, why: string): ProfilePage {
  const headers = { 'x-content-type-options': 'nosniff', 'x-go-pprof': '1' }
  return { status, type: 'text/plain; charset=utf-8', headers, body: `${why}\n` }
}
