// The text of an expression and what is wrong with it, shown as CEL's own tools do: line, column, the line itself and a mark below.

export interface Issue {
  at: number
  message: string
}

/** An expression that does not compile; the message holds every issue. */
export class CompileError extends Error {
  override name = 'CompileError'
  readonly issues: readonly Issue[]

  constructor(source: string, issues: readonly Issue[]) {
    super(showIssues(source, issues))
    this.issues = issues
  }
}

const MAX_SHOWN = 100

function showIssues(source: string, issues: readonly Issue[]): string {
  const points = [...source]
  const lines: { from: number; text: string }[] = []
  let from = 0
  for (let at = 0; at <= points.length; at++) {
    if (at < points.length && points[at] !== '\n') continue
    lines.push({ from, text: points.slice(from, at).join('') })
    from = at + 1
  }
  const placed = issues.map(({ at, message }) => {
    let line = lines.length - 1
    while (line > 0 && lines[line]!.from > at) line--
    return { line, column: at - lines[line]!.from, text: lines[line]!.text, message }
  })
  placed.sort((a, b) => a.line - b.line || a.column - b.column)
  const shown = placed.slice(0, MAX_SHOWN).map(show)
  if (placed.length > MAX_SHOWN) shown.push(`${placed.length - MAX_SHOWN} more errors were truncated`)
  return shown.join('\n')
}

function show({ line, column, text, message }: { line: number; column: number; text: string; message: string }): string {
  const head = `ERROR: <input>:${line + 1}:${column + 1}: ${message}`
  const points = [...text]
  const wide = (point: string | undefined) => point !== undefined && point.codePointAt(0)! > 0x7f
  const dots = points.slice(0, column).map((point) => (wide(point) ? '\uff0e' : '.'))
  return `${head}\n | ${text.replaceAll('\t', ' ')}\n | ${dots.join('')}${wide(points[column]) ? '\uff3e' : '^'}`
}
