// Medians and tables, as docs/benchmarks.md shows them.

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

export function markdown(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Runs `task` `count` times with `workers` at once; answers how many a second. */
export async function rate(count: number, workers: number, task: (index: number) => Promise<void>): Promise<number> {
  let next = 0
  const began = performance.now()
  await Promise.all(
    Array.from({ length: workers }, async () => {
      while (next < count) await task(next++)
    }),
  )
  return (count / (performance.now() - began)) * 1000
}
