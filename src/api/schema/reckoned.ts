// Objects for code that reckons: whole numbers that no double holds become the nearest of 64 bits that one does. They keep their digits where objects
// are kept, sent and patched.
import { deepFreeze, getOwn, isObject, setOwn } from '#api/clone.ts'
import type { Schema } from '#api/schema.ts'
import { type Plan, planOf } from './plan.ts'

/** `value` itself where its fields hold no such number, else a frozen copy; what fields of any form hold stays as it is. */
export function reckoned<T>(value: T, schema: Schema): T {
  const near = walk(planOf(schema), value)
  return near === value ? value : (deepFreeze(near) as T)
}

/** Gives numbers of `next` back the digits that they have in `present`, where all that was done to them is that they were reckoned. In place. */
export function restoreDigits(next: unknown, present: unknown): void {
  if (typeof next !== 'object' || next === null || typeof present !== 'object' || present === null) return
  for (const [name, before] of Object.entries(present)) {
    const now = getOwn(next, name)
    if (typeof before !== 'bigint') restoreDigits(now, before)
    else if (now === nearest(before)) setOwn(next, name, before)
  }
}

function walk(plan: Plan | undefined, value: unknown): unknown {
  if (typeof value === 'bigint') return plan?.shape === 'int64' ? nearest(value) : value
  if (plan?.shape === 'list' && Array.isArray(value)) {
    const near = value.map((item) => walk(plan.items, item))
    return near.every((item, at) => item === value[at]) ? value : near
  }
  if (!isObject(value) || (plan?.shape !== 'struct' && plan?.shape !== 'map')) return value
  let near: Record<string, unknown> | undefined
  for (const [name, member] of Object.entries(value)) {
    const after = walk(plan.shape === 'map' ? plan.items : plan.fields.get(name), member)
    if (after === member) continue
    near ??= { ...value }
    setOwn(near, name, after)
  }
  return near ?? value
}

function nearest(value: bigint): number {
  const number = Number(value)
  return Math.abs(number) < 2 ** 63 ? number : Math.sign(number) * (2 ** 63 - 1024)
}
