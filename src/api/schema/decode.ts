// One walk over a fresh JSON value by its schema: types are checked as Go's decoder would, values take their canonical form, zeros go or come as Go
// would write them again, what no field knows is dropped and named. The value is changed in place and must be nobody else's. Semantics (ranges,
// enums) are validation's.
import { canonicalQuantity, QuantityError } from '#api/quantity.ts'
import type { Schema } from '#api/schema.ts'
import { canonicalBase64 } from './base64.ts'
import { canonicalMicroTime, canonicalTime, TimeError } from './go-time.ts'
import { Numeral } from './numeral.ts'
import { type Plan, planOf } from './plan.ts'

/** A value of the wrong type; the message is what Go's JSON decoder says. */
export class DecodeError extends Error {
  override name = 'DecodeError'
}

/** Nesting beyond this is refused: no manifest comes near it, and every later walk is spared the worry. */
export const MAX_DEPTH = 500
const MAX_UNKNOWN = 100

export interface WalkOptions {
  /** Keeps unknown fields; they are reported all the same. */
  keepUnknown?: boolean
  /** Whole numbers too large for their field lose what it cannot hold, as where Go converts one to another, instead of being refused. */
  converts?: boolean
}

/**
 * Checks and canonicalises `value` in place. Returns the canonical value (itself, unless it is a scalar) and the paths of unknown fields, at most 100.
 * Throws DecodeError on the first value of a wrong type.
 */
export function decodeInto(value: unknown, schema: Schema, options: WalkOptions = {}): { value: unknown; unknown: string[] } {
  const walk = new Walk(planOf(schema), options)
  return { value: walk.run(value), unknown: walk.unknown }
}

class Walk {
  readonly unknown: string[] = []
  readonly #root: Plan
  readonly #keep: boolean
  readonly #converts: boolean
  /** Field names, map keys and list positions on the way to the present value; only the first `depth` count. */
  readonly #path: (string | number)[] = []
  #silent = 0

  constructor(root: Plan, { keepUnknown = false, converts = false }: WalkOptions) {
    this.#root = root
    this.#keep = keepUnknown
    this.#converts = converts
  }

  run(value: unknown): unknown {
    return this.#visit(this.#root, value, 0)
  }

