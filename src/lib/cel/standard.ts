// CEL's standard functions and operators over numbers, text, time, lists and maps. Numbers that leave their range are errors, never wrapped.
import { goFloat } from '#lib/go-text.ts'
import { compare, compareNumbers, equals, isNumber, KEY_WORK, noOverload } from './compare.ts'
import { declare, type Declaration, type Handler, type Run } from './functions.ts'
import {
  Duration,
  Entries,
  Failure,
  Joined,
  ListValue,
  MapValue,
  NONE,
  Optional,
  roughSizeOf,
  sizeOf,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
  typeNameOf,
} from './values.ts'
import { quoted } from './quoted.ts'
import { divide, duration, durationOf, type Part, showDuration, showTimestamp, timestamp, timestampOf, Zones } from './time.ts'

const MAX_UINT = 2n ** 64n - 1n
const NUMERIC = ['int', 'uint', 'double'] as const
const ORDERED = ['bool', 'string', 'bytes', 'timestamp', 'duration'] as const

const traversal = (size: number): number => Math.ceil(size / 10)
/** A string is walked over to count its characters, a map's keys are listed. */
const sizeWork = (value: Value): number =>
  typeof value === 'string' ? value.length >> 4 : value instanceof MapValue ? value.size * KEY_WORK : 0
/** Reading times, addresses and the like out of text. */
const READING = (): number => 30
const ONE = (): number => 1
const costOfTarget = (value: Value): number => traversal(roughSizeOf(value))
const costOfBoth = (left: Value, right: Value): number => traversal(roughSizeOf(left) + roughSizeOf(right))
const costOfEither = (left: Value, right: Value): number => traversal(Math.min(roughSizeOf(left), roughSizeOf(right)))

export function int(value: bigint): Value {
  return BigInt.asIntN(64, value) === value ? value : new Failure('integer overflow')
}
function uint(value: bigint): Value {
  return value > MAX_UINT || value < 0n ? new Failure('unsigned integer overflow') : new Uint(value)
}

type Nanos = Timestamp | Duration
/** Declared for its types; how it runs is the plan's. */
const UNPLANNED: Handler = () => noOverload()

function arithmetic(): Declaration[] {
  const ints = (name: string, act: (a: bigint, b: bigint) => bigint) => [
    declare(`${name}(int, int): int`, (_, a, b) => int(act(a, b))),
    declare(`${name}(uint, uint): uint`, (_, a, b) => uint(act(a.value, b.value))),
  ]
  const dividing = (name: string, zero: string, act: (a: bigint, b: bigint) => bigint) => [
    declare(`${name}(int, int): int`, (_, a, b) => (b === 0n ? new Failure(zero) : int(act(a, b)))),
    declare(`${name}(uint, uint): uint`, (_, a, b) => (b.value === 0n ? new Failure(zero) : uint(act(a.value, b.value)))),
  ]
  return [
    ...ints('_+_', (a, b) => a + b),
    ...ints('_-_', (a, b) => a - b),
    ...ints('_*_', (a, b) => a * b),
    ...dividing('_/_', 'division by zero', (a, b) => a / b),
    ...dividing('_%_', 'modulus by zero', (a, b) => a % b),
    declare('_+_(double, double): double', (_, a, b) => a + b),
    declare('_-_(double, double): double', (_, a, b) => a - b),
    declare('_*_(double, double): double', (_, a, b) => a * b),
    declare('_/_(double, double): double', (_, a, b) => a / b),
    declare('-_(int): int', (_, a: bigint) => int(-a)),
    declare('-_(double): double', (_, a) => -a),
    declare('_+_(string, string): string', (_, a, b) => a + b, costOfBoth),
    declare('_+_(bytes, bytes): bytes', (_, a, b) => Uint8Array.from([...a, ...b]), costOfBoth),
    declare('_+_(list<A>, list<A>): list<A>', (_, a, b) => (a.size === 0 ? b : b.size === 0 ? a : new Joined(a, b))),
    declare('_+_(timestamp, duration): timestamp', (_, a, b) => timestamp(a.nanos + b.nanos)),
    declare('_+_(duration, timestamp): timestamp', (_, a, b) => timestamp(a.nanos + b.nanos)),
    declare('_+_(duration, duration): duration', (_, a, b) => duration(a.nanos + b.nanos)),
    declare('_-_(timestamp, timestamp): duration', (_, a: Nanos, b: Nanos) => duration(a.nanos - b.nanos)),
    declare('_-_(timestamp, duration): timestamp', (_, a: Nanos, b: Nanos) => timestamp(a.nanos - b.nanos)),
    declare('_-_(duration, duration): duration', (_, a: Nanos, b: Nanos) => duration(a.nanos - b.nanos)),
  ]
}

