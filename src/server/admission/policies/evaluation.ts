// Evaluates the expressions of one policy for one request, within a budget; variables are computed at most once, and only when asked for.
import { type Budget, BudgetExceeded, CelError, PER_CALL_LIMIT, RUNTIME_BUDGET } from '#api/cel/environment.ts'
import type { Compiled, NamedCompiled } from '#api/policies/compile.ts'
import { Failure, type Value } from '#lib/cel/values.ts'
import type { Activation } from './activation.ts'

/** Conditions come before everything else, and get less. */
const CONDITIONS_BUDGET = RUNTIME_BUDGET / 4

/** How deep variables may use one another: each level may cost as much as an expression. */
const MAX_DEPTH = 64

/** All that expressions of one part of the policy may cost together is spent: nothing of it counts. */
export class OutOfBudget extends Error {
  override name = 'OutOfBudget'

  constructor() {
    super('validation failed due to running out of cost budget, no further validation rules will be run')
  }
}

export type Outcome = { value: Value } | { error: string }

/** What the cheapest expression weighs, beside its cost: there may be tens of thousands. */
const EACH = 2000

export class Evaluation {
  readonly #activation: Activation
  readonly #withVariables: Activation
  #budget: Budget = { remaining: RUNTIME_BUDGET }
  #depth = 0

  constructor(activation: Activation, variables: readonly NamedCompiled[] = []) {
    this.#activation = activation
    this.#withVariables = this.#with(variables)
  }

  /** Begins a part of the policy that is paid for by itself. */
  refill(limit = RUNTIME_BUDGET): void {
    this.#budget = { remaining: limit }
  }

  /** Says what it weighed before it returns: for `Pace`. Throws OutOfBudget. */
  *evaluate(compiled: Compiled, options: { variables?: boolean } = {}): Generator<number, Outcome> {
    const before = this.#budget.remaining
    const outcome = this.#run(compiled, options)
    yield before - this.#budget.remaining + EACH
    return outcome
  }

  #run({ expression, program, error }: Compiled, { variables = true }: { variables?: boolean }): Outcome {
    if (!program) return { error: `compilation error: ${error ?? ''}` }
    const failed = (why: string) => ({ error: `expression '${expression}' resulted in error: ${why}` })
    try {
      const value = program.evaluateValue(variables ? this.#withVariables : this.#activation, { budget: this.#budget })
      if (this.#budget.remaining < 0) throw new OutOfBudget()
      return { value }
    } catch (thrown) {
      if (thrown instanceof BudgetExceeded) {
        if (thrown.scope === 'budget' || this.#budget.remaining < 0) throw new OutOfBudget()
        return failed(thrown.message)
      }
      if (thrown instanceof CelError) return failed(thrown.message)
      throw thrown
    }
  }

  /** `variables` as an object whose members are computed when they are read. */
  #with(compiled: readonly NamedCompiled[]): Activation {
    if (compiled.length === 0) return this.#activation
    const variables = {}
    // Spreading would compute what is to wait.
    const all = Object.defineProperties(
      {},
      { ...Object.getOwnPropertyDescriptors(this.#activation), variables: { value: variables, enumerable: true } },
    )
    for (const one of compiled) {
      let known: Value | undefined
      const get = (): Value => (known ??= this.#variable(one, all as Activation))
      Object.defineProperty(variables, one.name, { get, enumerable: true, configurable: true })
    }
    return all as Activation
  }

  #variable({ name, program, error }: NamedCompiled, activation: Activation): Value {
    const quoted = JSON.stringify(name)
    if (!program) return new Failure(`composited variable ${quoted} fails to compile: ${error ?? ''}`)
    if (this.#depth >= MAX_DEPTH)
      return new Failure(`composited variable ${quoted} fails to evaluate: variables use one another too deeply`)
    this.#depth++
    try {
      return program.evaluateValue(activation, { perCall: PER_CALL_LIMIT, budget: this.#budget })
    } catch (thrown) {
      if (thrown instanceof CelError) return new Failure(`composited variable ${quoted} fails to evaluate: ${thrown.message}`)
      throw thrown
    } finally {
      this.#depth--
    }
  }
}

/** Whether a policy is about the request after all. An error counts only where no condition says no. */
export function* conditionsHold(
  evaluation: Evaluation,
  conditions: readonly NamedCompiled[],
): Generator<number, { holds: boolean } | { error: string }> {
  if (conditions.length === 0) return { holds: true }
  evaluation.refill(CONDITIONS_BUDGET)
  const errors = new Set<string>()
  try {
    for (const condition of conditions) {
      const outcome = yield* evaluation.evaluate(condition, { variables: false })
      if ('error' in outcome) errors.add(outcome.error)
      else if (outcome.value === false) return { holds: false }
    }
  } catch (thrown) {
    if (thrown instanceof OutOfBudget) return { error: thrown.message }
    throw thrown
  }
  if (errors.size === 0) return { holds: true }
  return { error: errors.size === 1 ? [...errors][0]! : `[${[...errors].join(', ')}]` }
}
