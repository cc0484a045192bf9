// /healthz, /livez and /readyz: named checks, each on its own path too; `verbose` tells all, `exclude` leaves some out.
import { answer, type Call } from '#server/http/call.ts'
import { formatMetrics } from '#lib/metric-family.ts'
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

export function healthEndpoints(all: readonly HealthCheck[]): Endpoint[] {
  const outcomes = new Outcomes()
  const endpoints = PATHS.flatMap((name) => {
    const checks = all.filter(({ of }) => !of || of.includes(name)).map((check) => outcomes.counted(name, check))
    return [
      endpointAt(`/${name}`, (call) => answerAll(call, name, checks)),
      ...checks.map((check) => endpointAt(`/${name}/${check.name}`, (call) => answerOne(call, check))),
    ]
  })
  return [...endpoints, endpointAt('/metrics/slis', (call) => outcomes.answer(call))]
}

function endpointAt(path: string, respond: (call: Call) => void): Endpoint {
  return { path, serves: (asked) => asked === path, answer: respond }
}

/** What became of each check, under the names service levels are computed from. */
class Outcomes {
  readonly #last = new Map<string, { labels: Record<string, string>; well: boolean; success: number; error: number }>()

  counted(type: HealthPath, check: HealthCheck): HealthCheck {
    return {
      ...check,
      check: () => {
        const problem = check.check()
        const key = `${type}/${check.name}`
        const seen = this.#last.get(key) ?? { labels: { name: check.name, type }, well: true, success: 0, error: 0 }
        this.#last.set(key, seen)
        seen.well = problem === undefined
        seen[seen.well ? 'success' : 'error']++
        return problem
      },
    }
  }

  answer(call: Call): void {
    const all = [...this.#last.values()]
    const status = all.map(({ labels, well }) => ({ labels, value: well ? 1 : 0 }))
    const totals = all.flatMap(({ labels, ...counts }) =>
      (['error', 'success'] as const)
        .filter((one) => counts[one] > 0)
        .map((one) => ({ labels: { ...labels, status: one }, value: counts[one] })),
    )
    const body = formatMetrics([
      { name: 'kubernetes_healthcheck', help: 'Outcome of each health check, when it was asked last.', type: 'gauge', samples: status },
      { name: 'kubernetes_healthchecks_total', help: 'Outcomes of all health checks.', type: 'counter', samples: totals },
    ])
    answer(call, 200, { type: 'text/plain; version=0.0.4; charset=utf-8', body })
  }
}

const TEXT = { type: 'text/plain; charset=utf-8', headers: { 'x-content-type-options': 'nosniff' } }

function answerOne(call: Call, check: HealthCheck): void {
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
