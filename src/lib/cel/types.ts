// The types of CEL expressions, as declarations spell them (`list<T>`, `map<string, dyn>`) and as messages do (`list(int)`). Values carry no types:
// see values.ts.

export type TypeKind =
  | 'dyn'
  | 'error'
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'null'
  | 'timestamp'
  | 'duration'
  | 'list'
  | 'map'
  | 'optional'
  | 'type'
  | 'param'
  | 'object'
  | 'opaque'

/** A field of an object type. `key`: what it is called in the JSON behind, where that differs from its name in expressions. */
export interface Field {
  readonly type: Type
  readonly key: string
  /** What the field is when the object has none. */
  readonly fallback?: unknown
}

export interface TypeOptions {
  params?: readonly Type[]
  /** Of an object type; asked once for each name an expression selects. */
  field?: (name: string) => Field | undefined
  /** Names of an object's fields, as expressions call them. */
  fieldNames?: () => Iterable<string>
  /** The most elements, characters or bytes a value can have, where that is known: for estimates of cost. */
  maxSize?: number
  /** The fewest bytes a value takes in JSON, plus one for what separates it from the next. */
  minSize?: number
  /** Makes a value of what is not plain JSON of the type. */
  adapt?: (raw: unknown) => unknown
}

export class Type {
  readonly kind: TypeKind
  readonly name: string
  readonly params: readonly Type[]
  readonly field: ((name: string) => Field | undefined) | undefined
  readonly fieldNames: () => Iterable<string>
  readonly maxSize: number | undefined
  readonly minSize: number | undefined
  readonly adapt: ((raw: unknown) => unknown) | undefined

  constructor(kind: TypeKind, name: string, { params = [], field, fieldNames = () => [], maxSize, minSize, adapt }: TypeOptions = {}) {
    this.kind = kind
    this.name = name
    this.params = params
    this.field = field
    this.fieldNames = fieldNames
    this.maxSize = maxSize
    this.minSize = minSize
    this.adapt = adapt
  }

  /** As messages of the checker spell it. */
  toString(): string {
    if (this.kind === 'null') return 'null'
    if (this.kind === 'error') return '!error!'
    return this.params.length === 0 ? this.name : `${this.name}(${this.params.join(', ')})`
  }
}

export const DYN = new Type('dyn', 'dyn')
export const ERROR = new Type('error', '!error!')
export const BOOL = new Type('bool', 'bool')
export const INT = new Type('int', 'int')
export const UINT = new Type('uint', 'uint')
export const DOUBLE = new Type('double', 'double')
export const STRING = new Type('string', 'string')
export const BYTES = new Type('bytes', 'bytes')
export const NULL = new Type('null', 'null_type')
export const TIMESTAMP = new Type('timestamp', 'timestamp')
export const DURATION = new Type('duration', 'duration')

export const listOf = (items: Type, maxSize?: number): Type => new Type('list', 'list', { params: [items], ...sized(maxSize) })
export const mapOf = (key: Type, value: Type, maxSize?: number): Type => new Type('map', 'map', { params: [key, value], ...sized(maxSize) })
export const optionalOf = (value: Type): Type => new Type('optional', 'optional_type', { params: [value] })
export const typeOf = (type: Type): Type => new Type('type', 'type', { params: [type] })
export const opaque = (name: string): Type => new Type('opaque', name)
export const typeParam = (name: string): Type => new Type('param', name)
export const stringOf = (maxSize: number): Type => new Type('string', 'string', { maxSize })

const sized = (maxSize: number | undefined) => (maxSize === undefined ? {} : { maxSize })

const NAMED: ReadonlyMap<string, Type> = new Map(
  [DYN, BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION].map((type) => [type.name, type] as const).concat([['null', NULL]]),
)

/** Reads `list<map<string, A>>`; a single capital is a type parameter, what is not known is opaque. */
export function parseType(text: string): Type {
  const spelled = text.trim()
  const open = spelled.indexOf('<')
  if (open < 0) return NAMED.get(spelled) ?? (/^[A-Z]$/.test(spelled) ? typeParam(spelled) : opaque(spelled))
  const params = splitTypes(spelled.slice(open + 1, -1)).map(parseType)
  switch (spelled.slice(0, open)) {
    case 'list':
      return listOf(params[0]!)
    case 'map':
      return mapOf(params[0]!, params[1]!)
    case 'optional':
      return optionalOf(params[0]!)
    default:
      return typeOf(params[0]!)
  }
}

/** At commas that are not inside brackets. */
export function splitTypes(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let from = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '<') depth++
    else if (text[at] === '>') depth--
    else if (text[at] === ',' && depth === 0) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  if (text.slice(from).trim() !== '') parts.push(text.slice(from))
  return parts
}
