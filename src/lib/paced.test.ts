import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { Gathering, nextTurn, Pace } from './paced.ts'

test('Gathering lets those of one turn go on together, after the turn, and later ones after theirs', async () => {
  const gathering = new Gathering()
  const seen: string[] = []
  const come = async (name: string) => {
    await gathering.join()
    seen.push(`${name} first`)
    await undefined
    seen.push(`${name} second`)
  }
  const all = [come('a')]
  await undefined
  all.push(come('b'))
  const passed = setImmediate().then(() => seen.push('turn'))
  await Promise.all(all)
  assert.deepEqual(seen, ['a first', 'b first', 'a second', 'b second'])
  await passed
  await come('c')
  assert.deepEqual(seen.slice(4), ['turn', 'c first', 'c second'])
})

test('nextTurn lets a crowd that works in slices go on a few at a time, in order, with turns for others between', async () => {
  const seen: number[] = []
  const crowd = Array.from({ length: 40 }, (_, i) => nextTurn().then(() => seen.push(i)))
  let most = 0
  for (let before = 0; seen.length < 40; before = seen.length) {
    await setImmediate()
    most = Math.max(most, seen.length - before)
  }
  await Promise.all(crowd)
  assert.ok(most >= 1 && most <= 8, `${most} in a turn`)
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  )
  await nextTurn()
})

test('Pace waits once the weights come to more than may be done in a turn', async () => {
  const pace = new Pace(10)
  let passed = false
  void setImmediate().then(() => (passed = true))
  await pace.after(9)
  assert.equal(passed, false)
  await pace.after(1)
  assert.equal(passed, true)
})