  #visit(plan: Plan, value: unknown, depth: number): unknown {
    if (depth > MAX_DEPTH) throw new DecodeError('exceeded max depth')
    switch (plan.shape) {
      case 'struct':
        return this.#struct(plan, value, depth)
      case 'string':
        return typeof value === 'string' ? value : this.#mismatch(plan, value, depth)
      case 'list':
        return this.#list(plan, value, depth)
      case 'map':
        return this.#map(plan, value, depth)
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#mismatch(plan, value, depth)
      case 'int32':
        if (typeof value === 'number' && Number.isInteger(value) && value >= -2147483648 && value <= 2147483647) return value
        return this.#converted(value, 32) ?? this.#mismatch(plan, value, depth)
      case 'int64':
        if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 63) return value
        if (typeof value === 'bigint') return value
        return this.#converted(value, 64) ?? this.#mismatch(plan, value, depth)
      case 'double':
        if (typeof value === 'bigint') return Number(value)
        return jsonKind(value) === 'number' && isFiniteNumber(value) ? value : this.#mismatch(plan, value, depth)
      case 'any':
        this.#bound(value, depth)
        return value
      default:
        return this.#special(plan, value, depth)
    }
  }

  #struct(plan: Plan, value: unknown, depth: number): unknown {
    if (!isObject(value) || value instanceof Numeral) return this.#mismatch(plan, value, depth)
    const object: Record<string, unknown> = value
    for (const name in object) {
      const field = plan.fields.get(name)
      this.#path[depth] = name
      if (field === undefined) {
        this.#bound(object[name], depth + 1, plan.open || this.#keep)
        if (plan.open) continue
        if (this.#silent === 0 && this.unknown.length < MAX_UNKNOWN) this.unknown.push(this.#where(depth + 1))
        if (!this.#keep) delete object[name]
        continue
      }
      const before = object[name]
      if (before === null) {
        if (!plan.nulls.has(name)) delete object[name]
        continue
      }
      const after = this.#visit(field, before, depth + 1)
      if (plan.keeps !== undefined && isZero(field, after)) {
        if (!plan.keeps.has(name)) delete object[name]
        else object[name] = plan.emptiesAreNull && plan.nulls.has(name) ? null : after
      } else if (after !== before) object[name] = after
    }
    for (const [name, field] of plan.fills) if (object[name] === undefined) object[name] = absentOf(field)
    return object
  }

  #list(plan: Plan, value: unknown, depth: number): unknown {
    if (!Array.isArray(value)) return this.#mismatch(plan, value, depth)
    const items = plan.items!
    for (let index = 0; index < value.length; index++) {
      this.#path[depth] = index
      value[index] = value[index] === null ? zeroOf(items) : this.#visit(items, value[index], depth + 1)
    }
    return value
  }

  #map(plan: Plan, value: unknown, depth: number): unknown {
    if (!isObject(value) || value instanceof Numeral) return this.#mismatch(plan, value, depth)
    const object: Record<string, unknown> = value
    const items = plan.items!
    for (const key in object) {
      this.#path[depth] = key
      const before = object[key]
      const after = before === null ? zeroOf(items) : this.#visit(items, before, depth + 1)
      // The key is the object's own, so even `__proto__` is a plain value here.
      if (after !== before) object[key] = after
    }
    return object
  }

  #special(plan: Plan, value: unknown, depth: number): unknown {
    switch (plan.shape) {
      case 'quantity':
        if (typeof value === 'string' && PLAIN_QUANTITY.test(value)) return value
        return quantity(value instanceof Numeral ? value.source : typeof value === 'bigint' ? String(value) : value)
      case 'time':
      case 'micro-time':
        if (typeof value !== 'string') return this.#mismatch(plan, value, depth, 'string')
        return (plan.shape === 'time' ? PLAIN_TIME : PLAIN_MICRO_TIME).test(value) ? value : time(value, plan.shape)
      case 'bytes': {
        if (typeof value !== 'string') return this.#mismatch(plan, value, depth)
        const canonical = canonicalBase64(value)
        if (typeof canonical === 'string') return canonical
        throw new DecodeError(`illegal base64 data at input byte ${canonical.corruptAt}`)
      }
      case 'int-or-string':
        if (typeof value === 'string') return value
        if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value + 0.5) <= 2147483647.5) return value
        return this.#mismatch(plan, value, depth, 'int32')
      case 'schema-or-bool':
        if (typeof value === 'boolean') return value
        if (isObject(value)) return this.#nested(plan.items!, value, depth)
        throw new DecodeError('boolean or JSON schema expected')
      default: {
        if (isObject(value)) return this.#nested(plan.items!, value, depth)
        if (!Array.isArray(value)) return plan.shape === 'schema-or-array' ? {} : []
        return value.map((item, index) => {
          this.#path[depth] = index
          if (plan.shape === 'schema-or-array') return this.#nested(plan.items!, item, depth + 1)
          return typeof item === 'string' ? item : this.#mismatch(plan, item, depth, 'string')
        })
      }
    }
  }

  /** Schemas inside a union of upstream's own decoding: unknown fields go without a word. */
  #nested(plan: Plan, value: unknown, depth: number): unknown {
    this.#silent++
    const result = this.#visit(plan, value, depth)
    this.#silent--
    return result
  }

  /** What no schema describes: only its depth, and that its numbers are numbers where they are kept, is asked for. */
  #bound(value: unknown, depth: number, kept = true): void {
    if (kept && !isFiniteNumber(value)) this.#mismatch(ANY_NUMBER, value, 0)
    if (typeof value !== 'object' || value === null) return
    if (depth > MAX_DEPTH) throw new DecodeError('exceeded max depth')
    if (Array.isArray(value)) for (const item of value) this.#bound(item, depth + 1, kept)
    else for (const key in value) this.#bound((value as Record<string, unknown>)[key], depth + 1, kept)
  }

  #converted(value: unknown, bits: 32 | 64): number | bigint | undefined {
    if (!this.#converts || !(typeof value === 'bigint' || Number.isInteger(value))) return undefined
    const whole = BigInt(value as number | bigint)
    const held = BigInt.asIntN(64, whole) === whole ? whole : -(2n ** 63n)
    const kept = BigInt.asIntN(bits, held)
    return Number.isSafeInteger(Number(kept)) ? Number(kept) : kept
  }

  #mismatch(plan: Plan, value: unknown, depth: number, goType = plan.goType): never {
    const numeric = goType === 'int32' || goType === 'int64' || goType === 'float64'
    const spelled = value instanceof Numeral ? value.source : value
    const kind = jsonKind(value) === 'number' && numeric ? `number ${String(spelled)}` : jsonKind(value)
    const { struct, fields } = this.#context(depth)
    const where = fields === '' ? 'value' : `struct field ${struct}.${fields}`
    throw new DecodeError(`json: cannot unmarshal ${kind} into Go ${where} of type ${goType}`)
  }

  /** The innermost struct on the way and the fields that lead there: positions and map keys are not told. */
  #context(depth: number): { struct: string; fields: string } {
    let plan: Plan | undefined = this.#root
    let struct = ''
    const fields: string[] = []
    for (const step of this.#path.slice(0, depth)) {
      if (plan?.shape === 'struct') {
        struct = plan.struct
        fields.push(String(step))
        plan = plan.fields.get(String(step))
      } else plan = plan?.items
    }
    return { struct, fields: fields.join('.') }
  }

  #where(depth: number): string {
    let text = ''
    for (const step of this.#path.slice(0, depth)) text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`
    return text
  }
}

