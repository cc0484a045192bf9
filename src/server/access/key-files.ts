// Keys of service-account tokens from files in PEM, as upstream's flags name them: one that signs, and any number that are believed.
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { ConfigurationError } from '#api/configuration-file.ts'
import { pemBlocks } from '#lib/pem.ts'
import { algorithmOf, type SigningKey } from './web-token.ts'

const PUBLIC = ['PUBLIC KEY', 'RSA PUBLIC KEY', 'CERTIFICATE']

/** Throws ConfigurationError. */
export function parseSigningKey(pem: string): SigningKey {
  for (const { type, content } of pemBlocks(pem)) {
    if (!type.endsWith('PRIVATE KEY')) continue
    const privateKey = attempt(() => createPrivateKey(framed(type, content)))
    const publicKey = privateKey && createPublicKey(privateKey)
    if (publicKey && algorithmOf(publicKey)) return { privateKey, publicKey }
  }
  throw new ConfigurationError('data does not contain a valid RSA or ECDSA private key')
}

/** All that are in the text, private ones by their public half. Throws ConfigurationError when there is none. */
export function parsePublicKeys(pem: string): KeyObject[] {
  const keys: KeyObject[] = []
  for (const { type, content } of pemBlocks(pem)) {
    const text = framed(type, content)
    const key = type.endsWith('PRIVATE KEY') || PUBLIC.includes(type) ? attempt(() => createPublicKey(text)) : undefined
    if (key && algorithmOf(key)) keys.push(key)
  }
  if (keys.length === 0) throw new ConfigurationError('data does not contain any valid RSA or ECDSA public keys')
  return keys
}

/** Blocks that are no keys are passed over. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

const framed = (type: string, content: Buffer): string => `-----BEGIN ${type}-----\n${content.toString('base64')}\n-----END ${type}-----\n`
