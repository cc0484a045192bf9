// Long work in slices: a generator says how much each step weighed, and the loop gets a turn whenever that adds up.
import { setImmediate } from 'node:timers/promises'

/** Runs to the end; waits only where the weights since the last turn exceed `most`. */
export async function paced<T>(work: Generator<number, T>, most: number): Promise<T> {
  let weight = 0
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
    weight += step.value
    if (weight < most) continue
    weight = 0
    await setImmediate()
  }
}
