import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration } from './duration.ts'

for (const [text, ms] of [
  ['90s', 90_000],
  ['1h30m', 5_400_000],
  ['24h', 86_400_000],
  ['7d', 604_800_000],
  ['1.5s', 1500],
  ['250ms', 250],
  ['', undefined],
  ['10', undefined],
  ['-1s', undefined],
  ['1h ', undefined],
  ['s', undefined],
] as const) {
  test(`parseDuration ${JSON.stringify(text)} is ${ms}`, () => assert.equal(parseDuration(text), ms))
}
