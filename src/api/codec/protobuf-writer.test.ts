import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtobufWriter } from './protobuf-writer.ts'

test('ProtobufWriter writes numbers of every length as it writes long ones', () => {
  const written = (value: number | bigint) => {
    const writer = new ProtobufWriter(1)
    writer.unsigned(value)
    return writer.finish().toString('hex')
  }
  for (let bits = 1; bits <= 53; bits++)
    for (const value of [2 ** bits - 1, 2 ** bits]) if (value < 2 ** 53) assert.equal(written(value), written(BigInt(value)), String(value))
  assert.deepEqual([written(300), written(0x7fff_ffff)], ['ac02', 'ffffffff07'])
})
