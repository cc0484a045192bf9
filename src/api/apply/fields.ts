// Sets of field paths in the very form they are stored: FieldsV1, a tree of path elements (`f:name`, `k:{...}`, `v:...`, `i:0`).
// A node without children is a member; a node with children is one if it also holds `.`. Trees are never changed, so they share branches.

import { canonicalElement, compareElements } from './path-element.ts'

export interface Fields {
  readonly [element: string]: Fields
}

export const LEAF: Fields = Object.freeze({})
export const NO_FIELDS: Fields = LEAF

type Children = Record<string, Fields>

/** The node of these children that is or is not a member itself; undefined when that is nothing. */
export function node(member: boolean, children: Children | undefined): Fields | undefined {
  if (!children || isEmpty(children)) return member ? LEAF : undefined
  return member ? { '.': LEAF, ...children } : children
}

export function isEmpty(fields: Fields): boolean {
  for (const _ in fields) return false
  return true
}

export function isMember(fields: Fields): boolean {
  return fields['.'] !== undefined || isEmpty(fields)
}

/** The root of a set is never a member: `{}` there is the empty set, below it a member. */
export function union(left: Fields, right: Fields): Fields {
  // Who writes the same fields again owns what he owned: the tree itself, which is known to be sorted.
  if (covers(right, left)) return right
  return covers(left, right) ? left : childrenOf(left, right, unionNodes)
}

/** Whether everything in `part` is in `whole`. */
export function covers(whole: Fields, part: Fields): boolean {
  if (whole === part) return true
  for (const element in part) {
    if (element === '.') continue
    const [own, other] = [whole[element], part[element]!]
    if (!own || (isMember(other) && !isMember(own)) || !covers(own, other)) return false
  }
  return true
}

export function difference(left: Fields, right: Fields): Fields {
  return childrenOf(left, right, differenceNodes)
}

export function intersection(left: Fields, right: Fields): Fields {
  const result: Children = {}
  for (const element in left) {
    const other = right[element]
    const both = other && element !== '.' ? intersectionNodes(left[element]!, other) : undefined
    if (both) result[element] = both
  }
  return result
}

/** Whether the two have a member in common. */
export function intersects(left: Fields, right: Fields): boolean {
  for (const element in right) {
    const own = element === '.' ? undefined : left[element]
    const other = right[element]!
    if (own && ((isMember(own) && isMember(other)) || intersects(own, other))) return true
  }
  return false
}

/** Like difference, but a member of `right` takes everything below it along. */
export function recursiveDifference(left: Fields, right: Fields): Fields {
  if (isEmpty(left)) return NO_FIELDS
  return childrenOf(left, right, recursiveDifferenceNodes)
}

export function has(fields: Fields, path: readonly string[]): boolean {
  let current: Fields | undefined = fields
  for (const element of path) if (!(current = current[element])) return false
  return path.length > 0 && isMember(current)
}

export function fieldsOf(...paths: (readonly string[])[]): Fields {
  return paths.reduce<Fields>(
    (set, path) =>
      union(
        set,
        path.reduceRight<Fields>((below, element) => ({ [element]: below }), LEAF),
      ),
    NO_FIELDS,
  )
}

/** Every member's path, in the order upstream lists them: those of a level before all below it. */
export function* pathsOf(fields: Fields, prefix: readonly string[] = []): Generator<readonly string[]> {
  const elements = sorted(Object.keys(fields))
  for (const element of elements) if (element !== '.' && isMember(fields[element]!)) yield [...prefix, element]
  for (const element of elements) if (element !== '.') yield* pathsOf(fields[element]!, [...prefix, element])
}

/** Sets that are known to be in the form they are stored: most managers own after a write what they owned before. */
const encoded = new WeakSet<Fields>()

export function isEncoded(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && encoded.has(value as Fields)
}

/** Sorted for storage, `.` first: equal sets become equal bytes. */
export function encodeFields(fields: Fields): Fields {
  if (isEmpty(fields)) return LEAF
  if (encoded.has(fields)) return fields
  const stored = sortedFields(fields)
  encoded.add(stored)
  return stored
}

