// CEL as Kubernetes v1.36 has it: `compileCel(source, celEnvironment({ variables }), { expects })`, then `program.evaluate(variables, { budget })`. Results
// are plain JSON, and so are variables: read through their types as far as an expression looks, never copied; a lazy one is a getter on the record. Work is
// counted as upstream counts it and stopped when it costs more than it may; nothing here waits or forks.
import { BudgetExceeded, type Budget } from '#lib/cel/meter.ts'
import { type Declaration, functionTable, type FunctionTable } from '#lib/cel/functions.ts'
import { type Environment, Program } from '#lib/cel/program.ts'
import { CompileError } from '#lib/cel/source.ts'
import { standardFunctions } from '#lib/cel/standard.ts'
import { stringFunctions } from '#lib/cel/strings.ts'
import type { Type } from '#lib/cel/types.ts'
import { Failure, type Value } from '#lib/cel/values.ts'
import { addressFunctions } from './address-library.ts'
import { authorizerFunctions } from './authorizer-library.ts'
import { formatFunctions } from './format-library.ts'
import { quantityFunctions } from './quantity-library.ts'
import { semverFunctions } from './semver-library.ts'
import { urlFunctions } from './url-library.ts'
import { inspectLiterals } from './literals.ts'
import { listFunctions, setFunctions } from './list-library.ts'
import { regexFunctions } from './regex-library.ts'
import { toJson } from './to-json.ts'

export { BOOL, BYTES, DOUBLE, DURATION, DYN, INT, listOf, mapOf, NULL, STRING, TIMESTAMP, Type } from '#lib/cel/types.ts'
export { type Budget, BudgetExceeded }

/** What one evaluation may cost. */
export const PER_CALL_LIMIT = 1_000_000
/** What all expressions about one object may cost together. */
export const RUNTIME_BUDGET = 10_000_000

/** An expression that does not compile, or that failed. */
export class CelError extends Error {
  override name = 'CelError'
}

export interface CelEnvironmentOptions {
  variables: Readonly<Record<string, Type>>
  /** Object types an expression may make: `Object{...}`. Asked by name. */
  type?: (name: string) => Type | undefined
  /** Beyond Kubernetes' own. */
  functions?: readonly Declaration[]
  /** Whether there is `cel.bind()`: device selectors alone have it. */
  bindings?: boolean
}

export interface CompileOptions {
  /** What the expression may be; anything where it is left out. */
  expects?: readonly Type[]
}

export interface EvaluateOptions {
  budget?: Budget
  perCall?: number
}

let shared: FunctionTable | undefined

/** Every library, made when the first expression is compiled. */
function kubernetesFunctions(): FunctionTable {
  shared ??= functionTable([
    ...standardFunctions(),
    ...stringFunctions(),
    ...listFunctions(),
    ...setFunctions(),
    ...regexFunctions(),
    ...urlFunctions(),
    ...quantityFunctions(),
    ...addressFunctions(),
    ...formatFunctions(),
    ...semverFunctions(),
    ...authorizerFunctions(),
  ])
  return shared
}

export function celEnvironment({
  variables,
  type = () => undefined,
  functions = [],
  bindings = false,
}: CelEnvironmentOptions): Environment {
  const declared = new Map(Object.entries(variables))
  const table = functions.length > 0 ? functionTable(functions, kubernetesFunctions()) : kubernetesFunctions()
  return { variable: (name) => declared.get(name), type, functions: table, inspect: inspectLiterals, bindings }
}

export class CelProgram {
  readonly program: Program

  constructor(program: Program) {
    this.program = program
  }

  get type(): Type {
    return this.program.type
  }

  /** The result as JSON, a bool as a boolean. Throws CelError and BudgetExceeded. */
  evaluate(variables: Readonly<Record<string, unknown>>, options?: EvaluateOptions): unknown {
    return toJson(this.evaluateValue(variables, options))
  }

  /** The result as expressions see it: for variables of other programs. */
  evaluateValue(variables: Readonly<Record<string, unknown>>, { budget, perCall = PER_CALL_LIMIT }: EvaluateOptions = {}): Value {
    const { value } = this.program.run(variables, budget ? { perCall, budget } : { perCall })
    if (value instanceof Failure) throw new CelError(value.message)
    return value
  }
}

/** Throws CelError in upstream's words: `compilation failed: ERROR: <input>:1:1: ...`. Evaluating throws it for an expression that failed, or BudgetExceeded. */
export function compileCel(source: string, environment: Environment, { expects }: CompileOptions = {}): CelProgram {
  let program: Program
  try {
    program = Program.compile(source, environment)
  } catch (error) {
    if (error instanceof CompileError) throw new CelError(`compilation failed: ${error.message}`)
    throw error
  }
  if (expects && !expects.some((type) => fits(program.type, type))) throw new CelError(mustBe(expects))
  return new CelProgram(program)
}

const fits = (type: Type, wanted: Type): boolean => type.kind === 'dyn' || String(type) === String(wanted) || wanted.kind === 'dyn'

function mustBe(types: readonly Type[]): string {
  return types.length === 1 ? `must evaluate to ${types[0]}` : `must evaluate to one of ${types.join(', ')}`
}