const ANY_NUMBER: Plan = {
  shape: 'double',
  fields: new Map(),
  places: new Map(),
  items: undefined,
  struct: '',
  goType: 'float64',
  open: false,
  keeps: undefined,
  fills: [],
  nulls: new Set(),
  orders: [],
  emptiesAreNull: false,
}

/** Canonical as they stand: the amounts nearly every manifest has. */
const PLAIN_QUANTITY = /^(?:0|[1-9][0-9]{0,2}(?:m|k|M|G|Ki|Mi|Gi)?)$/

/** Likewise, and spared a closer look: valid on any calendar. */
const PLAIN_MICRO_TIME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/
const PLAIN_TIME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/

function quantity(value: unknown): string {
  try {
    return value === '' ? '0' : canonicalQuantity(typeof value === 'object' ? '{' : (value as string | number))
  } catch (error) {
    if (error instanceof QuantityError) throw new DecodeError(error.message)
    throw error
  }
}

function time(value: string, shape: 'time' | 'micro-time'): string {
  try {
    return shape === 'time' ? canonicalTime(value) : canonicalMicroTime(value)
  } catch (error) {
    if (error instanceof TimeError) throw new DecodeError(error.message)
    throw error
  }
}

/** What Go takes for nothing and leaves out. */
function isZero({ shape }: Plan, value: unknown): boolean {
  switch (shape) {
    case 'string':
    case 'bytes':
      return value === ''
    case 'boolean':
      return value === false
    case 'int32':
    case 'int64':
    case 'double':
      return value === 0
    case 'list':
      return (value as unknown[]).length === 0
    case 'map':
      for (const _ in value as object) return false
      return true
    default:
      return false
  }
}

/** A value of the type that holds only what JSON always carries. */
export function emptyOf(plan: Plan): unknown {
  if (plan.shape !== 'struct') return zeroOf(plan)
  return Object.fromEntries(plan.fills.map(([name, field]) => [name, absentOf(field)]))
}

/** What JSON carries for a field nobody has said anything of. */
function absentOf(plan: Plan): unknown {
  switch (plan.shape) {
    case 'struct':
      return emptyOf(plan)
    case 'list':
    case 'map':
    case 'bytes':
      return null
    default:
      return zeroOf(plan)
  }
}

/** What Go leaves in a list or map where the JSON says null. */
function zeroOf(plan: Plan): unknown {
  switch (plan.shape) {
    case 'struct':
      return emptyOf(plan)
    case 'map':
      return {}
    case 'list':
      return []
    case 'boolean':
      return false
    case 'int32':
    case 'int64':
    case 'double':
    case 'int-or-string':
      return 0
    case 'quantity':
      return '0'
    case 'string':
    case 'bytes':
      return ''
    default:
      return null
  }
}

function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  return value instanceof Numeral || typeof value === 'bigint' ? 'number' : typeof value
}

/** Of what is a number at all. */
const isFiniteNumber = (value: unknown): boolean =>
  value instanceof Numeral ? Number.isFinite(Number(value.source)) : typeof value !== 'number' || Number.isFinite(value)

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
