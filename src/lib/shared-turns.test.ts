import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Arrivals, SharedTurns } from './shared-turns.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

function crowd(most: number, sources: number) {
  const turns = new SharedTurns(most)
  const begun: number[] = []
  const all = Array.from({ length: sources }, (_, source) => new Arrivals<number>(turns, () => begun.push(source)))
  return { all, begun, of: (source: number) => begun.filter((one) => one === source).length }
}

test('SharedTurns begins what there is room for at once', () => {
  const { all, begun } = crowd(4, 2)
  for (const source of all) for (let i = 0; i < 2; i++) source.add(i)
  assert.deepEqual(begun, [0, 0, 1, 1])
})

test('SharedTurns begins no more than its most in a turn, of each source in its turn and in order, and all in the end', async () => {
  const { all, begun, of } = crowd(4, 3)
  for (const source of all) for (let i = 0; i < 10; i++) source.add(i)
  assert.equal(begun.length, 4)
  const passed: number[][] = []
  while (begun.length < 30) {
    const before = begun.length
    await turn()
    assert.ok(begun.length - before <= 4 && begun.length > before)
    passed.push([0, 1, 2].map(of))
  }
  // Two turns give each of the others two, though the first had four before them.
  assert.ok(
    passed[1]!.slice(1).every((count) => count >= 2),
    JSON.stringify(passed),
  )
  await turn()
  all[0]!.add(11)
  assert.equal(begun.length, 31)
})

test('SharedTurns has room again in the next turn', async () => {
  const { all, begun } = crowd(2, 1)
  for (let round = 1; round <= 3; round++) {
    for (let i = 0; i < 2; i++) all[0]!.add(i)
    assert.equal(begun.length, round * 2)
    await turn()
  }
})
