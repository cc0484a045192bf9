// The extension library of strings, version 2. Positions count code points.
import { GO_ESCAPES, goFloat } from '#lib/go-text.ts'
import { costOfText, declare, type Declaration } from './functions.ts'
import { showDuration, showTimestamp } from './time.ts'
import {
  Duration,
  Failure,
  Items,
  ListValue,
  MapValue,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
  roughSizeOf,
  typeNameOf,
} from './values.ts'

const twice = (text: string): number => Math.ceil(text.length / 5)
/** Every character by itself. */
const pieces = (text: string, by: string): number => (by === '' ? text.length * 3 : text.length)
const ASCII = /^[\0-\x7f]*$/

/** Code points, where the text needs telling them apart; else the text itself. */
const points = (text: string): string | string[] => (ASCII.test(text) ? text : Array.from(text))
const joined = (part: string | string[]): string => (typeof part === 'string' ? part : part.join(''))

function charAt(text: string, index: bigint): Value {
  const all = points(text)
  if (index < 0n || index > BigInt(all.length)) return outOfRange(index)
  return all[Number(index)] ?? ''
}

const outOfRange = (index: bigint): Failure => new Failure(`index out of range: ${index}`)

function substring(text: string, from: bigint, to?: bigint): Value {
  const all = points(text)
  const size = BigInt(all.length)
  const end = to ?? size
  if (to !== undefined && from > end) return new Failure(`invalid substring range. start: ${from}, end: ${end}`)
  if (from < 0n || from > size) return outOfRange(from)
  if (end < 0n || end > size) return outOfRange(end)
  return joined(all.slice(Number(from), Number(end)))
}

function indexOf(text: string, part: string, from = 0n): Value {
  const all = points(text)
  if (from < 0n || from > BigInt(all.length)) return part === '' && from === 0n ? 0n : outOfRange(from)
  if (typeof all === 'string') return BigInt(all.indexOf(part, Number(from)))
  const skipped = all.slice(0, Number(from)).join('').length
  const found = text.indexOf(part, skipped)
  return found < 0 ? -1n : BigInt(Array.from(text.slice(0, found)).length)
}

function lastIndexOf(text: string, part: string, from?: bigint): Value {
  const all = points(text)
  if (from !== undefined && (from < 0n || from > BigInt(all.length))) return outOfRange(from)
  const place = from === undefined ? Infinity : joined(all.slice(0, Number(from))).length
  const found = text.lastIndexOf(part, place)
  return found < 0 ? -1n : BigInt(typeof all === 'string' ? found : Array.from(text.slice(0, found)).length)
}

function split(text: string, by: string, limit = -1n): Value {
  if (limit === 0n) return new Items([])
  if (limit === 1n) return new Items([text])
  const parts = by === '' ? Array.from(text) : text.split(by)
  if (limit < 0n || BigInt(parts.length) <= limit) return new Items(parts)
  const kept = Number(limit) - 1
  return new Items([...parts.slice(0, kept), parts.slice(kept).join(by)])
}

/** Into empty text, a replacement goes between all characters. */
function replace(text: string, from: string, options: { to: string; limit?: bigint }): string {
  const { to, limit = -1n } = options
  if (limit === 0n) return text
  const most = limit < 0n ? Infinity : Number(limit)
  if (from === '') {
    const all = Array.from(text)
    const made = all.map((point, at) => (at < most ? to + point : point)).join('')
    return all.length < most ? made + to : made
  }
  const parts = text.split(from)
  if (parts.length - 1 <= most) return parts.join(to)
  return [...parts.slice(0, most), parts.slice(most).join(from)].join(to)
}

const replaceWork = (text: string, from: string, to: string): number =>
  pieces(text, from) + Math.ceil(((text.length / Math.max(1, from.length) + 1) * to.length) / 10)

function join(list: ListValue, separator: string): Value {
  const parts: string[] = []
  for (let at = 0; at < list.size; at++) {
    const part = list.at(at)
    if (typeof part !== 'string') return new Failure(`no such overload: join`)
    parts.push(part)
  }
  return parts.join(separator)
}

/** By what it makes. */
function joinCost(list: ListValue, separator = ''): number {
  let length = Math.max(0, list.size - 1) * separator.length
  for (let at = 0; at < list.size && length < 1e8; at++) length += roughSizeOf(list.at(at))
  return Math.ceil(length / 5)
}

const joinWork = (list: ListValue): number => list.size * 2

/** The text in quotes, safe to print. */
function quote(text: string): string {
  return `"${Array.from(text.toWellFormed(), (point) => GO_ESCAPES[point] ?? point).join('')}"`
}

const VERB = /%(?:%|(\.\d+)?([sdfeboxX])|(.?))/gsu

function format(text: string, args: ListValue): Value {
  let next = 0
  let failure: Failure | undefined
  const made = text.replace(VERB, (whole, precision: string | undefined, verb: string | undefined, wrong: string | undefined) => {
    if (whole === '%%') return '%'
    if (verb === undefined) failure ??= new Failure(`could not parse formatting clause: unrecognized formatting clause "${wrong ?? ''}"`)
    else if (next >= args.size) failure ??= new Failure(`index ${next} out of range`)
    if (failure) return ''
    const shown = formatted(args.at(next++), verb!, precision === undefined ? undefined : Math.min(Number(precision.slice(1)), 100))
    if (shown instanceof Failure) failure = shown
    return shown instanceof Failure ? '' : shown
  })
  if (failure) return failure
  return made
}

