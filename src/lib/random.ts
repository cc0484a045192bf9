// Randomness as a value. Simulations pass a seeded source; the running system passes the operating system's.
import { randomBytes, randomUUID } from 'node:crypto'

export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  /** Random v4 UUID. */
  uuid(): string
  bytes(length: number): Buffer
}

export const systemRandom: Random = {
  float: () => Math.random(),
  uuid: () => randomUUID(),
  bytes: (length) => randomBytes(length),
}

/** A repeatable source (mulberry32): the same seed gives the same sequence. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => Math.floor(float() * 256)))
  return {
    float,
    bytes,
    uuid() {
      let text = ''
      for (let at = 0; at < 16; at++) {
        const byte = Math.floor(float() * 256)
        if (at === 4 || at === 6 || at === 8 || at === 10) text += '-'
        text += TWO_DIGITS[at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte]
      }
      return text
    },
  }
}

const TWO_DIGITS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Of generated names: no vowels, no look-alikes. */
export const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'

export function randomSuffix(random: Random, length = 5): string {
  let suffix = ''
  for (let i = 0; i < length; i++) suffix += SUFFIX_ALPHABET[Math.floor(random.float() * SUFFIX_ALPHABET.length)]
  return suffix
}
