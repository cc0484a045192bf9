// What an evaluation may cost. Costs are counted as upstream counts them, before the work is done. Work that takes longer than its cost says is
// counted beside it, and may be as much as the costs may: a run that takes long is stopped even where upstream holds it cheap.

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
  readonly #most: number
  spent = 0
  #worked = 0

  constructor(perCall: number, budget: Budget | undefined) {
    const left = budget?.remaining ?? Number.POSITIVE_INFINITY
    this.#scope = left < perCall ? 'budget' : 'call'
    this.#limit = Math.min(perCall, left)
    this.#most = perCall
  }

  spend(cost: number): void {
    this.spent += cost
    this.#worked += cost
    if (this.spent > this.#limit || this.#worked > this.#most) throw new BudgetExceeded(this.spent > this.#limit ? this.#scope : 'call')
  }

  /** Beyond what it costs: a unit is some 40 ns. */
  work(units: number): void {
    this.#worked += units
    if (this.#worked > this.#most) throw new BudgetExceeded('call')
  }
}
