// The ciphers values are kept with, in upstream's stored forms: nonce and tag lie where Kubernetes looks for them, and the key in the store is
// authenticated where the cipher can, so that no value can be passed off as another's. Knows nothing of configuration or prefixes.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Random } from '#lib/random.ts'

export interface Cipher {
  /** `context` is the value's key in the store. */
  encrypt(plain: Uint8Array, context: string): Uint8Array | Promise<Uint8Array>
  /** Throws when the value is not what was encrypted. */
  decrypt(sealed: Uint8Array, context: string): Uint8Array | Promise<Uint8Array>
  /** Where keys change behind one provider: which one values are encrypted with now, and which one this was. */
  currentKey?(): string
  keyOf?(sealed: Uint8Array): string
}

const NONCE_BYTES = 12
const TAG_BYTES = 16
const BLOCK_BYTES = 16
const BOX_NONCE_BYTES = 24

/** Nonce, ciphertext, tag. */
export function aesGcm(key: Uint8Array, random: Random): Cipher {
  const algorithm = `aes-${key.length * 8}-gcm` as 'aes-256-gcm'
  return {
    encrypt(plain, context) {
      const nonce = random.bytes(NONCE_BYTES)
      const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(context))
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },
    decrypt(sealed, context) {
      if (sealed.length < NONCE_BYTES + TAG_BYTES) throw tooShort()
      const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(-TAG_BYTES))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
      } catch {
        throw new Error('cipher: message authentication failed')
      }
    },
  }
}

/** Initial vector, ciphertext padded to whole blocks. Not authenticated: kept for what other clusters wrote. */
export function aesCbc(key: Uint8Array, random: Random): Cipher {
  const algorithm = `aes-${key.length * 8}-cbc`
  return {
    encrypt(plain) {
      const vector = random.bytes(BLOCK_BYTES)
      const cipher = createCipheriv(algorithm, key, vector)
      return Buffer.concat([vector, cipher.update(plain), cipher.final()])
    },
    decrypt(sealed) {
      if (sealed.length < 2 * BLOCK_BYTES) throw tooShort()
      if (sealed.length % BLOCK_BYTES !== 0) throw new Error('the stored data is not a multiple of the block size')
      const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, BLOCK_BYTES))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(BLOCK_BYTES)), decipher.final()])
      } catch {
        throw new Error('invalid PKCS7 data (incorrect padding)')
      }
    },
  }
}

/** Nonce, then NaCl's secretbox. Its library is read when a configuration first asks for it. */
export async function secretBox(key: Uint8Array, random: Random): Promise<Cipher> {
  const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js')
  return {
    encrypt(plain) {
      const nonce = random.bytes(BOX_NONCE_BYTES)
      return Buffer.concat([nonce, xsalsa20poly1305(key, nonce).encrypt(plain)])
    },
    decrypt(sealed) {
      if (sealed.length < BOX_NONCE_BYTES + TAG_BYTES) throw tooShort()
      try {
        return Buffer.from(xsalsa20poly1305(key, sealed.subarray(0, BOX_NONCE_BYTES)).decrypt(sealed.subarray(BOX_NONCE_BYTES)))
      } catch {
        throw new Error('the value does not belong to this key')
      }
    },
  }
}

/** In the clear. */
export const identity: Cipher = { encrypt: (plain) => plain, decrypt: (plain) => plain }

function tooShort(): Error {
  return new Error('the stored data was shorter than the required size')
}