/** Branches that are in order already are themselves part of the result. */
function sortedFields(fields: Fields): Fields {
  let [last, inOrder] = ['', true]
  let changed: Map<string, Fields> | undefined
  for (const element in fields) {
    if (inOrder && last && compareElements(element, last) < 0) inOrder = false
    last = element
    const below = fields[element]!
    const sortedBelow = below === LEAF ? below : sortedFields(below)
    if (sortedBelow !== below) (changed ??= new Map()).set(element, sortedBelow)
  }
  if (inOrder && !changed) return fields
  const result: Children = {}
  for (const element of inOrder ? Object.keys(fields) : sorted(Object.keys(fields)))
    result[element] = changed?.get(element) ?? fields[element]!
  return result
}

export function sorted(elements: string[]): string[] {
  return sortedBy(elements, compareElements)
}

/** Sorts in place. By insertion: there are few, and this runs with every write, where sort() would allocate. */
export function sortedBy<T>(items: T[], compare: (a: T, b: T) => number): T[] {
  if (items.length > 64) return items.sort(compare)
  for (let i = 1; i < items.length; i++) {
    const item = items[i]!
    let at = i
    for (; at > 0 && compare(items[at - 1]!, item) > 0; at--) items[at] = items[at - 1]!
    items[at] = item
  }
  return items
}

const MAX_DEPTH = 256

/** Stored or foreign FieldsV1, checked and with keys of list items spelled one way; undefined if it is none. */
export function decodeFields(value: unknown, depth = 0): Fields | undefined {
  if (value === null && depth > 0) return LEAF
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth > MAX_DEPTH) return undefined
  // Nobody changes a tree, but a caller's own copy is not among these.
  if (depth === 0 && encoded.has(value as Fields)) return value as Fields
  const fields: Children = {}
  for (const [element, below] of Object.entries(value)) {
    if (element === '.') {
      // The root is never a member.
      if (depth > 0) fields[element] = LEAF
      continue
    }
    // Kinds of elements that a later version may know.
    if (/^[^fkvi]:/.test(element)) continue
    const spelled = canonicalElement(element)
    const decoded = decodeFields(below, depth + 1)
    if (!spelled || !decoded) return undefined
    fields[spelled] = fields[spelled] ? union(fields[spelled], decoded) : decoded
  }
  return fields
}

function childrenOf(left: Fields, right: Fields, join: (a: Fields | undefined, b: Fields | undefined) => Fields | undefined): Fields {
  if (isEmpty(right)) return left
  const result: Children = {}
  for (const element in left) {
    const joined = element === '.' ? undefined : join(left[element], right[element])
    if (joined) result[element] = joined
  }
  for (const element in right) {
    if (element === '.' || left[element]) continue
    const joined = join(undefined, right[element])
    if (joined) result[element] = joined
  }
  return result
}

function unionNodes(left: Fields | undefined, right: Fields | undefined): Fields | undefined {
  if (!left || !right || left === right) return left ?? right
  return node(isMember(left) || isMember(right), withoutSelf(childrenOf(left, right, unionNodes)))
}

function differenceNodes(left: Fields | undefined, right: Fields | undefined): Fields | undefined {
  if (!left || !right) return left
  return node(isMember(left) && !isMember(right), withoutSelf(childrenOf(left, right, differenceNodes)))
}

function recursiveDifferenceNodes(left: Fields | undefined, right: Fields | undefined): Fields | undefined {
  if (!left || !right) return left
  return isMember(right) ? undefined : node(isMember(left), withoutSelf(childrenOf(left, right, recursiveDifferenceNodes)))
}

function intersectionNodes(left: Fields, right: Fields): Fields | undefined {
  return node(isMember(left) && isMember(right), intersection(left, right))
}

function withoutSelf(fields: Fields): Children {
  if (!fields['.']) return fields
  const { '.': _, ...children } = fields
  return children
}
