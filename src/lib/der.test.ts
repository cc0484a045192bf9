import assert from 'node:assert/strict'
import { test } from 'node:test'
import { der, flags, integer, objectId, octets, partsOf, pem, sequence, time } from './der.ts'

const cases: [string, Buffer, string][] = [
  ['a short length is one byte', der(0x04, Buffer.alloc(127)).subarray(0, 2), '047f'],
  ['a length from 128 on says how many bytes tell it', der(0x04, Buffer.alloc(128)).subarray(0, 3), '048180'],
  ['a length of 300', der(0x04, Buffer.alloc(300)).subarray(0, 4), '0482012c'],
  ['a number has no zeros in front', integer(Buffer.from('0000017f', 'hex')), '0202017f'],
  ['a number that would look negative has one', integer(Buffer.from('80', 'hex')), '02020080'],
  ['zero', integer(Buffer.from('00', 'hex')), '020100'],
  ['an object id', objectId('2.5.29.17'), '0603551d11'],
  ['an object id with large parts', objectId('1.2.840.10045.4.3.2'), '06082a8648ce3d040302'],
  ['no flags', flags([]), '030100'],
  ['the first flag', flags([0]), '03020780'],
  ['three flags', flags([0, 2, 5]), '030202a4'],
  ['a flag in the second byte', flags([8]), '0303070080'],
  ['a time before 2050', time(Date.parse('2049-12-31T23:59:59Z')), `170d${Buffer.from('491231235959Z').toString('hex')}`],
  ['a time from 2050 on', time(Date.parse('2050-01-01T00:00:00Z')), `180f${Buffer.from('20500101000000Z').toString('hex')}`],
]

for (const [title, written, expected] of cases) test(`der writes ${title}`, () => assert.equal(written.toString('hex'), expected))

test('pem breaks its text after 64 characters', () => {
  assert.equal(
    pem('THING', Buffer.alloc(49)),
    `-----BEGIN THING-----\n${'A'.repeat(64)}\n${Buffer.from([0]).toString('base64')}\n-----END THING-----\n`,
  )
})

test('partsOf tells the values inside a value apart, short and long', () => {
  const parts = [integer(Buffer.from([5])), octets(Buffer.alloc(200)), sequence(), octets(Buffer.alloc(70_000))]
  assert.deepEqual(partsOf(sequence(...parts)), parts)
})

for (const [what, hex] of [
  ['ends in the middle of a value', '3003020500'],
  ['has no length', '30'],
  ['has a length without an end', '3080'],
  ['has a part without a length', '300102'],
] as const)
  test(`partsOf refuses what ${what}`, () => assert.throws(() => partsOf(Buffer.from(hex, 'hex')), RangeError))
