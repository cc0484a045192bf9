// Lists under strategic merge: merged by key or as sets, then ordered: the patch's order first, live items keep their place among themselves.
import { getOwn, isObject, type JsonObject } from '#api/clone.ts'
import type { Schema } from '#api/schema.ts'
import { StatusError } from '#api/status.ts'
import { goText } from '#lib/go-text.ts'
import { badArgument, badDirective } from './strategic-errors.ts'

type Merge = (object: JsonObject, patch: JsonObject, schema: Schema | undefined) => JsonObject

const DIRECTIVE = '$patch'

export function mergeList(present: readonly unknown[], change: readonly unknown[], field: Schema, merge: Merge): unknown[] {
  if (present.length === 0 && change.length === 0) return [...present]
  const type = elementType(present, change)
  const key = field.patchMergeKey
  if (type !== 'object') return arrange([...new Set([...present, ...change])], change, present, undefined)
  if (key === undefined) throw new StatusError('', `cannot merge lists without merge key for ${field.items?.name ?? 'list'}`)
  const [base, changes] = applyDirectives(present as JsonObject[], change as JsonObject[], key)
  const merged: JsonObject[] = [...base]
  const places = new Map<unknown, number>()
  for (const [place, item] of merged.entries()) if (!places.has(getOwn(item, key))) places.set(getOwn(item, key), place)
  for (const item of changes) {
    const identity = identityOf(item, key)
    const place = places.get(identity)
    if (place === undefined) {
      places.set(identity, merged.length)
      merged.push(merge({}, item, field.items))
    } else {
      merged[place] = merge(merged[place]!, item, field.items)
    }
  }
  return arrange(merged, changes, base, key)
}

interface OrderOptions {
  field: Schema | undefined
  merge: Merge
  plain(value: unknown): unknown
}

/** Merges as `field` says, then gives the items that `order` names that order. */
export function orderList(
  present: unknown[] | undefined,
  change: unknown[] | undefined,
  order: unknown[],
  { field, merge, plain }: OrderOptions,
): unknown[] {
  const merges = field?.patchStrategy?.includes('merge') ?? false
  const key = field?.patchMergeKey
  checkOrder(change ?? [], order, key)
  if (change && present && !merges) return plain(change) as unknown[]
  const merged = change && present ? mergeList(present, change, field!, merge) : change ? (plain(change) as unknown[]) : present!
  return arrange(merged, order, present ?? [], key)
}

export function deleteFromList(present: readonly unknown[], gone: readonly unknown[]): unknown[] {
  const remove = new Set(gone)
  return present.filter((item) => !remove.has(item))
}

/** `$patch: delete` items taken out of `present`; with `$patch: replace` nothing of it stays. */
function applyDirectives(present: JsonObject[], change: JsonObject[], key: string): [JsonObject[], JsonObject[]] {
  const changes: JsonObject[] = []
  const gone = new Set<unknown>()
  let replaced = false
  for (const item of change) {
    const directive = getOwn(item, DIRECTIVE)
    if (directive === undefined) changes.push(item)
    else if (directive === 'delete') gone.add(identityOf(item, key))
    else if (directive === 'replace') replaced = true
    else if (directive === 'merge') throw new StatusError('', 'merging lists cannot yet be specified in the patch')
    else throw badDirective(directive, item)
  }
  if (replaced) return [[], changes]
  return [gone.size ? present.filter((item) => !gone.has(getOwn(item, key))) : present, changes]
}

/** Items named by `order` in that order, the others in that of `live`; where both knew each other in `live`, its order decides who goes first. */
function arrange(items: readonly unknown[], order: readonly unknown[], live: readonly unknown[], key: string | undefined): unknown[] {
  const identity = (item: unknown) => (key === undefined ? item : identityOf(item, key))
  const wanted = indexed(order, identity)
  const known = indexed(live, identity)
  const rank = (places: Map<unknown, number>) => (item: unknown) => places.get(identity(item)) ?? Number.MAX_SAFE_INTEGER
  const named = sortedBy(
    items.filter((item) => wanted.has(identity(item))),
    rank(wanted),
  )
  const others = sortedBy(
    items.filter((item) => !wanted.has(identity(item))),
    rank(known),
  )
  const result: unknown[] = []
  let next = 0
  for (const other of others) {
    const place = known.get(identity(other))
    while (next < named.length) {
      const rival = known.get(identity(named[next]))
      if (place !== undefined && rival !== undefined && place < rival) break
      result.push(named[next++])
    }
    result.push(other)
  }
  return [...result, ...named.slice(next)]
}

function indexed(items: readonly unknown[], identity: (item: unknown) => unknown): Map<unknown, number> {
  const places = new Map<unknown, number>()
  for (const [place, item] of items.entries()) if (!places.has(identity(item))) places.set(identity(item), place)
  return places
}

function sortedBy(items: unknown[], rank: (item: unknown) => number): unknown[] {
  return items.sort((a, b) => rank(a) - rank(b))
}

/** What the patch lists must stand in the order it names: same items, same sequence. */
function checkOrder(change: readonly unknown[], order: readonly unknown[], key: string | undefined): void {
  const relevant = change.filter((item) => !isObject(item) || !Object.hasOwn(item, DIRECTIVE))
  if (relevant.length === 0 || order.length === 0) return
  let next = 0
  for (const item of order) {
    if (next === relevant.length) break
    const same = key === undefined ? relevant[next] === item : identityOf(relevant[next], key) === identityOf(item, key)
    if (same) next++
  }
  if (next < relevant.length) {
    throw new StatusError('', `The order in patch list:\n${goText(change)}\n doesn't match $setElementOrder list:\n${goText(order)}\n`)
  }
}

function identityOf(item: unknown, key: string): unknown {
  if (!isObject(item)) throw badArgument({}, item)
  const identity = getOwn(item, key)
  if (identity === undefined) throw new StatusError('', `map: ${goText(item)} does not contain declared merge key: ${key}`)
  return identity
}

function elementType(...lists: (readonly unknown[])[]): string {
  let type: string | undefined
  for (const list of lists) {
    for (const item of list) {
      if (Array.isArray(item)) {
        throw new StatusError('Invalid', 'the server rejected our request due to an error in our request', {
          details: {},
          cause: 'lists of lists',
        })
      }
      const own = item === null ? 'null' : typeof item
      type ??= own
      if (type !== own) throw new StatusError('', `list element types are not identical: ${goText(lists)}`)
    }
  }
  return type ?? 'undefined'
}
