import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionError } from './frames.ts'
import { HeaderDecoder } from './header-decoder.ts'

const decode = (decoder: HeaderDecoder, hex: string) => {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  return decoder.decode(bytes, 0, bytes.length).fields.map(({ name, value }) => `${name}: ${value}`)
}

const REQUESTS = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
  [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
]

test('HeaderDecoder reads the requests of RFC 7541 one after the other, plain and in Huffman code', () => {
  const plain = [
    '828684410f7777772e6578616d706c652e636f6d',
    '828684be58086e6f2d6361636865',
    '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
  ]
  const short = ['828684418cf1e3c2e5f23a6ba0ab90f4ff', '828684be5886a8eb10649cbf', '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf']
  for (const blocks of [plain, short]) {
    const decoder = new HeaderDecoder(65_536)
    assert.deepEqual(
      blocks.map((block) => decode(decoder, block)),
      REQUESTS,
    )
  }
})

const LOCATION = 'location: https://www.example.com'
const OLD_DATE = 'date: Mon, 21 Oct 2013 20:13:21 GMT'
const ANSWERS = [
  [':status: 302', 'cache-control: private', OLD_DATE, LOCATION],
  [':status: 307', 'cache-control: private', OLD_DATE, LOCATION],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    LOCATION,
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
]

test('HeaderDecoder reads the answers of RFC 7541, which push each other out of a table of 256 bytes', () => {
  const size = '3fe101'
  const plain = [
    `${size} 4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d`,
    '4803333037c1c0bf',
    '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
  ]
  const short = [
    `${size} 488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3`,
    '4883640effc1c0bf',
    '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
  ]
  for (const blocks of [plain, short]) {
    const decoder = new HeaderDecoder(65_536)
    assert.deepEqual(
      blocks.map((block) => decode(decoder, block)),
      ANSWERS,
    )
    assert.throws(() => decode(decoder, 'c2'), ConnectionError, 'only so many fields are left')
  }
})

test('HeaderDecoder reads fields that are not to be kept, and a new size of the table', () => {
  const decoder = new HeaderDecoder(65_536)
  assert.deepEqual(decode(decoder, '040c2f73616d706c652f70617468'), [':path: /sample/path'])
  assert.deepEqual(decode(decoder, '100870617373776f726406736563726574'), ['password: secret'])
  assert.deepEqual(decode(decoder, '400a637573746f6d2d6b65790c637573746f6d2d76616c7565 be'), Array(2).fill('custom-key: custom-value'))
  assert.deepEqual(decode(decoder, '20 3fe11f 82'), [':method: GET'])
  assert.throws(() => decode(decoder, 'be'), ConnectionError, 'a table of size 0 has forgotten everything')
})

test('HeaderDecoder reads a block of too much to its end, and tells', () => {
  const decoder = new HeaderDecoder(100)
  const bytes = Buffer.from(`400a637573746f6d2d6b65790c637573746f6d2d76616c7565${'be'.repeat(1000)}`, 'hex')
  const { fields, tooLarge } = decoder.decode(bytes, 0, bytes.length)
  assert.deepEqual([fields.length, tooLarge], [1, true])
  assert.deepEqual(decode(decoder, 'be'), ['custom-key: custom-value'])
})

test('HeaderDecoder refuses broken blocks', () => {
  const broken = {
    'index 0': '80',
    'an index nobody has named': 'be',
    'an index far too large': 'ffffffffff0f',
    'a number without end': 'ff80808080808080808000',
    'a string beyond the end': '400a6375',
    'nothing after a name': '400161',
    'a Huffman code that is none': '4081ff0161',
    'a size of the table over what was told': '3fe21f',
    'a size of the table after a field': '8220',
  }
  for (const [what, hex] of Object.entries(broken)) {
    assert.throws(
      () => decode(new HeaderDecoder(65_536), hex),
      (error) => error instanceof ConnectionError && error.code === 9,
      what,
    )
  }
})
