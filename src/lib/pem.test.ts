import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pem } from './der.ts'
import { pemBlocks } from './pem.ts'

const block = (type: string, content = 'hello') => pem(type, Buffer.from(content))

const CASES: [what: string, text: string, found: string[]][] = [
  ['nothing', '', []],
  ['no block', 'hello', []],
  ['one', block('A'), ['A hello']],
  ['several, and text around them', `x\n${block('A')}y\n${block('B B', '')}z`, ['A hello', 'B B ']],
  ['lines that end as elsewhere', block('A').replaceAll('\n', '\r\n'), ['A hello']],
  ['no line break at the end', block('A').trimEnd(), ['A hello']],
  ['headers', block('A').replace('\n', '\nProc-Type: 4\n\n'), ['A hello with headers']],
  ['a beginning in the middle of a line', `x${block('A')}`, []],
  ['an end that is missing', '-----BEGIN A-----\naGVsbG8=\n', []],
  ['an end of something else', `-----BEGIN A-----\naGVsbG8=\n-----END B-----\n${block('C')}`, ['C hello']],
  ['no base64', `-----BEGIN A-----\n!!!\n-----END A-----\n${block('C')}`, ['C hello']],
  ['a beginning within another', `-----BEGIN A-----\n${block('A')}`, ['A hello']],
  ['half of base64', '-----BEGIN A-----\naGVsb\n-----END A-----\n', []],
  ['nothing inside', '-----BEGIN A-----\n-----END A-----\n', ['A ']],
]

for (const [what, text, found] of CASES)
  test(`pemBlocks of ${what}`, () => {
    const shown = Array.from(pemBlocks(text), ({ type, content, hasHeaders }) => `${type} ${content}${hasHeaders ? ' with headers' : ''}`)
    assert.deepEqual(shown, found)
  })

test('pemBlocks comes to an end with texts made to hurt', () => {
  const many = 200_000
  assert.deepEqual([...pemBlocks('-----BEGIN A-----\n'.repeat(many))], [])
  assert.deepEqual([...pemBlocks(`${'-----BEGIN A-----\n'.repeat(many)}\n-----END B-----`)], [])
  assert.deepEqual([...pemBlocks(`${'-----BEGIN A-----\n'.repeat(many)}\n-----END A-----`)].length, 1)
  assert.deepEqual([...pemBlocks(`${'-----BEGIN A-----\n!'.repeat(many)}\n-----END A-----`)], [])
  assert.deepEqual([...pemBlocks('\n-----END A-----'.repeat(many))], [])
})