function comparisons(): Declaration[] {
  const orders: [string, (order: number) => boolean][] = [
    ['_<_', (order) => order < 0],
    ['_<=_', (order) => order <= 0],
    ['_>_', (order) => order > 0],
    ['_>=_', (order) => order >= 0],
  ]
  const made: Declaration[] = [
    declare('_==_(A, A): bool', ({ meter }, a, b) => equals(a, b, meter), costOfEither),
    declare('_!=_(A, A): bool', ({ meter }, a, b) => !equals(a, b, meter), costOfEither),
    declare('!_(bool): bool', (_, a) => !a),
    declare('@not_strictly_false(bool): bool', (_, a) => a !== false),
    declare('_&&_(bool, bool): bool', UNPLANNED),
    declare('_||_(bool, bool): bool', UNPLANNED),
    declare('_?_:_(bool, A, A): A', UNPLANNED),
  ]
  for (const [name, test] of orders) {
    const ordered: Handler = (_, a, b) => {
      const order = compare(a, b)
      return typeof order === 'number' ? test(order) : order
    }
    for (const type of ORDERED) {
      const long = type === 'string' || type === 'bytes'
      made.push(declare(`${name}(${type}, ${type}): bool`, ordered, long ? costOfEither : undefined))
    }
    const numbers: Handler = (_, a, b) => test(compareNumbers(a, b))
    for (const left of NUMERIC) for (const right of NUMERIC) made.push(declare(`${name}(${left}, ${right}): bool`, numbers))
  }
  return made
}

const at: Handler = (_, list: ListValue, index) => indexed(list, index)

function indexed(list: ListValue, index: Value): Value {
  if (!isNumber(index)) return noOverload(index)
  const place = Number(index instanceof Uint ? index.value : index)
  if (!Number.isInteger(place)) return new Failure(`unsupported index value ${place} in list`)
  return place >= 0 && place < list.size ? list.at(place) : new Failure(`index out of bounds: ${place}`)
}

const member: Handler = (_, map: MapValue, key) => {
  const found = map.get(key)
  return found === undefined ? new Failure(`no such key: ${showKey(key)}`) : found
}

export function showKey(key: Value): string {
  if (key instanceof Uint) return String(key.value)
  return typeof key === 'object' ? typeNameOf(key) : String(key)
}

function optionally(container: Value, key: Value): Value {
  if (container instanceof Optional) return container.value === undefined ? NONE : optionally(container.value, key)
  if (container instanceof MapValue) {
    const found = container.get(key)
    return found === undefined ? NONE : new Optional(found)
  }
  if (!(container instanceof ListValue)) return noOverload(container)
  const found = indexed(container, key)
  return found instanceof Failure ? NONE : new Optional(found)
}

function isIn(value: Value, list: ListValue, { meter }: Run): boolean {
  for (let index = 0; index < list.size; index++) if (equals(list.at(index), value, meter)) return true
  return false
}

