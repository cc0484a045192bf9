import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countKeys, strictErrors, syntaxErrorOf } from './json-scanner.ts'

for (const [text, message] of [
  ['', 'unexpected end of JSON input'],
  [' ', 'unexpected end of JSON input'],
  ['{', 'unexpected end of JSON input'],
  ['[1,', 'unexpected end of JSON input'],
  ['"abc', 'unexpected end of JSON input'],
  ['x', "invalid character 'x' looking for beginning of value"],
  ['[1,]', "invalid character ']' looking for beginning of value"],
  ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b":2}', `invalid character '"' after object key:value pair`],
  ['[1 2]', "invalid character '2' after array element"],
  ['{} x', "invalid character 'x' after top-level value"],
  ['01', "invalid character '1' after top-level value"],
  ['-x', "invalid character 'x' in numeric literal"],
  ['1.x', "invalid character 'x' after decimal point in numeric literal"],
  ['1ex', "invalid character 'x' in exponent of numeric literal"],
  ['trap', "invalid character 'a' in literal true (expecting 'u')"],
  ['"\n"', "invalid character '\\n' in string literal"],
  ['"\u0001"', "invalid character '\\x01' in string literal"],
  ['"\\x"', "invalid character 'x' in string escape code"],
  ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
  ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
  [' { "a" : [ 1 , -2.5e+3 , "\\u00e4\\"" , null , true , false , { } , [ ] ] } ', undefined],
] as const) {
  test(`syntaxErrorOf ${JSON.stringify(text)}`, () => assert.equal(syntaxErrorOf(Buffer.from(text)), message))
}

test('countKeys counts keys and not what looks like them', () => {
  assert.equal(countKeys(Buffer.from('{"a":1,"b:":{"c":"d:e\\":f","g":[{"h":"\\\\"}]}}')), 5)
})

test('strictErrors without a plan finds duplicates alone, spelled with escapes or not', () => {
  const text = '{"a":{"b":1,"\\u0062":2},"c":[{"d":1,"d":1},{"d":1}]}'
  assert.deepEqual(strictErrors(Buffer.from(text)), ['duplicate field "a.b"', 'duplicate field "c[0].d"'])
})
