import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCronSchedule } from './cron-schedule.ts'

for (const [schedule, zone, after, next] of [
  ['* * * * *', 'UTC', '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z'],
  ['*/15 * * * *', 'UTC', '2026-01-01T00:01:30Z', '2026-01-01T00:15:00Z'],
  ['0 0 1 * *', 'UTC', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'],
  ['30 4 * * MON-FRI', 'UTC', '2026-01-02T05:00:00Z', '2026-01-05T04:30:00Z'],
  ['0 0 13 * 5', 'UTC', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
  ['0 12 29 feb *', 'UTC', '2026-01-01T00:00:00Z', '2028-02-29T12:00:00Z'],
  ['@hourly', 'UTC', '2026-01-01T00:00:01Z', '2026-01-01T01:00:00Z'],
  ['0 0 * * 7', 'UTC', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00Z'],
  ['@every 1h30m', 'UTC', '2026-01-01T00:00:00Z', '2026-01-01T01:30:00Z'],
  ['0 9 * * *', 'America/New_York', '2026-03-07T15:00:00Z', '2026-03-08T13:00:00Z'],
  ['0 9 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', '2026-10-25T08:00:00Z'],
  ['0 0 * * *', 'Asia/Kolkata', '2026-01-01T00:00:00Z', '2026-01-01T18:30:00Z'],
  ['10-20/5,40 3 * * *', 'UTC', '2026-01-01T03:20:00Z', '2026-01-01T03:40:00Z'],
] as const) {
  test(`parseCronSchedule ${schedule} in ${zone} after ${after}`, () => {
    assert.equal(new Date(parseCronSchedule(schedule, zone).next(Date.parse(after))!).toISOString(), next.replace('Z', '.000Z'))
  })
}

test('parseCronSchedule gives up on days that never come', () => {
  assert.equal(parseCronSchedule('0 0 30 2 *').next(Date.UTC(2026, 0, 1)), undefined)
})

for (const bad of ['', '* * * *', '60 * * * *', '* 5-1 * * *', '*/0 * * * *', '@sometimes', '@every soon', 'x * * * *', '1-2-3 * * * *']) {
  test(`parseCronSchedule refuses ${JSON.stringify(bad)}`, () => {
    assert.throws(() => parseCronSchedule(bad), RangeError)
  })
}

test('parseCronSchedule refuses unknown zones', () => {
  assert.throws(() => parseCronSchedule('* * * * *', 'Mars/Olympus'), RangeError)
})
