// An expression made ready to run: read, checked and planned once. Knows no Kubernetes: what variables, types and functions there are, its environment says.
import { check, type Checked } from './checker.ts'
import type { Expr } from './ast.ts'
import type { FunctionTable } from './functions.ts'
import { type Budget, Meter } from './meter.ts'
import { type Dialect, parse } from './parser.ts'
import { Frame, plan, type Step } from './plan.ts'
import { CompileError, type Issue } from './source.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

export interface Environment extends Dialect {
  variable(name: string): Type | undefined
  type(name: string): Type | undefined
  functions: FunctionTable
  /** Looks at literals no run should have to fail over. */
  inspect?(expr: Expr, checked: Checked): Issue[]
}

export interface RunLimits {
  /** The most one run may cost. */
  perCall: number
  /** What all runs together may still cost; what this one did is taken off. */
  budget?: Budget
}

export class Program {
  readonly source: string
  readonly expr: Expr
  readonly checked: Checked
  readonly #step: Step

  private constructor(source: string, expr: Expr, { checked, step }: { checked: Checked; step: Step }) {
    this.source = source
    this.expr = expr
    this.checked = checked
    this.#step = step
  }

  /** Throws CompileError. */
  static compile(source: string, environment: Environment): Program {
    const { expr, issues } = parse(source, environment)
    if (!expr || issues.length > 0) throw new CompileError(source, issues)
    const checked = check(expr, environment)
    const found = checked.issues.length > 0 ? checked.issues : (environment.inspect?.(expr, checked) ?? [])
    if (found.length > 0) throw new CompileError(source, found)
    return new Program(source, expr, { checked, step: plan(expr, checked, environment) })
  }

  get type(): Type {
    return this.checked.type
  }

  /** A Failure is returned, not thrown; throws BudgetExceeded. */
  run(variables: Readonly<Record<string, unknown>>, { perCall, budget }: RunLimits): { value: Value; cost: number } {
    const meter = new Meter(perCall, budget)
    try {
      return { value: this.#step(new Frame(meter, variables)), cost: meter.spent }
    } finally {
      if (budget) budget.remaining -= meter.spent
    }
  }
}
