// A short stable name for a pod template: FNV-1a of its canonical JSON, spelled in the alphabet of generated names.
import { byKey } from '#lib/order.ts'
import { SUFFIX_ALPHABET } from '#lib/random.ts'

/** Differs for every `collisionCount`, so that a clash can be stepped around. */
export function templateHash(template: unknown, collisionCount?: number): string {
  return safeEncode(String(fnv32a(canonical(template) + (collisionCount ? `#${collisionCount}` : ''))))
}

function fnv32a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

function safeEncode(text: string): string {
  return [...text].map((letter) => SUFFIX_ALPHABET[letter.charCodeAt(0) % SUFFIX_ALPHABET.length]).join('')
}

/** JSON with sorted keys and without what is absent. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, child]) => child !== undefined && child !== null)
  return `{${entries
    .sort(byKey)
    .map(([key, child]) => `${JSON.stringify(key)}:${canonical(child)}`)
    .join(',')}}`
}
