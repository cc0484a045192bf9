// What /healthz, /livez and /readyz say: named checks, each on its own path too; `verbose` tells all, `exclude` leaves some out. What became of
// them is counted for /metrics/slis. Pages only: who serves them, and to whom, is not known here.
import { formatMetrics, METRICS_TYPE } from '#lib/metric-family.ts'

export interface HealthCheck {
  name: string
  /** Checked by these; all of them unless said. */
  of?: readonly HealthPath[]
  /** undefined: fine; else what is wrong. Never rejects, and takes seconds at most. */
  check(): Problem | Promise<Problem>
}

export type Problem = string | undefined

export type HealthPath = 'healthz' | 'livez' | 'readyz'
const PATHS: readonly HealthPath[] = ['healthz', 'livez', 'readyz']

export interface Page {
  status: number
  type: string
  headers?: Record<string, string>
  body: string
}

const TEXT = { type: 'text/plain; charset=utf-8', headers: { 'x-content-type-options': 'nosniff' } }

/** By path. */
export function healthPages(all: readonly HealthCheck[]): ReadonlyMap<string, (query: URLSearchParams) => Promise<Page> | Page> {
  const outcomes = new Outcomes()
  const pages = new Map<string, (query: URLSearchParams) => Promise<Page> | Page>()
  for (const name of PATHS) {
    const checks = all.filter(({ of }) => !of || of.includes(name)).map((check) => outcomes.counted(name, check))
    pages.set(`/${name}`, (query) => pageOfAll(name, checks, query))
    for (const check of checks) pages.set(`/${name}/${check.name}`, () => pageOf(check))
  }
  return pages.set('/metrics/slis', () => outcomes.page())
}

/** What became of each check, under the names service levels are computed from. */
class Outcomes {
  readonly #last = new Map<string, { labels: Record<string, string>; well: boolean; success: number; error: number }>()

  counted(type: HealthPath, check: HealthCheck): HealthCheck {
    return {
      ...check,
      check: async () => {
        const problem = await check.check()
        const key = `${type}/${check.name}`
        const seen = this.#last.get(key) ?? { labels: { name: check.name, type }, well: true, success: 0, error: 0 }
        this.#last.set(key, seen)
        seen.well = problem === undefined
        seen[seen.well ? 'success' : 'error']++
        return problem
      },
    }
  }

  page(): Page {
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
    return { status: 200, type: METRICS_TYPE, body }
  }
}

async function pageOf(check: HealthCheck): Promise<Page> {
  const problem = await check.check()
  if (problem === undefined) return { status: 200, ...TEXT, body: 'ok' }
  return { status: 500, ...TEXT, body: `internal server error: ${problem}\n` }
}

async function pageOfAll(name: HealthPath, checks: readonly HealthCheck[], query: URLSearchParams): Promise<Page> {
  const excluded = new Set(query.getAll('exclude'))
  const problems = await Promise.all(checks.map((check) => (excluded.has(check.name) ? undefined : check.check())))
  const lines: string[] = []
  let failed = false
  for (const [at, check] of checks.entries()) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`)
      continue
    }
    const problem = problems[at]
    failed ||= problem !== undefined
    // Reasons may be secret; they are in the log.
    lines.push(problem === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`)
  }
  if (excluded.size > 0)
    lines.push(`warn: some health checks cannot be excluded: no matches for ${[...excluded].map((one) => JSON.stringify(one)).join(',')}`)
  if (failed) return { status: 500, ...TEXT, body: `${lines.join('\n')}\n${name} check failed\n` }
  return { status: 200, ...TEXT, body: query.has('verbose') ? `${lines.join('\n')}\n${name} check passed\n` : 'ok' }
}
