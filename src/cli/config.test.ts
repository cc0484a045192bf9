import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseNodes, parsePort, parseStore, UsageError } from './config.ts'

test('parseNodes accepts every documented form', () => {
  assert.deepEqual(parseNodes('real'), { type: 'real', count: 1 })
  assert.deepEqual(parseNodes('simulated'), { type: 'simulated', count: 1 })
  assert.deepEqual(parseNodes('simulated:50'), { type: 'simulated', count: 50 })
  assert.deepEqual(parseNodes('none'), { type: 'none', count: 0 })
})

const REFUSED: [string, () => unknown][] = [
  ['parseNodes of a word', () => parseNodes('fake')],
  ['parseNodes of no nodes', () => parseNodes('simulated:0')],
  ['parseNodes of too many', () => parseNodes('simulated:10001')],
  ['parseStore of etcd', () => parseStore('etcd:http://127.0.0.1:2379')],
  ['parseStore of a word', () => parseStore('redis')],
  ['parsePort of text', () => parsePort('--port', 'http')],
  ['parsePort out of range', () => parsePort('--port', '65536')],
]
for (const [what, run] of REFUSED) {
  test(`${what} is refused as a usage error`, () => assert.throws(run, UsageError))
}
