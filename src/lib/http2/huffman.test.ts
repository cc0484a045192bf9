import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeHuffman } from './huffman.ts'

const decode = (hex: string) => {
  const bytes = Buffer.from(hex, 'hex')
  return decodeHuffman(bytes, 0, bytes.length)
}

test('decodeHuffman reads the examples of RFC 7541', () => {
  const examples: [string, string][] = [
    ['', ''],
    ['f1e3c2e5f23a6ba0ab90f4ff', 'www.example.com'],
    ['a8eb10649cbf', 'no-cache'],
    ['25a849e95ba97d7f', 'custom-key'],
    ['25a849e95bb8e8b4bf', 'custom-value'],
    ['6402', '302'],
    ['640eff', '307'],
    ['aec3771a4b', 'private'],
    ['d07abe941054d444a8200595040b8166e082a62d1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['9d29ad171863c78f0b97c8e9ae82ae43d3', 'https://www.example.com'],
    ['9bd9ab', 'gzip'],
    [
      '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ],
  ]
  for (const [hex, text] of examples) assert.equal(decode(hex), text)
})

test('decodeHuffman refuses what is no code', () => {
  const wrong = {
    'zeros at the end': 'f1e3c2e5f23a6ba0ab90f400',
    'a whole byte of ones after the text': 'a8eb10649cbfff',
    'the code of the end': 'ffffffff',
    'the code of the end, and more': 'fffffffc00',
    'half of a long code': 'fffe',
  }
  for (const [what, hex] of Object.entries(wrong)) assert.equal(decode(hex), undefined, what)
})
