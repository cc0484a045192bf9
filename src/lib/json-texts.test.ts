import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonTexts } from './json-texts.ts'

const many = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i))
const CASES: [string, unknown][] = [
  ['a number', 1],
  ['null', null],
  ['a long string', 'x"'.repeat(100_000)],
  ['little', { a: [1, { b: undefined, c: null }], d: '' }],
  ['a wide object', { a: 1, data: Object.fromEntries(many(30_000, (i) => [`key "${i}"`, i % 7 ? `value ${i}` : undefined])), z: [] }],
  ['a long list', { a: many(30_000, (i) => ({ i, undefined, list: [undefined, i] })) }],
  ['large things in large things', many(30, (i) => ({ [`k${i}`]: many(3000, () => 'value'), more: [undefined, {}, 'x'.repeat(40_000)] }))],
  ['a member called __proto__', JSON.parse(`{"__proto__":{"a":${JSON.stringify(many(10_000, () => 'value'))}},"b":1}`)],
]

for (const [name, value] of CASES) {
  test(`jsonTexts makes of ${name} what JSON.stringify makes`, () => {
    assert.equal([...jsonTexts(value)].join(''), JSON.stringify(value))
  })
}

test('jsonTexts makes pieces of a bounded length', () => {
  const texts = [...jsonTexts({ data: Object.fromEntries(many(50_000, (i) => [`key${i}`, { value: `${i}` }])) })]
  assert.ok(texts.length > 10)
  assert.ok(texts.every((text) => text.length < 40_000))
})
