// Long work in slices: a generator says how much each step weighed, and the loop gets a turn whenever that adds up.
import { setImmediate } from 'node:timers/promises'

/** Lets everybody else have a turn of the event loop. */
export async function nextTurn(): Promise<void> {
  await setImmediate()
}

/** Lets those who come in one turn of the event loop go on together, each step for all of them while its code is at hand. */
export class Gathering {
  #next: Promise<void> | undefined

  join(): Promise<void> {
    return (this.#next ??= this.#gather())
  }

  async #gather(): Promise<void> {
    await setImmediate()
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
    await setImmediate()
  }

  async run<T>(work: Generator<number, T>): Promise<T> {
    for (;;) {
      const step = work.next()
      if (step.done) return step.value
      this.#weight += step.value
      if (this.#weight < this.#most) continue
      this.#weight = 0
      await setImmediate()
    }
  }
}
