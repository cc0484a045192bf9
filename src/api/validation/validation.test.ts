import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorTexts } from '#api/kinds/minimal-objects.ts'
import { cronScheduleMessage } from './cron-schedule.ts'
import {
  canonicalCIDRMessages,
  canonicalIP,
  canonicalIPMessages,
  cidrContains,
  cidrMessages,
  endpointIPMessages,
  ipMessages,
} from './ip.ts'
import { formatLabels, formatSelector, selectorMatches, validateLabelSelector } from './label-selector.ts'
import { descendingPathMessages, nonReservedPathMessages } from './paths.ts'
import { sameJson } from './same-json.ts'

const BAD_IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
const BAD_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
const texts: [string, (value: string) => string[], string, string[]][] = [
  ['ipMessages', ipMessages, '10.0.0.1', []],
  ['ipMessages', ipMessages, '2001:DB8::1', []],
  ['ipMessages', ipMessages, '10.0.0', [BAD_IP]],
  ['ipMessages', ipMessages, '10.0.0.256', [BAD_IP]],
  ['ipMessages', ipMessages, 'fe80::1%eth0', [BAD_IP]],
  ['ipMessages', ipMessages, '10.0.0.01', ['must not have leading 0s']],
  ['ipMessages', ipMessages, '::ffff:10.0.0.1', ['must not be an IPv4-mapped IPv6 address']],
  ['cidrMessages', cidrMessages, '10.0.0.0/8', []],
  ['cidrMessages', cidrMessages, '::/0', []],
  ['cidrMessages', cidrMessages, '10.0.0.0/33', [BAD_CIDR]],
  ['cidrMessages', cidrMessages, '10.0.0.0', [BAD_CIDR]],
  ['cidrMessages', cidrMessages, '10.0.0.0/08', ['must not have leading 0s in IP or prefix length']],
  ['cidrMessages', cidrMessages, '2001:db8::1/64', ['must not have bits set beyond the prefix length']],
  ['canonicalIPMessages', canonicalIPMessages, '2001:DB8:0::1', ['must be in canonical form ("2001:db8::1")']],
  ['canonicalCIDRMessages', canonicalCIDRMessages, 'FD00::/108', ['must be in canonical form ("fd00::/108")']],
  ['endpointIPMessages', endpointIPMessages, '0.0.0.0', ['may not be unspecified (0.0.0.0)']],
  ['endpointIPMessages', endpointIPMessages, '169.254.1.1', ['may not be in the link-local range (169.254.0.0/16, fe80::/10)']],
  ['descendingPathMessages', descendingPathMessages, 'a/b..c', []],
  ['descendingPathMessages', descendingPathMessages, '/a/../b', ['must be a relative path', "must not contain '..'"]],
  ['nonReservedPathMessages', nonReservedPathMessages, '..data', ["must not start with '..'"]],
]

for (const [name, check, value, expected] of texts)
  test(`${name} ${expected.length > 0 ? 'refuses' : 'accepts'} ${value}`, () => assert.deepEqual(check(value), expected))

test('canonicalIP writes addresses as RFC 5952 does', () => {
  assert.equal(canonicalIP('2001:0DB8:0:0:0:0:0:1'), '2001:db8::1')
  assert.equal(canonicalIP('10.0.0.1'), '10.0.0.1')
})

for (const [cidr, address, expected] of [
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['fd00::/8', 'fdff::1', true],
  ['10.0.0.0/8', 'fd00::1', false],
  ['0.0.0.0/0', '1.2.3.4', true],
] as const)
  test(`cidrContains ${cidr} ${address} is ${expected}`, () => assert.equal(cidrContains(cidr, address), expected))

const schedules: [string, string | undefined][] = [
  ['*/5 * * * *', undefined],
  ['0 0 1,15 jan-mar mon', undefined],
  ['@hourly', undefined],
  ['@every 1h30m', undefined],
  ['0 0 ? * *', undefined],
  ['@often', 'unrecognized descriptor: @often'],
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['0 0 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['a * * * *', 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'],
]

for (const [schedule, expected] of schedules)
  test(`cronScheduleMessage judges ${JSON.stringify(schedule)}`, () => assert.equal(cronScheduleMessage(schedule), expected))

test('validateLabelSelector names what is wrong with expressions', () => {
  const selector = {
    matchExpressions: [
      { key: 'a', operator: 'In' },
      { key: 'b', operator: 'Exists', values: ['c'] },
      { key: 'c', operator: 'Near' },
    ],
  }
  assert.deepEqual(errorTexts(validateLabelSelector(selector, 's')), [
    "s.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    "s.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    's.matchExpressions[2].operator: Invalid value: "Near": not a valid selector operator',
  ])
})

test('selectorMatches picks nothing without a selector and everything with an empty one', () => {
  assert.equal(selectorMatches(undefined, { a: 'b' }), false)
  assert.equal(selectorMatches({}, { a: 'b' }), true)
  assert.equal(selectorMatches({ matchLabels: { a: 'b' } }, { a: 'c' }), false)
})

test('formatSelector and formatLabels print in order of keys', () => {
  assert.equal(formatSelector({ matchLabels: { b: '1' }, matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }), '!a,b=1')
  assert.equal(formatSelector({}), '<none>')
  assert.equal(formatLabels({ b: '1', a: '2' }), 'a=2,b=1')
})

for (const [a, b, expected] of [
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ a: [] }, {}, true],
  [{ a: {} }, { a: null }, true],
  [{ a: 0 }, {}, false],
  [[1, 2], [2, 1], false],
  ['', undefined, false],
] as const)
  test(`sameJson of ${JSON.stringify(a)} and ${JSON.stringify(b)} is ${expected}`, () => assert.equal(sameJson(a, b), expected))
