import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressAt, parseCidr, subnetOf } from './addresses.ts'

test('addressAt and subnetOf count within a range', () => {
  assert.equal(addressAt('10.244.3.0/24', 1), '10.244.3.1')
  assert.equal(addressAt('10.96.0.0/12', 10), '10.96.0.10')
  assert.equal(subnetOf('10.244.0.0/16', 24), '10.244.0.0/24')
  assert.equal(subnetOf('10.244.0.0/16', 24, 255), '10.244.255.0/24')
  assert.equal(subnetOf('200.1.2.3/8', 24, 1), '200.0.1.0/24')
})

test('parseCidr refuses what is no range', () => {
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.256/8', 'fd00::/64', '']) assert.throws(() => parseCidr(text), RangeError)
})
