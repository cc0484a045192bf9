// The providers of one set of resources, in their order: the first writes, each reads what begins with its prefix. What no prefix claims cannot be read.
import type { Cipher } from './ciphers.ts'

export interface Provider {
  /** e.g. `k8s:enc:aesgcm:v1:key1:`; empty for values in the clear. */
  readonly prefix: string
  readonly cipher: Cipher
}

/** Never empty. */
export type Providers = readonly Provider[]

export interface Opened {
  value: Uint8Array
  /** Who wrote it. */
  provider: Provider
}

const FIRST_OF_ENCRYPTED = 'k'.charCodeAt(0)
const ENCRYPTED = Buffer.from('k8s:enc:')

export function isEncrypted(value: Uint8Array): boolean {
  return value[0] === FIRST_OF_ENCRYPTED && ENCRYPTED.equals(value.subarray(0, ENCRYPTED.length))
}

export async function seal([first]: Providers, key: string, plain: Uint8Array): Promise<Uint8Array> {
  const { prefix, cipher } = first!
  if (prefix === '') return plain
  return Buffer.concat([Buffer.from(prefix), await cipher.encrypt(plain, key)])
}

/** Several faults as one message; there is one at least. */
export function joined(faults: readonly string[]): string {
  return faults.length > 1 ? `[${faults.join(', ')}]` : faults[0]!
}

/** Throws when nobody can read it. */
export async function open(providers: Providers, key: string, stored: Uint8Array): Promise<Opened> {
  const failures: string[] = []
  for (const provider of providers) {
    const prefix = Buffer.from(provider.prefix)
    if (prefix.length === 0 ? isEncrypted(stored) : !prefix.equals(stored.subarray(0, prefix.length))) continue
    try {
      return { value: await provider.cipher.decrypt(stored.subarray(prefix.length), key), provider }
    } catch (error) {
      failures.push((error as Error).message)
    }
  }
  throw new Error(failures.length > 0 ? joined(failures) : 'no matching prefix found')
}
