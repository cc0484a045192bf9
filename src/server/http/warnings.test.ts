import assert from 'node:assert/strict'
import { test } from 'node:test'
import { warningHeaders } from './warnings.ts'

const textOf = (header: string) => /^299 - "(.*)"$/.exec(header)![1]!

test('warningHeaders are quoted strings of one line', () => {
  for (const [text, header] of [
    ['unknown field "spec.a"', '299 - "unknown field \\"spec.a\\""'],
    ['a\\b', '299 - "a\\\\b"'],
    ["'my-name',  or '123-abc'", "299 - \"'my-name',  or '123-abc'\""],
    ['two\r\nlines\u0000', '299 - "two  lines "'],
  ] as const)
    assert.deepEqual(warningHeaders([text]), [header])
  assert.equal(Buffer.from(textOf(warningHeaders(['größer \u{1f600} \ud800'])[0]!), 'latin1').toString(), 'größer \u{1f600} \ufffd')
  assert.deepEqual(warningHeaders(['']), [])
})

test('warningHeaders go out whole while they fit, cut where they do not, and none past the limit', () => {
  const long = 'x'.repeat(4000)
  assert.deepEqual(warningHeaders(['careful', long]).map(textOf), ['careful', long])
  assert.deepEqual(
    warningHeaders(['careful', 'ö'.repeat(5000)]).map((one) => Buffer.from(textOf(one), 'latin1').toString()),
    ['careful', 'ö'.repeat(256)],
  )
  const many = warningHeaders(Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(300, '.')))
  assert.equal(many.length, 16)
  assert.ok(many.every((one) => textOf(one).length === 256))
})
