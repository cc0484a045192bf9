// /healthz, /livez and /readyz: named checks, each on its own path too; `verbose` tells all, `exclude` leaves some out.
import { answer, type Call } from '#server/http/call.ts'
import type { Endpoint } from './endpoint.ts'

export interface HealthCheck {
  name: string
  /** Checked by these; all of them unless said. */
  of?: readonly HealthPath[]
  /** undefined: fine; else what is wrong. */
  check(): string | undefined
}

export type HealthPath = 'healthz' | 'livez' | 'readyz'
const PATHS: readonly HealthPath[] = ['healthz', 'livez', 'readyz']

export function healthEndpoints(checks: readonly HealthCheck[]): Endpoint[] {
  return PATHS.map((name) => {
    const own = checks.filter(({ of }) => !of || of.includes(name))
    return {
      path: `/${name}`,
      serves: (path) => path === `/${name}` || path.startsWith(`/${name}/`),
      answer(call) {
        const one = call.exchange.path.slice(name.length + 2)
        if (one)
          return answerOne(
            call,
            own.find((check) => check.name === one),
          )
        answerAll(call, name, own)
      },
    }
  })
}

const TEXT = { type: 'text/plain; charset=utf-8', headers: { 'x-content-type-options': 'nosniff' } }

function answerOne(call: Call, check: HealthCheck | undefined): void {
  if (!check) return answer(call, 404, { ...TEXT, body: '404 page not found\n' })
  const problem = check.check()
  if (problem === undefined) answer(call, 200, { ...TEXT, body: 'ok' })
  else answer(call, 500, { ...TEXT, body: `internal server error: ${problem}\n` })
}

function answerAll(call: Call, name: HealthPath, checks: readonly HealthCheck[]): void {
  const { query } = call.exchange
  const excluded = new Set(query.getAll('exclude'))
  const lines: string[] = []
  let failed = false
  for (const check of checks) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`)
      continue
    }
    const problem = check.check()
    failed ||= problem !== undefined
    // Reasons may be secret; they are in the log.
    lines.push(problem === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`)
  }
  if (excluded.size > 0)
    lines.push(`warn: some health checks cannot be excluded: no matches for ${[...excluded].map((one) => JSON.stringify(one)).join(',')}`)
  if (failed) return answer(call, 500, { ...TEXT, body: `${lines.join('\n')}\n${name} check failed\n` })
  answer(call, 200, { ...TEXT, body: query.has('verbose') ? `${lines.join('\n')}\n${name} check passed\n` : 'ok' })
}
