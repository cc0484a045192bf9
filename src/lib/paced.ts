// Long work in slices: a generator says how much each step weighed, and the loop gets a turn whenever that adds up.

/** Of a few milliseconds each. */
const SLICES_PER_TURN = 4
/** One queue for the process, as there is one event loop: of a crowd that works in slices at once only so many go on in one turn. */
const waiting: (() => void)[] = []

/** Lets everybody else have a turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(goOn)
  })
}

function goOn(): void {
  for (const resolve of waiting.splice(0, SLICES_PER_TURN)) resolve()
  if (waiting.length > 0) setImmediate(goOn)
}

/** Lets those who come in one turn of the event loop go on together, each step for all of them while its code is at hand. */
export class Gathering {
  #next: Promise<void> | undefined

  join(): Promise<void> {
    return (this.#next ??= this.#gather())
  }

  async #gather(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    this.#next = undefined
  }
}

/** Runs to the end; waits only where the weights since the last turn exceed `most`. */
export function paced<T>(work: Generator<number, T>, most: number): Promise<T> {
  return new Pace(most).run(work)
}

/** Several pieces of work that weigh together. */
export class Pace {
  readonly #most: number
  #weight = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Waits where that is more than may be done in a turn. */
  async after(weight: number): Promise<void> {
    this.#weight += weight
    if (this.#weight < this.#most) return
    this.#weight = 0
    await nextTurn()
  }

  async run<T>(work: Generator<number, T>): Promise<T> {
    for (;;) {
      const step = work.next()
      if (step.done) return step.value
      this.#weight += step.value
      if (this.#weight < this.#most) continue
      this.#weight = 0
      await nextTurn()
    }
  }
}
