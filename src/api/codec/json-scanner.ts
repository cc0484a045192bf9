// Reads JSON text byte by byte, for what JSON.parse cannot tell: which keys occur twice, where unknown fields stand in document order, and
// what is wrong with malformed text in the words Go's decoder uses. Builds no values. The slow path: bodies without fault never come here.
import { MAX_DEPTH } from '#api/schema/decode.ts'
import type { Plan } from '#api/schema/plan.ts'

export class JsonSyntaxError extends Error {
  override name = 'JsonSyntaxError'
}

const MAX_ERRORS = 100
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** What a glance at a well-formed text tells. */
export interface Survey {
  /** How many keys all objects have together. */
  keys: number
  /** Whether a number may be spelled as no small integer is: `1.0`, `1e3`, sixteen digits. */
  oddNumerals: boolean
}

export function surveyJson(bytes: Uint8Array): Survey {
  let keys = 0
  let oddNumerals = false
  const end = bytes.length
  for (let at = 0; at < end; at++) {
    const byte = bytes[at]
    if (byte === 0x3a) keys++
    else if (byte === QUOTE) {
      at++
      for (let inside = bytes[at]; inside !== QUOTE && at < end; inside = bytes[at]) at += inside === BACKSLASH ? 2 : 1
    } else if (byte === 0x2e || byte === 0x45 || (byte === 0x65 && isDigit(bytes[at - 1])) || (isDigit(byte) && isDigit(bytes[at + 15]))) {
      oddNumerals = true
    }
  }
  return { keys, oddNumerals }
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39

/** How many keys all objects of a well-formed text have together. */
export function countKeys(bytes: Uint8Array): number {
  return surveyJson(bytes).keys
}

/**
 * Texts such as `unknown field "spec.foo"` and `duplicate field "spec.bar"`, each once, in the order of the document, at most 100.
 * Without a plan every object is free of form: only duplicates are told. Throws JsonSyntaxError.
 */
export function strictErrors(bytes: Uint8Array, plan?: Plan): string[] {
  const scanner = new Scanner(bytes)
  scanner.document(plan)
  return [...scanner.errors]
}

/** What is wrong with a text that JSON.parse refuses, or undefined if nothing is. */
export function syntaxErrorOf(bytes: Uint8Array): string | undefined {
  try {
    new Scanner(bytes).document(undefined)
    return undefined
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error.message
    throw error
  }
}

/** Where inside a document the scan is: `undefined` plans are free of form, `null` ones are upstream's own business and not looked into. */
type Place = Plan | undefined | null

class Scanner {
  readonly errors = new Set<string>()
  readonly #bytes: Uint8Array
  #at = 0
  #depth = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  document(plan: Place): void {
    this.#space()
    this.#value(plan, '')
    this.#space()
    if (this.#at < this.#bytes.length) this.#unexpected('after top-level value')
  }

  #value(place: Place, path: string): void {
    const byte = this.#bytes[this.#at]
    if (byte === 0x7b) return this.#object(place, path)
    if (byte === 0x5b) return this.#array(place, path)
    if (byte === QUOTE) return void this.#string()
    if (byte === 0x2d || (byte !== undefined && byte >= 0x30 && byte <= 0x39)) return this.#number()
    if (byte === 0x74) return this.#literal('true')
    if (byte === 0x66) return this.#literal('false')
    if (byte === 0x6e) return this.#literal('null')
    this.#unexpected('looking for beginning of value')
  }

  #object(place: Place, path: string): void {
    this.#enter()
    const fields = place?.shape === 'struct' ? place.fields : undefined
    const seen = new Set<string>()
    for (let first = true; ; first = false) {
      this.#space()
      if (first && this.#bytes[this.#at] === 0x7d) break
      if (this.#bytes[this.#at] !== QUOTE) this.#unexpected('looking for beginning of object key string')
      const key = this.#string()
      const field = fields?.get(key)
      const unknown = fields !== undefined && field === undefined && !place!.open
      const at = path === '' ? key : `${path}.${key}`
      if (unknown) this.#report(`unknown field ${JSON.stringify(at)}`)
      else if (place !== null && seen.has(key)) this.#report(`duplicate field ${JSON.stringify(at)}`)
      seen.add(key)
      this.#space()
      if (this.#bytes[this.#at] !== 0x3a) this.#unexpected('after object key')
      this.#at++
      this.#space()
      this.#value(placeOf(place, field), at)
      this.#space()
      if (this.#bytes[this.#at] === 0x7d) break
      if (this.#bytes[this.#at] !== 0x2c) this.#unexpected('after object key:value pair')
      this.#at++
    }
    this.#leave()
  }

  #array(place: Place, path: string): void {
    this.#enter()
    const items = place === undefined ? undefined : place?.shape === 'list' ? looked(place.items) : null
    this.#space()
    if (this.#bytes[this.#at] === 0x5d) return this.#leave()
    for (let index = 0; ; index++) {
      this.#space()
      this.#value(items, `${path}[${index}]`)
      this.#space()
      if (this.#bytes[this.#at] === 0x5d) return this.#leave()
      if (this.#bytes[this.#at] !== 0x2c) this.#unexpected('after array element')
      this.#at++
    }
  }

  #string(): string {
    const start = this.#at++
    for (let escaped = false; ; ) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined || byte < 0x20) this.#unexpected('in string literal')
      this.#at++
      if (byte === QUOTE) {
        const text = utf8(this.#bytes.subarray(start, this.#at))
        return escaped ? (JSON.parse(text) as string) : text.slice(1, -1)
      }
      if (byte !== BACKSLASH) continue
      escaped = true
      const code = this.#bytes[this.#at]
      if (code === 0x75) this.#hexadecimal()
      else if (code === undefined || !'"\\/bfnrt'.includes(String.fromCharCode(code))) this.#unexpected('in string escape code')
      else this.#at++
    }
  }

  #hexadecimal(): void {
    this.#at++
    for (let digit = 0; digit < 4; digit++, this.#at++) {
      if (!/[0-9a-fA-F]/.test(String.fromCharCode(this.#bytes[this.#at] ?? 0))) this.#unexpected('in \\u hexadecimal character escape')
    }
  }

  #number(): void {
    if (this.#bytes[this.#at] === 0x2d) this.#at++
    if (this.#bytes[this.#at] === 0x30) this.#at++
    else this.#digits('in numeric literal')
    if (this.#bytes[this.#at] === 0x2e) {
      this.#at++
      this.#digits('after decimal point in numeric literal')
    }
    if (this.#bytes[this.#at] === 0x65 || this.#bytes[this.#at] === 0x45) {
      this.#at++
      if (this.#bytes[this.#at] === 0x2b || this.#bytes[this.#at] === 0x2d) this.#at++
      this.#digits('in exponent of numeric literal')
    }
  }

  #digits(context: string): void {
    const start = this.#at
    for (let byte = this.#bytes[this.#at]; byte !== undefined && byte >= 0x30 && byte <= 0x39; byte = this.#bytes[this.#at]) this.#at++
    if (this.#at === start) this.#unexpected(context)
  }

  #literal(text: string): void {
    for (let index = 0; index < text.length; index++, this.#at++) {
      if (this.#bytes[this.#at] !== text.charCodeAt(index)) this.#unexpected(`in literal ${text} (expecting '${text[index]}')`)
    }
  }

  #space(): void {
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.#at++
    }
  }

  #enter(): void {
    this.#at++
    if (++this.#depth > MAX_DEPTH) throw new JsonSyntaxError('exceeded max depth')
  }

  #leave(): void {
    this.#at++
    this.#depth--
  }

  #report(text: string): void {
    if (this.errors.size < MAX_ERRORS) this.errors.add(text)
  }

  #unexpected(context: string): never {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new JsonSyntaxError('unexpected end of JSON input')
    throw new JsonSyntaxError(`invalid character ${quoteByte(byte)} ${context}`)
  }
}

/** Types with a decoder of their own are not looked into. */
function looked(plan: Plan | undefined): Place {
  return plan === undefined ? null : OPAQUE.has(plan.shape) ? null : plan
}
const OPAQUE = new Set(['any', 'schema-or-bool', 'schema-or-array', 'schema-or-strings'])

function placeOf(place: Place, field: Plan | undefined): Place {
  if (place === undefined || place === null) return place
  return place.shape === 'map' ? looked(place.items) : looked(field)
}

function quoteByte(byte: number): string {
  if (byte === 0x27) return `'\\''`
  if (byte === QUOTE) return `'"'`
  const named: Record<number, string> = { 7: '\\a', 8: '\\b', 9: '\\t', 10: '\\n', 11: '\\v', 12: '\\f', 13: '\\r', [BACKSLASH]: '\\\\' }
  if (named[byte]) return `'${named[byte]}'`
  if (byte < 0x20 || byte === 0x7f) return `'\\x${byte.toString(16).padStart(2, '0')}'`
  if (byte >= 0x80 && (byte < 0xa0 || byte === 0xad)) return `'\\u${byte.toString(16).padStart(4, '0')}'`
  return `'${String.fromCharCode(byte)}'`
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
