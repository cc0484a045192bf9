// The seeds a test file answers for, in groups: a failing one is named together with how to see it again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from './run.ts'

const GROUP = 50

/** From `first` up to, and without, `end`. */
export function testSeeds(first: number, end: number): void {
  for (let from = first; from < end; from += GROUP) {
    const to = Math.min(end, from + GROUP)
    test(`seeds ${from} to ${to - 1} come to a rest at which nothing is wrong`, async () => {
      const wrong: string[] = []
      for (let seed = from; seed < to; seed++) {
        const { violations } = await simulate(seed).catch((error: unknown) => ({ violations: [String(error)] }))
        wrong.push(...violations.map((what) => `node sim/run.ts ${seed}: ${what}`))
      }
      assert.deepEqual(wrong, [])
    })
  }
}