function containers(): Declaration[] {
  return [
    declare('_[_](list<A>, int): A', at),
    declare('_[_](map<A, B>, A): B', member),
    declare('_[_](optional<list<A>>, int): optional<A>', (_, a, b) => optionally(a, b)),
    declare('_[_](optional<map<A, B>>, A): optional<B>', (_, a, b) => optionally(a, b)),
    declare('_[?_](list<A>, int): optional<A>', (_, a, b) => optionally(a, b)),
    declare('_[?_](map<A, B>, A): optional<B>', (_, a, b) => optionally(a, b)),
    declare('_[?_](optional<list<A>>, int): optional<A>', (_, a, b) => optionally(a, b)),
    declare('_[?_](optional<map<A, B>>, A): optional<B>', (_, a, b) => optionally(a, b)),
    declare(
      '@in(A, list<A>): bool',
      (run, value, list) => isIn(value, list, run),
      (_, list: ListValue) => list.size,
    ),
    declare('@in(A, map<A, B>): bool', (_, key, map: MapValue) => map.get(key) !== undefined),
    ...['string', 'bytes', 'list<A>', 'map<A, B>'].flatMap((type) => {
      const size: Handler = (_, value) => BigInt(sizeOf(value))
      return [declare(`size(${type}): int`, size, ONE, sizeWork), declare(`${type}~size(): int`, size, ONE, sizeWork)]
    }),
    declare('optional.of(A): optional<A>', (_, value) => new Optional(value)),
    declare('optional.ofNonZeroValue(A): optional<A>', (_, value) => (isZero(value) ? NONE : new Optional(value))),
    declare('optional.none(): optional<A>', () => NONE),
    declare('optional<A>~hasValue(): bool', (_, optional: Optional) => optional.value !== undefined),
    declare('optional<A>~value(): A', (_, optional: Optional) =>
      optional.value === undefined ? new Failure('optional.none() dereference') : optional.value,
    ),
    declare('optional<A>~or(optional<A>): optional<A>', UNPLANNED),
    declare('optional<A>~orValue(A): A', UNPLANNED),
    declare('cel.@mapInsert(map<A, B>, A, B): map<A, B>', (_, map: Entries, key, value) => inserted(map, [[key, value]])),
    declare('cel.@mapInsert(map<A, B>, map<A, B>): map<A, B>', (_, map: Entries, other: MapValue) =>
      inserted(
        map,
        other.keys().map((key) => [key, other.get(key)!]),
      ),
    ),
  ]
}

/** The map a macro collects into is nobody else's: it grows in place. */
function inserted(map: Entries, entries: [Value, Value][]): Value {
  for (const [key, value] of entries) if (!map.add(key, value)) return new Failure(`insert failed: key ${showKey(key)} already exists`)
  return map
}

