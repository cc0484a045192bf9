// What an evaluation may cost. Costs are counted as upstream counts them, before the work is done; work upstream does not count is counted where it could take long.

/** What expressions of one request may cost together. */
export interface Budget {
  remaining: number
}

/** The run was stopped: what it costs is more than it may. Nothing inside an expression catches this. */
export class BudgetExceeded extends Error {
  override name = 'BudgetExceeded'
  readonly scope: 'call' | 'budget'

  constructor(scope: 'call' | 'budget') {
    super('operation cancelled: actual cost limit exceeded')
    this.scope = scope
  }
}

export class Meter {
  readonly #limit: number
  readonly #scope: 'call' | 'budget'
  spent = 0

  constructor(perCall: number, budget: Budget | undefined) {
    const left = budget?.remaining ?? Number.POSITIVE_INFINITY
    this.#scope = left < perCall ? 'budget' : 'call'
    this.#limit = Math.min(perCall, left)
  }

  spend(cost: number): void {
    this.spent += cost
    if (this.spent > this.#limit) throw new BudgetExceeded(this.#scope)
  }
}
