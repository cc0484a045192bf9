import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration, parseGoDuration } from './duration.ts'

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

for (const [text, ms] of [
  ['1m30s', 90_000],
  ['-1.5h', -5_400_000],
  ['+.5s', 500],
  ['2.s', 2000],
  ['250us', 0.25],
  ['1µs', 0.001],
  ['1μs', 0.001],
  ['1000000ns', 1],
  ['0', 0],
  ['-0', 0],
  ['', undefined],
  ['10', undefined],
  ['.s', undefined],
  ['1d', undefined],
  ['1h ', undefined],
] as const) {
  test(`parseGoDuration ${JSON.stringify(text)} is ${ms}`, () => assert.equal(parseGoDuration(text), ms))
}
