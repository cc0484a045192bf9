import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayHoldLongNumber, longInteger, parseExactly, writeBigIntegers } from './exact-json.ts'

writeBigIntegers()

const TEXTS: [text: string, what: string][] = [
  ['{"a":9007199254740993}', 'a number no double holds'],
  ['{"a":9223372036854775807,"b":-9223372036854775808}', 'the largest and the smallest of 64 bits'],
  ['[1,9007199254740993,[9007199254740995]]', 'numbers in lists'],
  ['9007199254740993', 'nothing but a number'],
  ['{"a":"9007199254740993","b":", 9007199254740993","c":"\\\\","d":9007199254740993}', 'digits in strings'],
  ['{"a":"\\",9007199254740993,\\"","b":9007199254740993}', 'quotes in strings'],
  ['{"9007199254740993":9007199254740993}', 'digits as a key'],
  ['{"a":9007199254740993,"__proto__":{"b":9007199254740995}}', 'a member called like a prototype'],
  ['{"a":9007199254740991,"b":1234567890123456}', 'the largest a double holds'],
]

for (const [text, what] of TEXTS)
  test(`parseExactly keeps ${what}`, () => {
    assert.equal(JSON.stringify(parseExactly(text)), text)
  })

test('parseExactly makes the numbers JSON.parse makes of all others', () => {
  for (const text of [
    '{"a":9223372036854775808}',
    '{"a":123456789012345678901234}',
    '{"a":9007199254740993.5}',
    '{"a":9007199254740993e2}',
    '{"a":0.1234567890123456789}',
    '[1,2]',
  ])
    assert.deepEqual(parseExactly(text), JSON.parse(text))
})

test('parseExactly keeps strings that begin like its marks, be it all of them', () => {
  const strings = ['\\u0001', '\\u0002', '\\u0003', '\\u0004'].map((mark) => `"${mark}9007199254740993"`)
  for (const count of [1, 4]) {
    const text = `{"a":[${strings.slice(0, count).join(',')}],"b":9007199254740993}`
    assert.equal(JSON.stringify(parseExactly(text)), text)
  }
  // Spelled without an escape it is no JSON.
  assert.throws(() => parseExactly('{"a":"\u0001","b":9007199254740993}'), SyntaxError)
})

test('parseExactly refuses what JSON.parse refuses, in the same words', () => {
  for (const text of [
    '{"a":9007199254740993',
    '{"a":9007199254740993,}',
    '{"a":09007199254740993}',
    '[9007199254740993"',
    '{"a:9007199254740993}',
  ]) {
    const refused = (parse: (text: string) => unknown): string => {
      try {
        return String(parse(text))
      } catch (error) {
        return String(error)
      }
    }
    assert.equal(refused(parseExactly), refused(JSON.parse))
  }
})

test('longInteger is nothing where a double or nothing of 64 bits holds it', () => {
  assert.equal(longInteger('9007199254740991'), undefined)
  assert.equal(longInteger('9007199254740992'), 9007199254740992n)
  assert.equal(longInteger('9223372036854775808'), undefined)
})

for (const [text, found] of [
  ['', false],
  ['123456789012345', false],
  ['1234567890123456', true],
  ['x'.repeat(40) + '1'.repeat(16), true],
  [`{"at":"2026-01-01T00:00:00.000000Z","uid":"7c9e6679-7425-40de-944b-e07fc1f90ae7"}`, false],
  ...Array.from({ length: 20 }, (_, before): [string, boolean] => ['a'.repeat(before) + '9'.repeat(16) + 'b', true]),
  ...Array.from({ length: 20 }, (_, before): [string, boolean] => ['a'.repeat(before) + '9'.repeat(15) + 'b', false]),
] as [string, boolean][])
  test(`mayHoldLongNumber ${found ? 'finds' : 'finds none in'} ${text || 'nothing'}`, () =>
    assert.equal(mayHoldLongNumber(Buffer.from(text)), found))
