// Sets of completion indexes as a Job's status spells them: `1,3-5,7`.

export function parseIndexes(text: string | undefined, completions: number): Set<number> {
  const indexes = new Set<number>()
  for (const part of (text ?? '').split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part)
    if (!match) continue
    const last = Math.min(Number(match[2] ?? match[1]), completions - 1)
    for (let index = Number(match[1]); index <= last; index++) indexes.add(index)
  }
  return indexes
}

export function formatIndexes(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b)
  const parts: string[] = []
  for (let i = 0; i < sorted.length; ) {
    let end = i
    while (sorted[end + 1] === sorted[end]! + 1) end++
    // Two neighbours are spelled apart, as upstream does from three on with a dash.
    if (end === i) parts.push(String(sorted[i]))
    else if (end === i + 1) parts.push(`${sorted[i]}`, `${sorted[end]}`)
    else parts.push(`${sorted[i]}-${sorted[end]}`)
    i = end + 1
  }
  return parts.join(',')
}