function isZero(value: Value): boolean {
  if (value === null || value === false || value === '' || value === 0n || value === 0) return true
  if (value instanceof Uint) return value.value === 0n
  if (value instanceof ListValue || value instanceof MapValue) return value.size === 0
  if (value instanceof Uint8Array) return value.length === 0
  if (value instanceof Duration) return value.nanos === 0n
  return value instanceof Optional && value.value === undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function conversions(): Declaration[] {
  const identities = ['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration'].map((type) =>
    declare(`${type}(${type}): ${type}`, (_, value) => value),
  )
  return [
    ...identities,
    declare('dyn(A): dyn', (_, value) => value),
    declare('type(A): type<A>', (_, value) => new TypeValue(typeNameOf(value))),
    declare('bool(string): bool', (_, text) => booleanOf(text)),
    declare('int(uint): int', (_, { value }) => int(value)),
    declare('int(double): int', (_, value) => (Math.abs(value) < 2 ** 63 ? BigInt(Math.trunc(value)) : new Failure('integer overflow'))),
    declare('int(string): int', (_, text) =>
      /^[-+]?\d{1,19}$/.test(text) ? int(BigInt(text.replace('+', ''))) : cannotParse(text, 'ParseInt'),
    ),
    declare('int(timestamp): int', (_, { nanos }: Timestamp) => divide(nanos, 1_000_000_000n)[0]),
    declare('int(duration): int', (_, { nanos }: Duration) => nanos),
    declare('uint(int): uint', (_, value) => uint(value)),
    declare('uint(double): uint', (_, value) =>
      value >= 0 && value < 2 ** 64 ? uint(BigInt(Math.trunc(value))) : new Failure('unsigned integer overflow'),
    ),
    declare('uint(string): uint', (_, text) => (/^\d{1,20}$/.test(text) ? uint(BigInt(text)) : cannotParse(text, 'ParseUint'))),
    declare('double(int): double', (_, value) => Number(value)),
    declare('double(uint): double', (_, { value }) => Number(value)),
    declare('double(string): double', (_, text) => doubleOf(text)),
    declare('string(bool): string', (_, value) => String(value)),
    declare('string(int): string', (_, value) => String(value)),
    declare('string(uint): string', (_, { value }) => String(value)),
    declare('string(double): string', (_, value) => goFloat(value)),
    declare('string(bytes): string', (_, bytes) => textOf(bytes), costOfTarget),
    declare('string(timestamp): string', (_, value) => showTimestamp(value)),
    declare('string(duration): string', (_, value) => showDuration(value)),
    declare('bytes(string): bytes', (_, text) => new TextEncoder().encode(text), costOfTarget),
    declare('timestamp(string): timestamp', (_, text) => timestampOf(text), ONE, READING),
    declare('timestamp(int): timestamp', (_, seconds) => timestamp(seconds * 1_000_000_000n)),
    declare('duration(string): duration', (_, text) => durationOf(text), ONE, READING),
    declare('duration(int): duration', (_, nanos) => duration(nanos)),
  ]
}

const cannotParse = (text: string, by: string): Failure => new Failure(`strconv.${by}: parsing ${quoted(text)}: invalid syntax`)

function booleanOf(text: string): Value {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false
  return cannotParse(text, 'ParseBool')
}

function doubleOf(text: string): Value {
  if (text.length < 400 && /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text)) return Number(text)
  const named = /^([-+]?)(inf(?:inity)?|nan)$/i.exec(text)
  if (!named) return cannotParse(text, 'ParseFloat')
  return named[2]!.toLowerCase() === 'nan' ? Number.NaN : named[1] === '-' ? -Infinity : Infinity
}

function textOf(bytes: Uint8Array): Value {
  try {
    return utf8.decode(bytes)
  } catch {
    return new Failure('invalid UTF-8 in bytes, cannot convert to string')
  }
}

const PARTS: readonly Part[] = [
  'getFullYear',
  'getMonth',
  'getDate',
  'getDayOfMonth',
  'getDayOfWeek',
  'getDayOfYear',
  'getHours',
  'getMinutes',
  'getSeconds',
]

function times(): Declaration[] {
  const zones = new Zones()
  const milliseconds: Handler = (_, { nanos }: Timestamp) => divide(divide(nanos, 1_000_000n)[0], 1000n)[1]
  const whole =
    (unit: bigint): Handler =>
    (_, { nanos }: Duration) =>
      nanos / unit
  return [
    ...PARTS.flatMap((part) => [
      declare(`timestamp~${part}(): int`, (_, time) => zones.part(time, part, 'UTC')),
      declare(
        `timestamp~${part}(string): int`,
        (_, time, zone) => zones.part(time, part, zone),
        ONE,
        () => 250,
      ),
    ]),
    declare('timestamp~getMilliseconds(): int', milliseconds),
    declare('timestamp~getMilliseconds(string): int', milliseconds),
    declare('duration~getHours(): int', whole(3_600_000_000_000n)),
    declare('duration~getMinutes(): int', whole(60_000_000_000n)),
    declare('duration~getSeconds(): int', whole(1_000_000_000n)),
    declare('duration~getMilliseconds(): int', (_, { nanos }: Duration) => (nanos / 1_000_000n) % 1000n),
  ]
}

function texts(): Declaration[] {
  return [
    declare(
      'string~contains(string): bool',
      (_, text, part) => text.includes(part),
      (text, part) => costOfTarget(text) * costOfTarget(part),
    ),
    declare('string~startsWith(string): bool', (_, text, part) => text.startsWith(part), costOfTarget),
    declare('string~endsWith(string): bool', (_, text, part) => text.endsWith(part), costOfTarget),
  ]
}

export const standardFunctions = (): Declaration[] => [
  ...arithmetic(),
  ...comparisons(),
  ...containers(),
  ...conversions(),
  ...times(),
  ...texts(),
]
