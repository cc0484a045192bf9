// Functions an expression can call: declared by signature, chosen by the types of their arguments, once when an expression is checked and again by
// what comes at run time.
import type { Meter } from './meter.ts'
import { parseType, splitTypes, type Type } from './types.ts'
import { Duration, Failure, Foreign, ListValue, MapValue, Optional, Timestamp, TypeValue, Uint, type Value } from './values.ts'

/** What a function gets besides its arguments. */
export interface Run {
  readonly meter: Meter
}
export type Handler = (run: Run, ...args: any[]) => Value

export interface Declaration {
  /** `name(int, list<T>): T`, or `string.name(int): bool` of a method; operators by their inner names. */
  signature: string
  handler: Handler
  /** What a call costs, known before it is made; 1 where nothing is said. */
  cost?: (...args: any[]) => number
  /** What a call takes beyond its cost, where that is more. */
  work?: (...args: any[]) => number
}

/** Of a call that walks over a text once. */
export const costOfText = (text: string): number => Math.ceil(text.length / 10)

export interface Overload {
  readonly name: string
  readonly method: boolean
  /** The target first, of a method. */
  readonly args: readonly Type[]
  readonly result: Type
  readonly generic: boolean
  readonly handler: Handler
  readonly cost: ((...args: any[]) => number) | undefined
  readonly work: ((...args: any[]) => number) | undefined
  readonly guards: readonly ((value: Value) => boolean)[]
}

export type FunctionTable = ReadonlyMap<string, readonly Overload[]>

type Price = (...args: any[]) => number

export function declare(signature: string, handler: Handler, cost?: Price, work?: Price): Declaration {
  return { signature, handler, ...(cost ? { cost } : {}), ...(work ? { work } : {}) }
}

/** Later declarations add overloads to earlier ones of the same name. */
export function functionTable(declarations: Iterable<Declaration>, base?: FunctionTable): FunctionTable {
  const table = new Map<string, Overload[]>()
  for (const [name, overloads] of base ?? []) table.set(name, [...overloads])
  for (const declaration of declarations) {
    const overload = readSignature(declaration)
    const present = table.get(overload.name)
    if (present) present.push(overload)
    else table.set(overload.name, [overload])
  }
  return table
}

const SIGNATURE = /^(?:(.+?)~)?([^(]+)\((.*)\): (.+)$/

function readSignature({ signature, handler, cost, work }: Declaration): Overload {
  const parts = SIGNATURE.exec(signature)
  if (!parts) throw new TypeError(`no signature: ${signature}`)
  const [, target, name, list, result] = parts
  const args = [...(target ? [target] : []), ...splitTypes(list!)].map(parseType)
  const generic = /\b[A-Z]\b/.test(signature)
  return {
    name: name!,
    method: target !== undefined,
    args,
    result: parseType(result!),
    generic,
    handler,
    cost,
    work,
    guards: args.map(guardOf),
  }
}

function guardOf({ kind, name }: Type): (value: Value) => boolean {
  switch (kind) {
    case 'bool':
      return (value) => typeof value === 'boolean'
    case 'int':
      return (value) => typeof value === 'bigint'
    case 'uint':
      return (value) => value instanceof Uint
    case 'double':
      return (value) => typeof value === 'number'
    case 'string':
      return (value) => typeof value === 'string'
    case 'bytes':
      return (value) => value instanceof Uint8Array
    case 'null':
      return (value) => value === null
    case 'timestamp':
      return (value) => value instanceof Timestamp
    case 'duration':
      return (value) => value instanceof Duration
    case 'list':
      return (value) => value instanceof ListValue
    case 'map':
    case 'object':
      return (value) => value instanceof MapValue
    case 'optional':
      return (value) => value instanceof Optional
    case 'type':
      return (value) => value instanceof TypeValue
    case 'opaque':
      return (value) => value instanceof Foreign && value.typeName === name
    default:
      return (value) => !(value instanceof Failure)
  }
}
