import assert from 'node:assert/strict'
import test from 'node:test'
import { goFloat, goJson, goQuoted, goText, goValue } from './go-text.ts'

test('goQuoted spells out what cannot be printed', () => {
  const rows: [string, string][] = [
    ['', '""'],
    ['a <b> & "c" \\', '"a <b> & \\"c\\" \\\\"'],
    ['\x00\x07\b\f\n\r\t\v\x1f\x7f', '"\\x00\\a\\b\\f\\n\\r\\t\\v\\x1f\\x7f"'],
    ['häuser 你好 🚢', '"häuser 你好 🚢"'],
    ['\u00a0\u200b\u{e0001}', '"\\u00a0\\u200b\\U000e0001"'],
    ['\ud800', '"\ufffd"'],
  ]
  for (const [text, expected] of rows) assert.equal(goQuoted(text), expected)
})

test('goJson escapes what HTML would read, and shows nothing as null', () => {
  assert.equal(goJson({ a: '<&>\u2028' }), '{"a":"\\u003c\\u0026\\u003e\\u2028"}')
  assert.equal(goJson(undefined), 'null')
  assert.equal(goJson({ a: 1 }, 1), '{\n "a": 1\n}')
})

test('goText prints as %v does', () => {
  assert.equal(goText({ b: [1, 'x', null, true], a: { c: 1.5 } }), 'map[a:map[c:1.5] b:[1 x <nil> true]]')
  assert.equal(goText({}), 'map[]')
})

test('goValue prints as %#v does', () => {
  assert.equal(
    goValue({ b: [1, 'x"', null, true], a: { c: 1.5 } }),
    'map[string]interface {}{"a":map[string]interface {}{"c":1.5}, "b":[]interface {}{1, "x\\"", interface {}(nil), true}}',
  )
})

test('goFloat prints as %g does', () => {
  const rows: [number, string][] = [
    [0, '0'],
    [-0, '-0'],
    [1.5, '1.5'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [999_999.5, '999999.5'],
    [1_000_000, '1e+06'],
    [-123_456_789, '-1.23456789e+08'],
    [2 ** 53, '9.007199254740992e+15'],
    [1e100, '1e+100'],
    [Number.NaN, 'NaN'],
    [-Infinity, '-Inf'],
  ]
  for (const [value, expected] of rows) assert.equal(goFloat(value), expected)
})
