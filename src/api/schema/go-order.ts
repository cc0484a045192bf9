// An object with its members where Go's encoder puts them: fields as they are declared, entries of maps by key. What no schema describes stays as it
// came. Nothing is changed in place: what is in order already is returned itself, so that writing an object again costs a look at each name.
import { setOwn } from '#api/clone.ts'
import type { Schema } from '#api/schema.ts'
import { type Plan, planOf } from './plan.ts'

type Json = Record<string, unknown>

/** `kept`: what is frozen below the top is part of what was put in order when it was kept. */
export function inGoOrder<T>(value: T, schema: Schema, { kept = false } = {}): T {
  return ordered(planOf(schema), value, kept) as T
}

function ordered(plan: Plan, value: unknown, kept: boolean): unknown {
  if (typeof value !== 'object' || value === null) return value
  switch (plan.shape) {
    case 'struct':
      return Array.isArray(value) ? value : orderedFields(plan, value as Json, kept)
    case 'map':
      return Array.isArray(value) ? value : orderedEntries(plan.items!, value as Json, kept)
    case 'list':
      return Array.isArray(value) ? orderedItems(plan.items!, value, kept) : value
    default:
      return value
  }
}

function orderedFields(plan: Plan, object: Json, kept: boolean): Json {
  const { fields, places } = plan
  let last = 0
  let isOrdered = true
  let changed: Json | undefined
  for (const name in object) {
    const place = places.get(name) ?? fields.size
    if (place < last) isOrdered = false
    last = place
    const before = object[name]
    if (typeof before !== 'object' || before === null || place === fields.size || (kept && Object.isFrozen(before))) continue
    const after = ordered(fields.get(name)!, before, kept)
    if (after !== before) (changed ??= {})[name] = after
  }
  if (isOrdered) return changed ? { ...object, ...changed } : object
  const result: Json = {}
  for (const name of inPlace(object, places)) setOwn(result, name, changed?.[name] ?? object[name])
  return result
}

/** Names of members by their places; those that have none come last, as they came. By insertion: there are few, and most are where they belong. */
function inPlace(object: Json, places: ReadonlyMap<string, number>): string[] {
  const names: string[] = []
  const at: number[] = []
  for (const name in object) {
    const place = places.get(name) ?? Infinity
    if (place !== Infinity && object[name] === undefined) continue
    let index = names.length
    for (; index > 0 && at[index - 1]! > place; index--) {
      names[index] = names[index - 1]!
      at[index] = at[index - 1]!
    }
    names[index] = name
    at[index] = place
  }
  return names
}

function orderedEntries(items: Plan, map: Json, kept: boolean): Json {
  const isDeep = items.shape === 'struct' || items.shape === 'map' || items.shape === 'list'
  let last = ''
  let isOrdered = true
  // Each entry is put in order once: maps within maps would take twice as long with every level.
  let changed: Map<string, unknown> | undefined
  for (const key in map) {
    if (key < last) isOrdered = false
    last = key
    if (!isDeep) continue
    const after = ordered(items, map[key], kept)
    if (after !== map[key]) (changed ??= new Map()).set(key, after)
  }
  if (isOrdered && !changed) return map
  const result: Json = {}
  for (const key of Object.keys(map).sort()) setOwn(result, key, changed?.get(key) ?? map[key])
  return result
}

function orderedItems(items: Plan, list: unknown[], kept: boolean): unknown[] {
  let result: unknown[] | undefined
  for (let index = 0; index < list.length; index++) {
    const before = list[index]
    if (typeof before !== 'object') return list
    const after = ordered(items, before, kept)
    if (after !== before) (result ??= [...list])[index] = after
  }
  return result ?? list
}
