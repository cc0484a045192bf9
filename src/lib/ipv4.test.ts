import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressAt, formatIpv4, ipv4Range, parseIpv4, parseIpv4Range, subnetAt } from './ipv4.ts'

test('parseIpv4 and formatIpv4 are each other backwards', () => {
  for (const text of ['0.0.0.0', '10.244.3.1', '127.0.0.1', '255.255.255.255']) assert.equal(formatIpv4(parseIpv4(text)!), text)
  assert.equal(parseIpv4('1.2.3.4'), 0x01020304)
})

test('parseIpv4 refuses what is no address', () => {
  for (const text of ['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.-4', '1.2.3.4 ', '::1'])
    assert.equal(parseIpv4(text), undefined, text)
})

test('parseIpv4Range drops host bits', () => {
  assert.deepEqual(parseIpv4Range('10.1.2.3/24'), { first: parseIpv4('10.1.2.0'), size: 256, prefix: 24 })
  assert.deepEqual(parseIpv4Range('200.1.2.3/1'), { first: parseIpv4('128.0.0.0'), size: 2 ** 31, prefix: 1 })
  assert.deepEqual(parseIpv4Range('10.1.2.3/0'), { first: 0, size: 2 ** 32, prefix: 0 })
})

test('ipv4Range refuses what is no range', () => {
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.256/8', 'fd00::/64', ''])
    assert.throws(() => ipv4Range(text), { name: 'RangeError' }, text)
})

test('addressAt and subnetAt count within a range', () => {
  assert.equal(addressAt('10.244.3.0/24', 1), '10.244.3.1')
  assert.equal(addressAt('10.96.0.0/12', 10), '10.96.0.10')
  assert.throws(() => addressAt('10.96.0.0/29', 10), { message: '10.96.0.0/29 has no address number 10' })
  assert.equal(subnetAt('10.244.0.0/16', 24), '10.244.0.0/24')
  assert.equal(subnetAt('10.244.0.0/16', 24, 255), '10.244.255.0/24')
  assert.equal(subnetAt('200.1.2.3/8', 24, 1), '200.0.1.0/24')
})
