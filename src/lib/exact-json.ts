// JSON whose whole numbers keep their digits: those that no double tells from their neighbours become BigInts, as far as 64 bits go; all others are
// the numbers JSON.parse makes. Written by JSON.stringify, once `writeBigIntegers` was called.

/** What may be such a number, outside or inside a string. */
const LONG = /(?:^|[:,[\s])-?\d{16}/
const NUMBER = /[-+.eE\d]{16,}/g
const WHOLE = /^-?[1-9]\d{15,18}$/
/** Text no JSON string of a body begins with, as a rule: numbers stand in strings for a moment. */
const MARKS = ['\\u0001', '\\u0002', '\\u0003', '\\u0004']

/** As JSON.parse, which does it all where no number is long. Throws SyntaxError. */
export function parseExactly(text: string): unknown {
  if (!LONG.test(text)) return JSON.parse(text)
  const mark = MARKS.find((one) => !text.includes(one))
  if (mark === undefined) return JSON.parse(text, exactNumber)
  const marked = withMarks(text, mark)
  if (marked === text) return JSON.parse(text)
  try {
    return unmarked(JSON.parse(marked), mark)
  } catch {
    // In the words for the text as it is.
    return JSON.parse(text)
  }
}

/** Whether so many digits follow one another somewhere that a number among them may be long: by a look at one byte in sixteen. */
export function mayHoldLongNumber(bytes: Uint8Array): boolean {
  for (let at = RUN - 1; at < bytes.length; at += RUN) {
    if (!isDigit(bytes[at])) continue
    let first = at
    while (isDigit(bytes[first - 1])) first--
    let last = at
    while (last - first < RUN && isDigit(bytes[last + 1])) last++
    if (last - first >= RUN - 1) return true
  }
  return false
}

const RUN = 16
const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39

/** Lets JSON.stringify write BigInts as numbers, in all of this process: there is no way to tell it so of one value. */
export function writeBigIntegers(): void {
  if ('toJSON' in BigInt.prototype) return
  // eslint-disable-next-line no-extend-native -- the language has no other way
  Object.defineProperty(BigInt.prototype, 'toJSON', {
    value(this: bigint) {
      return rawJson(this.toString())
    },
    writable: true,
    configurable: true,
  })
}

/** The number these digits are; undefined where a double holds it, or 64 bits do not. */
export function longInteger(digits: string): bigint | undefined {
  if (Number.isSafeInteger(Number(digits))) return undefined
  const value = BigInt(digits)
  return BigInt.asIntN(64, value) === value ? value : undefined
}

function exactNumber(_key: string, value: unknown, { source = '' }: { source?: string } = {}): unknown {
  return typeof value === 'number' && isLong(source) ? BigInt(source) : value
}

const isLong = (number: string): boolean => WHOLE.test(number) && longInteger(number) !== undefined

/** Long numbers become strings with a mark in front. What is in strings already stays. */
function withMarks(text: string, mark: string): string {
  let out = ''
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at)
    const end = quote < 0 ? text.length : quote
    const between = text.slice(at, end)
    out += end - at < 16 ? between : between.replace(NUMBER, (number) => (isLong(number) ? `"${mark}${number}"` : number))
    if (quote < 0) break
    at = endOfString(text, quote)
    out += text.slice(quote, at)
  }
  return out
}

/** Behind the quote that closes the string of a well-formed text. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    if (quote < 0) return text.length
    let before = quote - 1
    while (text.charCodeAt(before) === 0x5c) before--
    if ((quote - before) % 2 === 1) return quote + 1
  }
}

function unmarked(value: unknown, mark: string): unknown {
  const first = JSON.parse(`"${mark}"`) as string
  const walk = (one: unknown): unknown => {
    if (typeof one === 'string') return one.startsWith(first) ? BigInt(one.slice(1)) : one
    if (typeof one !== 'object' || one === null) return one
    const members = one as Record<string, unknown>
    // The members are the object's own, so even `__proto__` is a plain one here.
    for (const key in members) {
      const member = members[key]
      if (typeof member === 'object' || typeof member === 'string') {
        const exact = walk(member)
        if (exact !== member) members[key] = exact
      }
    }
    return one
  }
  return walk(value)
}

/** JSON.rawJSON, which the types do not know yet: what JSON.stringify writes as it is. */
export const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)
