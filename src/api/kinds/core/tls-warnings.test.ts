import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { test } from 'node:test'
import { tlsWarnings } from './tls-warnings.ts'

const der = (tag: number, ...content: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(content)
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const time = (text: string) => der(0x17, Buffer.from(text))
const ED25519 = der(0x30, Buffer.from('06032b6570', 'hex'))

/** The least a certificate can be. */
function certificateOf({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }): string {
  const name = der(0x30, der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('x')))))
  const validity = der(0x30, time('260101000000Z'), time('270101000000Z'))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const body = der(0x30, Buffer.from('020101', 'hex'), ED25519, name, validity, name, spki)
  const certificate = der(0x30, body, ED25519, der(0x03, Buffer.from([0]), sign(null, body, privateKey)))
  return `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----\n`
}

const [one, other] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')]
const certificate = certificateOf(one)
const keyOf = ({ privateKey }: { privateKey: KeyObject }) => privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const dhparam = '-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n'

for (const [what, crt, key, warning] of [
  ['a pair', certificate, keyOf(one), undefined],
  ['what stands beside a pair', dhparam + certificate, dhparam + keyOf(one), undefined],
  ['a key of another', certificate, keyOf(other), 'tls: private key does not match public key'],
  ['blocks that begin and never end', '-----BEGIN A-----\n'.repeat(50_000) + certificate, keyOf(one), undefined],
  ['no certificate', 'x', keyOf(one), 'tls: failed to find any PEM data in certificate input'],
  ['no key', certificate, '', 'tls: failed to find any PEM data in key input'],
  [
    'a pair the wrong way round',
    keyOf(one),
    certificate,
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
  ],
  ['a certificate for a key', certificate, certificate, 'tls: found a certificate rather than a key in the PEM for the private key'],
  [
    'other blocks for a key',
    certificate,
    dhparam,
    'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [DH PARAMETERS]',
  ],
] as const)
  test(`tlsWarnings of ${what}`, () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    assert.deepEqual(tlsWarnings({ 'tls.crt': base64(crt), 'tls.key': base64(key) }), warning ? [warning] : [])
  })
