// Merging an applied configuration into an object, and removing fields from one. Neither changes what it is given.
import { getOwn, type JsonObject, setOwn } from '#api/clone.ts'
import type { Schema } from '#api/schema.ts'
import { type Fields, isEmpty, isMember } from './fields.ts'
import { isEmptyContainer, itemElement, itemsOf, memberSchema, shapeOf } from './shape.ts'

/** `applied` wins wherever it says something; maps and keyed lists merge, leaves are replaced. */
export function mergeApplied(schema: Schema | undefined, live: unknown, applied: unknown): unknown {
  if (applied === undefined) return live
  // Nothing said of what merges leaves it as it is.
  if (applied === null) return shapeOf(schema, live) === 'leaf' || isEmptyContainer(live) ? null : live
  const shape = shapeOf(schema, applied)
  if (shape === 'leaf' || live === undefined || live === null || shapeOf(schema, live) !== shape) return applied
  if (shape === 'map') return mergeMembers(schema, live as JsonObject, applied as JsonObject)
  return mergeItems(schema!, shape, live as unknown[], applied as unknown[])
}

function mergeMembers(schema: Schema | undefined, live: JsonObject, applied: JsonObject): JsonObject {
  const merged: JsonObject = { ...live }
  for (const key of Object.keys(applied)) {
    const value = mergeApplied(memberSchema(schema, key), getOwn(live, key), getOwn(applied, key))
    if (value !== getOwn(live, key)) setOwn(merged, key, value)
  }
  return merged
}

/** Applied items keep their order; live items that the configuration does not name stay where they stood among the shared ones. */
function mergeItems(schema: Schema, shape: 'keyed' | 'set', live: unknown[], applied: unknown[]): unknown[] {
  const left = itemsOf(schema, shape, live)
  const right = itemsOf(schema, shape, applied)
  const shared = right.order.filter((element) => left.byElement.has(element))
  const mergedElements = new Set<string>()
  const result: unknown[] = []
  const take = (element: string) => {
    mergedElements.add(element)
    if (shared[0] === element) shared.shift()
    const mine = right.byElement.get(element)
    result.push(left.duplicates.has(element) ? mine : mergeApplied(schema.items, left.byElement.get(element), mine))
  }
  let l = 0
  let r = 0
  while (l < left.order.length || r < right.order.length) {
    const theirs = left.order[l]
    const mine = right.order[r]
    if (theirs !== undefined && mine !== undefined) {
      if (theirs === mine) {
        take(mine)
        l++
        r++
        continue
      }
      if (right.byElement.has(theirs) && shared[0] !== undefined && shared[0] !== theirs) {
        l++
        continue
      }
    }
    if (theirs !== undefined) {
      if (!right.byElement.has(theirs)) {
        result.push(live[l++])
        continue
      }
      if (mergedElements.has(theirs)) l++
    }
    if (mine !== undefined) {
      take(mine)
      r++
    }
  }
  return result
}

/** The value without the members of `gone`; null when nothing of a container is left. */
export function removeFields(schema: Schema | undefined, value: unknown, gone: Fields): unknown {
  const shape = shapeOf(schema, value)
  if (shape === 'leaf' || value === null || value === undefined || isEmpty(gone)) return value
  if (shape === 'map') {
    const kept: JsonObject = {}
    for (const [key, member] of Object.entries(value)) {
      const below = gone[`f:${key}`]
      if (below && isMember(below)) continue
      if (member !== undefined) setOwn(kept, key, below ? removeFields(memberSchema(schema, key), member, below) : member)
    }
    return Object.keys(kept).length ? kept : null
  }
  const kept: unknown[] = []
  for (const item of value as unknown[]) {
    const element = itemElement(schema!, shape, item)
    const below = element === undefined ? undefined : gone[element]
    if (below && isMember(below)) continue
    kept.push(below ? removeFields(schema!.items, item, below) : item)
  }
  return kept.length ? kept : null
}
