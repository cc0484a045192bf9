import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#lib/random.ts'
import { HeaderDecoder } from './header-decoder.ts'
import { HeaderEncoder } from './header-encoder.ts'

const read = (decoder: HeaderDecoder, block: Buffer) =>
  decoder.decode(block, 0, block.length).fields.map(({ name, value }) => [name, value] as const)

test('HeaderEncoder sends again what it has sent in a byte each', () => {
  const [encoder, decoder] = [new HeaderEncoder(), new HeaderDecoder(65_536)]
  const headers = {
    'cache-control': 'no-cache, private',
    'content-type': 'application/json',
    'X-Kubernetes-Pf-Flowschema-Uid': 'f1',
    'x-list': ['a', 'b'],
  }
  const first = encoder.encode(200, headers).length
  const block = encoder.encode(200, headers)
  assert.ok(first > 60)
  assert.equal(block.length, 6)
  decoder.decode(new HeaderEncoder().encode(200, headers), 0, first)
  assert.deepEqual(read(decoder, block), [
    [':status', '200'],
    ['cache-control', 'no-cache, private'],
    ['content-type', 'application/json'],
    ['x-kubernetes-pf-flowschema-uid', 'f1'],
    ['x-list', 'a'],
    ['x-list', 'b'],
  ])
})

test('HeaderEncoder is understood whatever comes, in tables of any size', () => {
  const random = seededRandom(7)
  const below = (end: number) => Math.floor(random.float() * end)
  const [encoder, decoder] = [new HeaderEncoder(), new HeaderDecoder(1_000_000)]
  for (let round = 0; round < 3000; round++) {
    if (random.float() < 0.02) encoder.limit([0, 40, 200, 1000, 4096, 100_000][below(6)]!)
    const headers: Record<string, string | number> = {}
    for (let i = below(8); i > 0; i--) {
      const value = 'v'.repeat(below(20) === 0 ? below(6000) : below(30)) + below(20)
      headers[['content-type', 'vary', 'x-a', 'x-b', `x-${below(1000)}`, 'etag', 'content-length'][below(7)]!] = value
    }
    const status = [200, 201, 404, 409, 500][below(5)]!
    const wanted = [[':status', String(status)], ...Object.entries(headers)]
    assert.deepEqual(read(decoder, encoder.encode(status, headers)), wanted, `round ${round}`)
  }
})

test('HeaderEncoder leaves out what belongs to connections, and lets no value end a line', () => {
  const block = new HeaderEncoder().encode(
    200,
    { Connection: 'close', 'transfer-encoding': 'chunked', 'x-a': 'a\r\nset-cookie: b', 'x-b': 'ü' },
    { date: 'now', length: 3 },
  )
  assert.deepEqual(read(new HeaderDecoder(65_536), block), [
    [':status', '200'],
    ['date', 'now'],
    ['content-length', '3'],
    ['x-a', 'a  set-cookie: b'],
    ['x-b', Buffer.from('ü').toString('latin1')],
  ])
})

test('HeaderEncoder tells the smallest size the table has had, then the last', () => {
  const encoder = new HeaderEncoder()
  const sizes = (...limits: number[]) => {
    for (const limit of limits) encoder.limit(limit)
    return encoder.encode(200, {}).toString('hex').replace(/88$/, '')
  }
  assert.deepEqual(
    [sizes(), sizes(0), sizes(0, 4096), sizes(100, 0, 30), sizes(4096, 100), sizes(100_000), sizes()],
    ['', '20', '203fe11f', '203e', '3f45', '3fe11f', ''],
  )
})
