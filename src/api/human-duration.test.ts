import assert from 'node:assert/strict'
import { test } from 'node:test'
import { humanAge, humanDuration } from './human-duration.ts'

const [SECOND, MINUTE, HOUR, DAY, YEAR] = [1000, 60_000, 3_600_000, 86_400_000, 365 * 86_400_000]
const expected: [number, string][] = [
  [-3 * SECOND, '<invalid>'],
  [-1 * SECOND, '0s'],
  [-500, '0s'],
  [0, '0s'],
  [119 * SECOND, '119s'],
  [2 * MINUTE, '2m'],
  [9 * MINUTE + 5 * SECOND, '9m5s'],
  [10 * MINUTE + 5 * SECOND, '10m'],
  [179 * MINUTE, '179m'],
  [3 * HOUR, '3h'],
  [7 * HOUR + 59 * MINUTE, '7h59m'],
  [8 * HOUR + 59 * MINUTE, '8h'],
  [47 * HOUR, '47h'],
  [2 * DAY, '2d'],
  [7 * DAY + 23 * HOUR, '7d23h'],
  [8 * DAY + 23 * HOUR, '8d'],
  [729 * DAY, '729d'],
  [2 * YEAR, '2y'],
  [2 * YEAR + 5 * DAY, '2y5d'],
  [9 * YEAR + 5 * DAY, '9y'],
]

for (const [milliseconds, text] of expected)
  test(`humanDuration says ${text} for ${milliseconds} ms`, () => assert.equal(humanDuration(milliseconds), text))

test('humanAge says <unknown> without a time', () => {
  assert.equal(humanAge(undefined, 0), '<unknown>')
  assert.equal(humanAge('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:01:00Z')), '60s')
})
