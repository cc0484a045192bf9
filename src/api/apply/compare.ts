// What changed between two objects, as three sets of fields. Equal branches cost nothing beyond telling that they are equal.
import { equal } from '#api/equal.ts'
import type { Schema } from '#api/schema.ts'
import { compareTexts } from '#lib/order.ts'
import { type Fields, LEAF, NO_FIELDS, node, sorted, sortedBy } from './fields.ts'
import { isEmptyContainer, type Items, itemsOf, memberOf, type Shape, shapeOf } from './shape.ts'

export interface Comparison {
  added: Fields
  modified: Fields
  removed: Fields
}

/** Down to this depth equal branches are told apart first, as most are: further down that would be done again and again. */
const TOLD_APART = 2

interface Branch {
  added?: Fields | undefined
  modified?: Fields | undefined
  removed?: Fields | undefined
}

export function compareObjects(schema: Schema, left: unknown, right: unknown): Comparison {
  const branch = compare(schema, left ?? {}, right ?? {}, 0)
  return { added: branch?.added ?? NO_FIELDS, modified: branch?.modified ?? NO_FIELDS, removed: branch?.removed ?? NO_FIELDS }
}

function compare(schema: Schema | undefined, left: unknown, right: unknown, depth = TOLD_APART): Branch | undefined {
  if (left === right) return undefined
  if (left === undefined) return { added: whole(schema, right) }
  if (right === undefined) return { removed: whole(schema, left) }
  const shape = commonShape(schema, left, right)
  if (shape === undefined) return replaced(schema, left, right)
  if (shape === 'leaf') return equal(left, right) ? undefined : { modified: LEAF }
  const children = shape === 'map' ? compareMembers(schema, left, right, depth) : compareItems(schema!, shape, left, right)
  // Two that hold nothing may still be told apart: a null is no empty list.
  if (!children) return isEmptyContainer(left) && isEmptyContainer(right) && !equal(left, right) ? { modified: LEAF } : undefined
  return { added: node(false, children.added), modified: node(false, children.modified), removed: node(false, children.removed) }
}

/** One in the other's place, of a different shape: what was below is gone, what is below now is new. */
function replaced(schema: Schema | undefined, left: unknown, right: unknown): Branch {
  return { added: below(whole(schema, right)), modified: LEAF, removed: below(whole(schema, left)) }
}

function below(fields: Fields): Fields | undefined {
  const { '.': _, ...children } = fields
  return node(false, children)
}

/** All fields of a value that has nothing on the other side, in the order they are stored. Creates are made of these. */
function whole(schema: Schema | undefined, value: unknown): Fields {
  const shape = shapeOf(schema, value)
  if (shape === 'leaf' || isEmptyContainer(value)) return LEAF
  const fields: Record<string, Fields> = { '.': LEAF }
  if (shape === 'map') {
    const members = value as Record<string, unknown>
    for (const key of sortedBy(Object.keys(members), compareTexts)) {
      if (members[key] === undefined) continue
      const member = memberOf(schema, key)
      fields[member.element] = whole(member.schema, members[key])
    }
    return fields
  }
  const { byElement, duplicates } = itemsOf(schema!, shape, value)
  for (const element of sorted([...byElement.keys()]))
    fields[element] = duplicates.has(element) ? LEAF : whole(schema!.items, byElement.get(element))
  return fields
}

/** undefined where the two are of different shapes: then one replaces the other whole. */
function commonShape(schema: Schema | undefined, left: unknown, right: unknown): Shape | undefined {
  if (left === null) return shapeOf(schema, right)
  const shape = shapeOf(schema, left)
  return right === null || shape === shapeOf(schema, right) ? shape : undefined
}

/** Collects branches by element into one branch of children. */
class Collected {
  added: Record<string, Fields> | undefined
  modified: Record<string, Fields> | undefined
  removed: Record<string, Fields> | undefined

  put(element: string, branch: Branch | undefined): void {
    if (branch?.added) (this.added ??= {})[element] = branch.added
    if (branch?.modified) (this.modified ??= {})[element] = branch.modified
    if (branch?.removed) (this.removed ??= {})[element] = branch.removed
  }

  get any(): boolean {
    return (this.added ?? this.modified ?? this.removed) !== undefined
  }
}

function compareMembers(schema: Schema | undefined, left: unknown, right: unknown, depth: number): Collected | undefined {
  const before = (left ?? {}) as Record<string, unknown>
  const after = (right ?? {}) as Record<string, unknown>
  const collected = new Collected()
  for (const key of Object.keys(before)) {
    const other = Object.hasOwn(after, key) ? after[key] : undefined
    if (depth < TOLD_APART && equal(before[key], other)) continue
    if (before[key] === other) continue
    const member = memberOf(schema, key)
    collected.put(member.element, compare(member.schema, before[key], other, depth + 1))
  }
  for (const key of Object.keys(after)) {
    if (Object.hasOwn(before, key) || after[key] === undefined) continue
    const member = memberOf(schema, key)
    collected.put(member.element, { added: whole(member.schema, after[key]) })
  }
  return collected.any ? collected : undefined
}

function compareItems(schema: Schema, shape: 'keyed' | 'set', left: unknown, right: unknown): Collected | undefined {
  const before = itemsOf(schema, shape, left)
  const after = itemsOf(schema, shape, right)
  const collected = new Collected()
  const item = (element: string) => compare(schema.items, before.byElement.get(element), after.byElement.get(element))
  const elements = before.order.length === 0 ? after.byElement.keys() : new Set([...before.order, ...after.order])
  for (const element of elements) {
    collected.put(element, before.duplicates.has(element) || after.duplicates.has(element) ? compareDuplicates(element) : item(element))
  }
  return collected.any ? collected : undefined

  function wholeIn({ byElement }: Items, element: string): Fields | undefined {
    return byElement.has(element) ? whole(schema.items, byElement.get(element)) : undefined
  }

  function compareDuplicates(element: string): Branch | undefined {
    const all = (list: unknown, order: readonly string[]) =>
      (list as unknown[] | undefined)?.filter((_, index) => order[index] === element) ?? []
    // What occurs once is known by its fields, what occurs more often by its element alone.
    if (!after.duplicates.has(element)) return { added: wholeIn(after, element), removed: LEAF }
    if (!before.duplicates.has(element)) return { added: LEAF, removed: wholeIn(before, element) }
    return equal(all(left, before.order), all(right, after.order)) ? undefined : { modified: LEAF }
  }
}
