import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeMessage, encodeMessage } from './codec.ts'
import { parseProto } from './proto-text.ts'

const schema = parseProto(`
syntax = "proto3";
package t.v1; // a comment
service Things { rpc Get(Thing) returns (stream Thing); }
enum Colour { RED = 0; GREEN = 1; }
message Thing {
  message Inner { int64 value = 1; }
  string some_name = 1;
  int64 signed = 2;
  uint64 unsigned = 3;
  bool flag = 4;
  bytes raw = 5;
  Colour colour = 6;
  Inner inner = 7;
  repeated string words = 8;
  repeated int32 numbers = 9;
  map<string, string> labels = 10;
  double ratio = 11;
  oneof choice { string left = 12; string right = 13; }
}
message Newer { string added = 99; string some_name = 1; }
`)
const ZERO = {
  someName: '',
  signed: 0,
  unsigned: 0,
  flag: false,
  raw: Buffer.alloc(0),
  colour: 'RED',
  words: [],
  numbers: [],
  ratio: 0,
  left: '',
  right: '',
}

const round = (value: object) => {
  const { labels, ...rest } = decodeMessage(schema, 't.v1.Thing', encodeMessage(schema, 't.v1.Thing', value))
  return { ...rest, labels: { ...(labels as object) } }
}

describe('encodeMessage and decodeMessage', () => {
  for (const [what, value] of [
    ['nothing', {}],
    ['text', { someName: 'grün' }],
    ['a negative number', { signed: -997 }],
    ['the largest safe number', { signed: Number.MAX_SAFE_INTEGER, unsigned: Number.MAX_SAFE_INTEGER }],
    ['numbers around varint borders', { numbers: [0, 127, 128, 16383, 16384, 2147483647, -1, -2147483648] }],
    ['bytes', { raw: Buffer.from([0, 255, 128]) }],
    ['an enum', { colour: 'GREEN' }],
    ['a message', { inner: { value: 7 } }],
    ['an empty message', { inner: { value: 0 } }],
    ['lists', { words: ['', 'a', 'b'] }],
    ['a map', { labels: { a: '1', '': '', ['__proto__']: 'x' } }],
    ['a fraction', { ratio: 0.1 }],
    ['one of several', { right: 'r' }],
  ] as const) {
    test(`keep ${what}`, () => assert.deepEqual(round(value), { ...ZERO, labels: {}, ...value }))
  }

  test('write the bytes of the specification', () => {
    assert.equal(encodeMessage(schema, 't.v1.Thing', { someName: 'testing', signed: 150 }).toString('hex'), '0a0774657374696e67109601')
  })

  test('read packed and unpacked lists alike', () => {
    assert.deepEqual(decodeMessage(schema, 't.v1.Thing', Buffer.from('4a03010203', 'hex')).numbers, [1, 2, 3])
    assert.deepEqual(decodeMessage(schema, 't.v1.Thing', Buffer.from('480148024803', 'hex')).numbers, [1, 2, 3])
  })

  test('skip fields the schema does not know', () => {
    const newer = encodeMessage(schema, 't.v1.Newer', { added: 'later', someName: 'n' })
    assert.equal(decodeMessage(schema, 't.v1.Thing', newer).someName, 'n')
  })

  test('refuse names and enum values that do not exist', () => {
    assert.throws(() => encodeMessage(schema, 't.v1.Thing', { some_name: 'x' }), /t\.v1\.Thing has no field some_name/)
    assert.throws(() => encodeMessage(schema, 't.v1.Thing', { colour: 'BLUE' }), /has no value BLUE/)
    assert.throws(() => encodeMessage(schema, 't.v1.None', {}), /no message t\.v1\.None/)
  })

  for (const [what, hex] of [
    ['cut short', '0a07746573'],
    ['an endless number', '10ffffffffffffffffffffff'],
    ['a length beyond the end', '0affffffff0f'],
    ['a group', '0b'],
  ] as const) {
    test(`refuse ${what}`, () => assert.throws(() => decodeMessage(schema, 't.v1.Thing', Buffer.from(hex, 'hex')), /protobuf/))
  }
})

describe('parseProto', () => {
  test('gives methods their paths', () => {
    assert.deepEqual(schema.methods.get('Things.Get'), { path: '/t.v1.Things/Get', request: 't.v1.Thing', response: 't.v1.Thing' })
  })

  for (const [text, message] of [
    ['message A { Missing x = 1; }', /no type Missing for \.?A\.x/],
    ['import "other.proto";', /expected syntax, package, message, enum or service/],
    ['message A { string x 1; }', /expected =/],
  ] as const) {
    test(`refuses ${text}`, () => assert.throws(() => parseProto(text), message))
  }
})
