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
  ['0 0 * * 0', 'UTC', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00Z'],
  ['0 0 */2 * 1', 'UTC', '2026-01-01T00:00:00Z', '2026-01-03T00:00:00Z'],
  ['0 0 */1 * 1', 'UTC', '2026-01-01T00:00:00Z', '2026-01-05T00:00:00Z'],
  // An hour that the wall clock leaves out is not made up for.
  ['30 2 * * *', 'Europe/Berlin', '2026-03-28T01:30:00Z', '2026-03-30T00:30:00Z'],
  ['0 * * * *', 'Europe/Berlin', '2026-03-29T00:00:00Z', '2026-03-29T01:00:00Z'],
  // One that it shows twice counts twice.
  ['30 1 * * *', 'America/New_York', '2026-10-31T12:00:00Z', '2026-11-01T05:30:00Z'],
  ['30 1 * * *', 'America/New_York', '2026-11-01T05:30:00Z', '2026-11-01T06:30:00Z'],
  ['30 1 * * *', 'America/New_York', '2026-11-01T06:30:00Z', '2026-11-02T06:30:00Z'],
  ['0 12 2 11 *', 'America/New_York', '2026-10-31T12:00:00Z', '2026-11-02T17:00:00Z'],
  // Days that begin at one o'clock.
  ['0 0 * * *', 'Africa/Cairo', '2026-04-22T22:00:00Z', '2026-04-24T21:00:00Z'],
  // A day that begins at one o'clock is never looked at for itself.
  ['0 1 24 4 *', 'Africa/Cairo', '2026-04-20T12:00:00Z', '2027-04-23T23:00:00Z'],
  ['30 1 24 4 *', 'Africa/Cairo', '2026-04-20T12:00:00Z', '2027-04-23T23:30:00Z'],
  // Nor does it ask again which day it is where midnight was left out.
  ['59 9 * * 3,1,6', 'Pacific/Apia', '2010-09-25T20:59:00Z', '2010-09-26T19:59:00Z'],
  ['11 9 * * 6', 'Atlantic/Azores', '2017-03-25T10:11:00Z', '2017-03-26T09:11:00Z'],
  // Half an hour left out.
  ['* 15-21 8 */16,*/3 */20', 'Australia/Lord_Howe', '2012-08-25T08:50:48Z', '2012-10-07T04:30:00Z'],
  ['59 23 31 12 *', 'Asia/Kathmandu', '2026-01-01T00:00:30Z', '2026-12-31T18:14:00Z'],
  ['0 3 26 4 *', 'Africa/Cairo', '2026-04-20T12:00:00Z', '2026-04-26T00:00:00Z'],
  ['0 12 * 11 *', 'America/Sao_Paulo', '2018-10-01T00:00:00Z', '2018-11-01T15:00:00Z'],
  // A day that never was.
  ['0 0 * * *', 'Pacific/Apia', '2011-12-29T10:00:00Z', '2011-12-30T10:00:00Z'],
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

for (const [bad, why] of [
  ['', 'empty spec string'],
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['0 0 * * 7', 'end of range (7) above maximum (6): 7'],
  ['0 0 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['* 5-1 * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
  ['@sometimes', 'unrecognized descriptor: @sometimes'],
  ['@every soon', 'failed to parse duration @every soon: time: invalid duration "soon"'],
  ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
  ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
] as const) {
  test(`parseCronSchedule refuses ${JSON.stringify(bad)}`, () => {
    assert.throws(() => parseCronSchedule(bad), new RangeError(why))
  })
}

test('parseCronSchedule refuses unknown zones', () => {
  assert.throws(() => parseCronSchedule('* * * * *', 'Mars/Olympus'), RangeError)
})
