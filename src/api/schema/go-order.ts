// An object with its members where Go's encoder puts them: fields as they are declared, entries of maps by key. What no schema describes stays as it
// came. Nothing is changed in place: what is in order already is returned itself, so that writing an object again costs a look at each name.
import { setOwn } from '#api/clone.ts'
import type { Schema } from '#api/schema.ts'
import { type Order, type Plan, planOf } from './plan.ts'

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

const MOST_ORDERS = 8
/** Only what is open to any name has more. */
const MOST_NAMES = 100

function orderedFields(plan: Plan, object: Json, kept: boolean): Json {
  const { names, plans, sorted } = orderOf(plan, object)
  let changed: Json | undefined
  for (let i = 0; i < names.length; i++) {
    const below = plans[i]
    if (!below) continue
    const before = object[names[i]!]
    if (typeof before !== 'object' || before === null || (kept && Object.isFrozen(before))) continue
    const after = ordered(below, before, kept)
    if (after !== before) (changed ??= {})[names[i]!] = after
  }
  if (!sorted) return changed ? { ...object, ...changed } : object
  const result: Json = {}
  for (const name of sorted) {
    const value = changed?.[name] ?? object[name]
    if (value !== undefined) setOwn(result, name, value)
  }
  return result
}

/** Most objects of a type have the names of one of the last few: to see that costs a look at each. */
function orderOf(plan: Plan, object: Json): Order {
  const known = plan.orders
  for (let i = 0; i < known.length; i++) {
    const order = known[i]!
    if (!hasNames(object, order.names)) continue
    if (i > 0) {
      known[i] = known[i - 1]!
      known[i - 1] = order
    }
    return order
  }
  const order = newOrder(plan, object)
  if (order.names.length > MOST_NAMES) return order
  if (known.length === MOST_ORDERS) known.pop()
  known.push(order)
  return order
}

function hasNames(object: Json, names: readonly string[]): boolean {
  let at = 0
  for (const name in object) if (names[at++] !== name) return false
  return at === names.length
}

/** Those that have no place come last, as they came. */
function newOrder({ fields, places }: Plan, object: Json): Order {
  const names = Object.keys(object)
  const placeOf = (name: string) => places.get(name) ?? Infinity
  const isOrdered = names.every((name, at) => at === 0 || placeOf(names[at - 1]!) <= placeOf(name))
  const plans = names.map((name) => {
    const field = fields.get(name)
    return field && isDeep(field) ? field : undefined
  })
  return { names, plans, sorted: isOrdered ? undefined : names.toSorted((a, b) => compare(placeOf(a), placeOf(b))) }
}

const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1)
const isDeep = ({ shape }: Plan): boolean => shape === 'struct' || shape === 'map' || shape === 'list'

function orderedEntries(items: Plan, map: Json, kept: boolean): Json {
  const deep = isDeep(items)
  let last = ''
  let isOrdered = true
  // Each entry is put in order once: maps within maps would take twice as long with every level.
  let changed: Map<string, unknown> | undefined
  for (const key in map) {
    if (key < last) isOrdered = false
    last = key
    if (!deep) continue
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
