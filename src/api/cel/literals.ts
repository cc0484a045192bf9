// Literals no run could make sense of, found when an expression is compiled: durations, timestamps and patterns.
import type { Call, Expr } from '#lib/cel/ast.ts'
import type { Issue } from '#lib/cel/source.ts'
import { durationOf, timestampOf } from '#lib/cel/time.ts'
import { Failure } from '#lib/cel/values.ts'
import { compilePattern } from '#lib/pattern/pattern.ts'

const CHECKS: Readonly<Record<string, (text: string) => boolean>> = {
  duration: (text) => !(durationOf(text) instanceof Failure),
  timestamp: (text) => !(timestampOf(text) instanceof Failure),
  matches: (text) => compilePattern(text) !== undefined,
}

export function inspectLiterals(expr: Expr): Issue[] {
  const issues: Issue[] = []
  walk(expr, (call) => {
    const last = call.args.at(-1)
    const wanted = call.name === 'matches' && !call.target ? 2 : 1
    if (!Object.hasOwn(CHECKS, call.name) || call.args.length !== wanted || last?.kind !== 'constant' || last.type !== 'string') return
    if (!CHECKS[call.name]!(last.value as string)) issues.push({ at: last.at, message: `invalid ${call.name} argument` })
  })
  return issues
}

function walk(expr: Expr, visit: (call: Call) => void): void {
  switch (expr.kind) {
    case 'select':
      return walk(expr.operand, visit)
    case 'call':
      visit(expr)
      if (expr.target) walk(expr.target, visit)
      return expr.args.forEach((arg) => walk(arg, visit))
    case 'list':
      return expr.items.forEach(({ value }) => walk(value, visit))
    case 'map':
      return expr.entries.forEach(({ key, value }) => {
        walk(key, visit)
        walk(value, visit)
      })
    case 'struct':
      return expr.fields.forEach(({ value }) => walk(value, visit))
    case 'fold':
      return [expr.range, expr.start, expr.condition, expr.step, expr.result].forEach((part) => walk(part, visit))
  }
}