function formatted(value: Value, verb: string, precision: number | undefined): string | Failure {
  const number = value instanceof Uint ? value.value : value
  const wrong = (kinds: string) =>
    new Failure(`error during formatting: ${kinds} clause can only be used on ${KINDS[verb]}, was given ${typeNameOf(value)}`)
  switch (verb) {
    case 's':
      return shown(value, 0)
    case 'd':
      return typeof number === 'bigint' || typeof number === 'number' ? String(number) : wrong('decimal')
    case 'f':
      return typeof number === 'bigint' || typeof number === 'number' ? fixed(Number(number), precision ?? 6) : wrong('fixed-point')
    case 'e':
      return typeof number === 'bigint' || typeof number === 'number'
        ? Number(number)
            .toExponential(precision ?? 6)
            .replace(/e([+-])(\d)$/, 'e$10$2')
        : wrong('scientific')
    case 'b':
      return typeof number === 'bigint' ? number.toString(2) : typeof value === 'boolean' ? String(Number(value)) : wrong('binary')
    case 'o':
      return typeof number === 'bigint' ? number.toString(8) : wrong('octal')
    default: {
      const hex =
        typeof number === 'bigint'
          ? number.toString(16)
          : typeof value === 'string'
            ? hexOf(new TextEncoder().encode(value))
            : value instanceof Uint8Array
              ? hexOf(value)
              : undefined
      if (hex === undefined) return wrong('hex')
      return verb === 'X' ? hex.toUpperCase() : hex
    }
  }
}

function fixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return goFloat(value)
  const up = value.toFixed(digits)
  // What is as near to both goes to the even one, where toFixed goes away from zero.
  const exact = value.toFixed(Math.min(100, digits + 25))
  const point = exact.indexOf('.')
  const end = point < 0 ? exact.length : point + 1 + digits
  const down = exact.slice(0, digits === 0 ? point : end)
  return point >= 0 && /^50*$/.test(exact.slice(end)) && '02468'.includes(down.at(-1)!) ? down : up
}

const KINDS: Readonly<Record<string, string>> = {
  d: 'integers',
  f: 'doubles',
  e: 'doubles',
  b: 'integers and bools',
  o: 'integers',
  x: 'integers, byte buffers, and strings',
  X: 'integers, byte buffers, and strings',
}

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

function shown(value: Value, depth: number): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return goFloat(value)
  if (value instanceof Uint) return String(value.value)
  if (value instanceof Timestamp) return showTimestamp(value)
  if (value instanceof Duration) return showDuration(value)
  if (value instanceof Uint8Array) return new TextDecoder().decode(value)
  if (value instanceof TypeValue) return value.name
  if (depth > 20) return '...'
  if (value instanceof ListValue)
    return `[${Array.from({ length: Math.min(value.size, 10_000) }, (_, at) => shown(value.at(at), depth + 1)).join(', ')}]`
  if (value instanceof MapValue)
    return `{${value
      .keys()
      .map((key) => `${shown(key, depth + 1)}: ${shown(value.get(key)!, depth + 1)}`)
      .toSorted()
      .join(', ')}}`
  if (value instanceof Optional) return value.value === undefined ? 'optional.none()' : `optional(${shown(value.value, depth + 1)})`
  return typeof value === 'object' && value !== null ? typeNameOf(value) : String(value)
}

/** Everything that may be printed, however deep. */
function printCost(value: Value, depth = 0): number {
  if (typeof value === 'string') return value.length
  if (value instanceof ListValue) {
    let cost = 1
    for (let at = 0; at < value.size && cost < 1e7; at++) cost += 1 + (depth < 20 ? printCost(value.at(at), depth + 1) : 0)
    return cost
  }
  if (value instanceof MapValue)
    return value.keys().reduce<number>((sum, key) => sum + 2 + (depth < 20 ? printCost(value.get(key)!, depth + 1) : 0), 1)
  return value instanceof Uint8Array ? value.length : 8
}

export const stringFunctions = (): Declaration[] => [
  declare('string~charAt(int): string', (_, text, index) => charAt(text, index), costOfText),
  declare('string~indexOf(string): int', (_, text, part) => indexOf(text, part), costOfText),
  declare('string~indexOf(string, int): int', (_, text, part, from) => indexOf(text, part, from), costOfText),
  declare('string~lastIndexOf(string): int', (_, text, part) => lastIndexOf(text, part), costOfText),
  declare('string~lastIndexOf(string, int): int', (_, text, part, from) => lastIndexOf(text, part, from), costOfText),
  declare('string~lowerAscii(): string', (_, text) => text.replace(/[A-Z]+/g, (part: string) => part.toLowerCase()), costOfText),
  declare('string~upperAscii(): string', (_, text) => text.replace(/[a-z]+/g, (part: string) => part.toUpperCase()), costOfText),
  declare('string~replace(string, string): string', (_, text, from, to) => replace(text, from, { to }), twice, replaceWork),
  declare(
    'string~replace(string, string, int): string',
    (_, text, from, to, limit) => replace(text, from, { to, limit }),
    twice,
    replaceWork,
  ),
  declare('string~split(string): list<string>', (_, text, by) => split(text, by), twice, pieces),
  declare('string~split(string, int): list<string>', (_, text, by, limit) => split(text, by, limit), twice, pieces),
  declare('string~substring(int): string', (_, text, from) => substring(text, from), costOfText),
  declare('string~substring(int, int): string', (_, text, from, to) => substring(text, from, to), costOfText),
  declare('string~trim(): string', (_, text) => text.trim(), costOfText),
  declare('list<string>~join(): string', (_, list) => join(list, ''), joinCost, joinWork),
  declare('list<string>~join(string): string', (_, list, separator) => join(list, separator), joinCost, joinWork),
  declare('strings.quote(string): string', (_, text) => quote(text), costOfText),
  declare(
    'string~format(list<dyn>): string',
    (_, text, args) => format(text, args),
    (text: string, args: ListValue) => Math.ceil((text.length + printCost(args)) / 10),
    () => 30,
  ),
]
