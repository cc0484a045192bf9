// What expressions compute with. An int is a bigint, a double a number; JSON is looked at through its declared type, one member at a time, and never copied.
import { DYN, type Type } from './types.ts'

export type Value =
  | boolean
  | bigint
  | number
  | string
  | null
  | Uint
  | Uint8Array
  | Timestamp
  | Duration
  | ListValue
  | MapValue
  | Optional
  | TypeValue
  | Foreign
  | Failure

/** What went wrong is a value too: `||` and `&&` may get along without it. */
export class Failure {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

export class Uint {
  readonly value: bigint

  constructor(value: bigint) {
    this.value = value
  }
}

/** Nanoseconds since 1970. */
export class Timestamp {
  readonly nanos: bigint

  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class Duration {
  readonly nanos: bigint

  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

/** What `type(x)` says. */
export class TypeValue {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

export class Optional {
  readonly value: Value | undefined

  constructor(value: Value | undefined) {
    this.value = value
  }
}

export const NONE = new Optional(undefined)

/** Values of libraries: quantities, addresses, authorizers. */
export abstract class Foreign {
  abstract readonly typeName: string
  equals(other: Foreign): boolean {
    return this === other
  }
}

export abstract class ListValue {
  abstract readonly size: number
  /** For 0 <= index < size. */
  abstract at(index: number): Value
}

export class Items extends ListValue {
  readonly items: Value[]

  constructor(items: Value[]) {
    super()
    this.items = items
  }

  get size(): number {
    return this.items.length
  }

  at(index: number): Value {
    return this.items[index]!
  }
}

class JsonList extends ListValue {
  readonly raw: readonly unknown[]
  readonly #items: Type

  constructor(raw: readonly unknown[], items: Type) {
    super()
    this.raw = raw
    this.#items = items
  }

  get size(): number {
    return this.raw.length
  }

  at(index: number): Value {
    return adapt(this.raw[index], this.#items)
  }
}

/** Two lists after one another: nothing is copied, however often lists are doubled. */
export class Joined extends ListValue {
  readonly size: number
  readonly #left: ListValue
  readonly #right: ListValue
  /** The leaf last read from, and where it begins: reading in order costs nothing more. */
  #leaf: ListValue | undefined
  #from = 0

  constructor(left: ListValue, right: ListValue) {
    super()
    this.#left = left
    this.#right = right
    this.size = left.size + right.size
  }

  at(index: number): Value {
    if (this.#leaf === undefined || index < this.#from || index >= this.#from + this.#leaf.size) this.#seek(index)
    return this.#leaf!.at(index - this.#from)
  }

  #seek(index: number): void {
    this.#from = index < this.#left.size ? 0 : this.#left.size
    this.#leaf = index < this.#left.size ? this.#left : this.#right
    while (this.#leaf instanceof Joined) {
      const node: Joined = this.#leaf
      const isLeft = index - this.#from < node.#left.size
      if (!isLeft) this.#from += node.#left.size
      this.#leaf = isLeft ? node.#left : node.#right
    }
  }
}

export abstract class MapValue {
  abstract readonly size: number
  /** undefined where there is no such key. */
  abstract get(key: Value): Value | undefined
  abstract keys(): Value[]
  /** As `get`, by the name an expression selects. */
  select(name: string): Value | undefined {
    return this.get(name)
  }
  get typeName(): string {
    return 'map'
  }
}

/** A map an expression made. */
export class Entries extends MapValue {
  readonly entries = new Map<unknown, [Value, Value]>()

  get size(): number {
    return this.entries.size
  }

  get(key: Value): Value | undefined {
    return this.entries.get(keyOf(key))?.[1]
  }

  keys(): Value[] {
    return Array.from(this.entries.values(), ([key]) => key)
  }

  /** false where the key is there already. */
  add(key: Value, value: Value): boolean {
    const plain = keyOf(key)
    if (this.entries.has(plain)) return false
    this.entries.set(plain, [key, value])
    return true
  }
}

/** Numbers are one key whatever their type. */
function keyOf(key: Value): unknown {
  if (typeof key === 'bigint') return key
  if (key instanceof Uint) return key.value
  if (typeof key === 'number') return Number.isInteger(key) ? BigInt(key) : NO_KEY
  if (typeof key === 'string' || typeof key === 'boolean') return key
  return NO_KEY
}

const NO_KEY = Symbol('no key')

/** What is large is looked at once, however often an expression names it. */
function keptChild(children: Map<string, Value>, name: string, make: () => Value): Value {
  const known = children.get(name)
  if (known !== undefined) return known
  const made = make()
  if (made instanceof MapValue || made instanceof ListValue) children.set(name, made)
  return made
}

class JsonMap extends MapValue {
  readonly raw: Record<string, unknown>
  readonly #values: Type
  readonly #children = new Map<string, Value>()
  #keys: string[] | undefined

  constructor(raw: Record<string, unknown>, values: Type) {
    super()
    this.raw = raw
    this.#values = values
  }

  get size(): number {
    return this.keys().length
  }

  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.raw, key)) return undefined
    return keptChild(this.#children, key, () => adapt(this.raw[key], this.#values))
  }

  keys(): Value[] {
    return (this.#keys ??= Object.keys(this.raw))
  }
}

/** A JSON object whose type names its fields. A member that is a function is asked once, when it is first needed. */
export class ObjectValue extends MapValue {
  readonly raw: Record<string, unknown>
  readonly type: Type
  readonly #children = new Map<string, Value>()

  constructor(raw: Record<string, unknown>, type: Type) {
    super()
    this.raw = raw
    this.type = type
  }

  override get typeName(): string {
    return this.type.name
  }

  get size(): number {
    return this.keys().length
  }

  get(key: Value): Value | undefined {
    return typeof key === 'string' ? this.select(key) : undefined
  }

  override select(name: string): Value | undefined {
    const field = this.type.field!(name)
    if (!field) return undefined
    const member = Object.hasOwn(this.raw, field.key) ? this.raw[field.key] : undefined
    if (member === undefined) return field.fallback === undefined ? undefined : adapt(field.fallback, field.type)
    return typeof member === 'object' ? keptChild(this.#children, name, () => adapt(member, field.type)) : adapt(member, field.type)
  }

  /** Whether the member is there: a fallback is no member. */
  has(name: string): boolean | undefined {
    const field = this.type.field!(name)
    if (!field) return undefined
    return Object.hasOwn(this.raw, field.key) && this.raw[field.key] !== undefined
  }

  keys(): Value[] {
    const names: Value[] = []
    for (const name of this.type.fieldNames()) if (this.has(name)) names.push(name)
    return names
  }
}

/** A JSON value, or what is a value already, as its declared type has it. */
export function adapt(raw: unknown, type: Type): Value {
  if (raw === null) return null
  if (type.adapt) return type.adapt(raw) as Value
  switch (typeof raw) {
    case 'string':
    case 'boolean':
      return raw
    case 'bigint':
      return type.kind === 'double' ? Number(raw) : raw
    case 'number':
      if (type.kind === 'double') return raw
      return Number.isInteger(raw) ? BigInt(raw) : raw
    case 'object':
      if (Array.isArray(raw)) return new JsonList(raw, type.kind === 'list' ? type.params[0]! : DYN)
      if (isValue(raw)) return raw
      if (type.field) return new ObjectValue(raw as Record<string, unknown>, type)
      return new JsonMap(raw as Record<string, unknown>, type.kind === 'map' ? type.params[1]! : DYN)
    default:
      return new Failure('unsupported value')
  }
}

function isValue(raw: object): raw is Exclude<Value, boolean | bigint | number | string | null> {
  return (
    raw instanceof MapValue ||
    raw instanceof ListValue ||
    raw instanceof Foreign ||
    raw instanceof Optional ||
    raw instanceof Timestamp ||
    raw instanceof Duration ||
    raw instanceof Uint ||
    raw instanceof Uint8Array ||
    raw instanceof TypeValue ||
    raw instanceof Failure
  )
}

export function typeNameOf(value: Value): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    case 'string':
      return 'string'
  }
  if (value === null) return 'null_type'
  if (value instanceof Uint) return 'uint'
  if (value instanceof ListValue) return 'list'
  if (value instanceof MapValue) return value.typeName
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  if (value instanceof Optional) return 'optional_type'
  if (value instanceof TypeValue) return 'type'
  if (value instanceof Foreign) return value.typeName
  return 'error'
}

/** Characters, bytes, elements; 1 of everything else. What is found costs nothing: callers know how long it may take. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return countPoints(value)
  if (value instanceof ListValue || value instanceof MapValue) return value.size
  return value instanceof Uint8Array ? value.length : 1
}

/** At least `sizeOf`, at once. */
export function roughSizeOf(value: Value): number {
  return typeof value === 'string' ? value.length : sizeOf(value)
}

export function countPoints(text: string): number {
  let count = text.length
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit >= 0xd800 && unit < 0xdc00 && at + 1 < text.length && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) {
      count--
      at++
    }
  }
  return count
}
