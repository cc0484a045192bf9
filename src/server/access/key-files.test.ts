import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parsePublicKeys, parseSigningKey } from './key-files.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const other = generateKeyPairSync('ed25519')
const pem = {
  rsaPrivate: rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  rsaPublic: rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  ecPrivate: ec.privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
  ecPublic: ec.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  other: other.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
}
const BROKEN = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'

test('parsePublicKeys takes every key there is, private ones by their public half', () => {
  const keys = parsePublicKeys(`text\n${pem.rsaPublic}${BROKEN}${pem.ecPrivate}${pem.other}`)
  assert.deepEqual(
    keys.map((key) => [key.type, key.equals(rsa.publicKey), key.equals(ec.publicKey)]),
    [
      ['public', true, false],
      ['public', false, true],
    ],
  )
})

test('parseSigningKey takes the first private key that can sign tokens', () => {
  const { privateKey, publicKey } = parseSigningKey(`${pem.ecPublic}${BROKEN}${pem.other}${pem.rsaPrivate}${pem.ecPrivate}`)
  assert.deepEqual([privateKey.equals(rsa.privateKey), publicKey.equals(rsa.publicKey)], [true, true])
})

for (const text of ['', 'nothing', BROKEN, pem.other])
  test(`key files with no key for tokens in ${JSON.stringify(text.slice(0, 40))} are refused`, () => {
    const name = 'ConfigurationError'
    assert.throws(() => parseSigningKey(text), { name, message: 'data does not contain a valid RSA or ECDSA private key' })
    assert.throws(() => parsePublicKeys(text), { name, message: 'data does not contain any valid RSA or ECDSA public keys' })
  })
