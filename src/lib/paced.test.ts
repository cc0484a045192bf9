import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { Gathering } from './paced.ts'

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
