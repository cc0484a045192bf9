// What mutations make: `Object{...}`, `Object.spec{...}` and so on, any field of any name, and `JSONPatch{...}`; and what they made, as plain JSON.
import { CelError, DYN, STRING, Type } from '#api/cel/environment.ts'
import { ResultTooLarge, toJson } from '#api/cel/to-json.ts'
import { setOwn } from '#api/clone.ts'
import { showKey } from '#lib/cel/standard.ts'
import { ListValue, MapValue, ObjectValue, type Value } from '#lib/cel/values.ts'

const ROOT = 'Object'
const OBJECT_NAME = /^Object(?:\.[^.]+)*$/

/** Nothing is known of fields before an object is there: names are checked against their path when a patch is made. */
export function mutationType(name: string): Type | undefined {
  if (name === 'JSONPatch') return JSON_PATCH
  if (!OBJECT_NAME.test(name)) return undefined
  return new Type('object', name, { field: (field) => ({ type: DYN, key: field }) })
}

export const APPLY_CONFIGURATION = new Type('object', ROOT, { field: (field) => ({ type: DYN, key: field }) })

const PATCH_FIELDS: ReadonlyMap<string, Type> = new Map([
  ['op', STRING],
  ['path', STRING],
  ['from', STRING],
  ['value', DYN],
])

export const JSON_PATCH = new Type('object', 'JSONPatch', {
  field(name) {
    const type = PATCH_FIELDS.get(name)
    return type && { type, key: name, ...(type === STRING ? { fallback: '' } : {}) }
  },
  fieldNames: () => PATCH_FIELDS.keys(),
})

const isDynamic = (value: Value): value is ObjectValue => value instanceof ObjectValue && OBJECT_NAME.test(value.typeName)

/** An applied configuration as JSON. Throws CelError where a type's name is not the path it stands at, ResultTooLarge. */
export function configurationOf(value: Value): Record<string, unknown> {
  return new Conversion().convert(value, ROOT) as Record<string, unknown>
}

export interface PatchOperation {
  op: string
  path: string
  from?: string
  value?: unknown
}

/** A list of JSONPatch as the operations of RFC 6902. */
export function patchOperations(list: Value): PatchOperation[] {
  if (!(list instanceof ListValue)) throw new CelError('type conversion failed: not a list of JSONPatch')
  const conversion = new Conversion()
  conversion.count(list.size)
  return Array.from({ length: list.size }, (_, at) => {
    const item = list.at(at)
    if (!(item instanceof ObjectValue) || item.type !== JSON_PATCH) throw new CelError('type conversion failed: not a JSONPatch')
    const text = (name: string) => String(item.select(name))
    const from = text('from')
    const value = item.select('value')
    // A value begins a path of its own, wherever it is put; what lists and maps hold is as it is named.
    const root = value !== undefined && isDynamic(value) ? value.typeName : undefined
    const made = value === undefined ? {} : { value: conversion.convert(value, root) }
    return { op: text('op'), path: text('path'), ...(from ? { from } : {}), ...made }
  })
}

/** More than this no object holds. An expression makes lists that are far longer than what it costs: none is walked before its size is known. */
const MAX_MEMBERS = 1_000_000

class Conversion {
  #members = 0

  count(more: number): void {
    this.#members += more
    if (this.#members > MAX_MEMBERS) throw new ResultTooLarge('the result of the expression is too large')
  }

  /** Without a path nothing is checked against it. */
  convert(value: Value, path: string | undefined): unknown {
    if (isDynamic(value)) return this.#object(value, path)
    if (value instanceof ListValue) {
      this.count(value.size)
      return Array.from({ length: value.size }, (_, at) => this.convert(value.at(at), path))
    }
    if (value instanceof MapValue) {
      const keys = value.keys()
      this.count(keys.length)
      const made = {}
      for (const key of keys) setOwn(made, showKey(key), this.convert(value.get(key)!, path))
      return made
    }
    return toJson(value)
  }

  #object(value: ObjectValue, path: string | undefined): unknown {
    if (path !== undefined && value.typeName !== path)
      throw new CelError(
        `type mismatch: unexpected type name ${JSON.stringify(value.typeName)}, expected ${JSON.stringify(path)}, which matches field name path from root Object type`,
      )
    const members = Object.entries(value.raw)
    this.count(members.length)
    const made = {}
    for (const [key, member] of members) setOwn(made, key, this.convert(member as Value, path && `${path}.${key}`))
    return made
  }
}
