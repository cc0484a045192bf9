import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatGoDuration, goDurationFault, parseDuration, parseGoDuration } from './duration.ts'

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
  ['2562047h', 9_223_369_200_000],
  ['2562048h', undefined],
] as const) {
  test(`parseGoDuration ${JSON.stringify(text)} is ${ms}`, () => assert.equal(parseGoDuration(text), ms))
}

for (const [text, fault] of [
  ['', 'time: invalid duration ""'],
  ['soon', 'time: invalid duration "soon"'],
  ['1', 'time: missing unit in duration "1"'],
  ['1h30', 'time: missing unit in duration "1h30"'],
  ['1d', 'time: unknown unit "d" in duration "1d"'],
  ['1h ', 'time: unknown unit "h " in duration "1h "'],
  ['1h.', 'time: invalid duration "1h."'],
  ['1.2.3s', 'time: missing unit in duration "1.2.3s"'],
  ['-1w', 'time: unknown unit "w" in duration "-1w"'],
  ['1é"', String.raw`time: unknown unit "\xc3\xa9\"" in duration "1\xc3\xa9\""`],
  ['99999999999999999999h', 'time: invalid duration "99999999999999999999h"'],
] as const) {
  test(`goDurationFault says ${fault}`, () => assert.equal(goDurationFault(text), fault))
}

for (const [ms, text] of [
  [0, '0s'],
  [0.4, '0s'],
  [500, '500ms'],
  [999.7, '1s'],
  [15_000, '15s'],
  [15_032, '15.032s'],
  [75_000, '1m15s'],
  [90_000.4, '1m30s'],
  [3_600_000, '1h0m0s'],
  [90_061_001, '25h1m1.001s'],
] as const) {
  test(`formatGoDuration of ${ms} is ${text}`, () => assert.equal(formatGoDuration(ms), text))
}
