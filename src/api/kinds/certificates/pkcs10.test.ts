import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { test } from 'node:test'
import { bits, der, integer, objectId, pem, sequence, set, utf8 } from '#lib/der.ts'
import { seededRandom } from '#lib/random.ts'
import { certificateRequestProblem } from './pkcs10.ts'

const NULL = der(0x05)
const keys = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  small: generateKeyPairSync('ec', { namedCurve: 'P-224' }),
  foreign: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
  ed25519: generateKeyPairSync('ed25519'),
  x25519: generateKeyPairSync('x25519'),
}
const ALGORITHMS = {
  rsa: sequence(objectId('1.2.840.113549.1.1.11'), NULL),
  ec: sequence(objectId('1.2.840.10045.4.3.2')),
  ed25519: sequence(objectId('1.3.101.112')),
}

interface Parts {
  key?: { publicKey: KeyObject; privateKey: KeyObject }
  algorithm?: Buffer
  keyInfo?: Buffer
  signature?: (info: Buffer) => Buffer
}

function requestOf({ key = keys.ec, algorithm = ALGORITHMS.ec, keyInfo, signature }: Parts = {}): Buffer {
  const subject = sequence(set(sequence(objectId('2.5.4.3'), utf8('jane'))))
  const spki = keyInfo ?? key.publicKey.export({ type: 'spki', format: 'der' })
  const info = sequence(integer(Buffer.from([0])), subject, spki, der(0xa0))
  const hash = key.privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  return sequence(info, algorithm, bits(signature ? signature(info) : sign(hash, info, key.privateKey)))
}

const inPem = (bytes: Uint8Array) => pem('CERTIFICATE REQUEST', bytes)
const BLOCK = 'PEM block type must be CERTIFICATE REQUEST'
const NOTHING =
  '{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false}'
const good = requestOf()
const tampered = Buffer.from(good)
tampered[tampered.indexOf('jane')]! ^= 1

const CASES: [what: string, text: string, problem: string | undefined][] = [
  ['one by an elliptic curve', inPem(good), undefined],
  ['one by RSA', inPem(requestOf({ key: keys.rsa, algorithm: ALGORITHMS.rsa })), undefined],
  ['one by a small curve', inPem(requestOf({ key: keys.small })), undefined],
  ['one by a curve that Go does not know', inPem(requestOf({ key: keys.foreign })), 'x509: unsupported elliptic curve'],
  ['one by Ed25519', inPem(requestOf({ key: keys.ed25519, algorithm: ALGORITHMS.ed25519 })), undefined],
  ['one with text around it', `Request:\n${inPem(good)}That was it.\n`, undefined],
  ['nothing', '', BLOCK],
  ['no PEM', 'hello', BLOCK],
  ['something else first', pem('CERTIFICATE', good) + inPem(good), BLOCK],
  ['the older name of the block', pem('NEW CERTIFICATE REQUEST', good), BLOCK],
  ['an empty block', inPem(Buffer.alloc(0)), 'asn1: syntax error: sequence truncated'],
  ['a single byte', inPem(Buffer.from([0x30])), 'asn1: syntax error: truncated tag or length'],
  [
    'text',
    inPem(Buffer.from('hello world')),
    `asn1: structure error: tags don't match (16 vs {class:1 tag:8 length:101 isCompound:true}) ${NOTHING} certificateRequest @2`,
  ],
  ['one cut off', inPem(good.subarray(0, -1)), 'asn1: syntax error: data truncated'],
  ['more than one', inPem(Buffer.concat([good, good])), 'asn1: syntax error: trailing data'],
  ['no definite length', inPem(Buffer.from([0x30, 0x80, 0, 0])), 'asn1: syntax error: indefinite length found (not DER)'],
  ['a long form of a short length', inPem(Buffer.from([0x30, 0x81, 1, 0])), 'asn1: structure error: non-minimal length'],
  ['an empty sequence', inPem(sequence()), 'asn1: structure error: malformed certificate request'],
  ['another subject than was signed', inPem(tampered), 'x509: ECDSA verification failure'],
  [
    'a wrong signature by RSA',
    inPem(requestOf({ key: keys.rsa, algorithm: ALGORITHMS.rsa, signature: () => Buffer.alloc(256) })),
    'crypto/rsa: verification error',
  ],
  [
    'a key of another kind',
    inPem(requestOf({ key: keys.ec, algorithm: ALGORITHMS.rsa })),
    'x509: signature algorithm specifies an RSA public key, but have public key of type *ecdsa.PublicKey',
  ],
  [
    'a signature by MD5',
    inPem(requestOf({ algorithm: sequence(objectId('1.2.840.113549.1.1.4'), NULL) })),
    'x509: cannot verify signature: insecure algorithm MD5-RSA',
  ],
  [
    'an algorithm nobody knows',
    inPem(requestOf({ algorithm: sequence(objectId('1.2.3.4')) })),
    'x509: cannot verify signature: algorithm unimplemented',
  ],
  [
    'a key that cannot sign',
    inPem(requestOf({ keyInfo: keys.x25519.publicKey.export({ type: 'spki', format: 'der' }) })),
    'x509: cannot verify signature: algorithm unimplemented',
  ],
]

for (const [what, text, problem] of CASES)
  test(`certificateRequestProblem of ${what}`, () => assert.equal(certificateRequestProblem(text), problem))

test('certificateRequestProblem finds something wrong wherever a byte is changed, and never throws', () => {
  const random = seededRandom(7)
  for (let round = 0; round < 600; round++) {
    const bytes = Buffer.from(good)
    const at = Math.floor(random.float() * bytes.length)
    bytes[at] = (bytes[at]! + 1 + Math.floor(random.float() * 254)) & 0xff
    assert.equal(typeof certificateRequestProblem(inPem(bytes)), 'string', `byte ${at} is ${bytes[at]}`)
  }
})
