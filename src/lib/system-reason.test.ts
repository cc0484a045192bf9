import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { systemReason } from './system-reason.ts'

const SAID: [refused: () => unknown, reason: string][] = [
  [() => readFileSync('/nowhere/a, open'), 'no such file or directory'],
  [() => readFileSync('/'), 'illegal operation on a directory'],
  [() => renameSync('/nowhere/a', '/nowhere/b'), 'no such file or directory'],
  [() => mkdirSync('/dev/null/x'), 'not a directory'],
  [() => writeFileSync('/', ''), 'illegal operation on a directory'],
  [() => JSON.parse(''), 'Unexpected end of JSON input'],
]
for (const [refused, reason] of SAID) {
  test(`systemReason leaves of ${refused.toString().slice(6)} "${reason}"`, () => {
    assert.throws(refused, (error) => systemReason(error) === reason)
  })
}
