import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimMachine } from './machine-claim.ts'

test('claimMachine gives the machine to one at a time', {
  skip: process.platform === 'linux' ? false : 'abstract sockets are Linux',
}, async () => {
  const name = `\0sampan-test-${process.pid}`
  const first = await claimMachine(name)
  assert.ok(first)
  assert.equal(await claimMachine(name), undefined)
  await first[Symbol.asyncDispose]()
  const second = await claimMachine(name)
  assert.ok(second)
  await second[Symbol.asyncDispose]()
})
