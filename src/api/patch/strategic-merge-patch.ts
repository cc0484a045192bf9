// Strategic merge patch, driven by a schema's patchStrategy and patchMergeKey; what has no schema merges as maps and replaces as lists.
// The object is never changed; the patch is used up: hand in a copy of your own.
import { getOwn, isObject, type JsonObject, setOwn } from '#api/clone.ts'
import type { Schema } from '#api/schema.ts'
import { StatusError } from '#api/status.ts'
import { badArgument, badDirective } from './strategic-errors.ts'
import { deleteFromList, mergeList, orderList } from './strategic-lists.ts'

const DIRECTIVE = '$patch'
const RETAIN_KEYS = '$retainKeys'
const ORDER_PREFIX = '$setElementOrder/'
const DELETE_PREFIX = '$deleteFromPrimitiveList/'

export function strategicMergePatch(object: JsonObject, patch: JsonObject, schema: Schema | undefined): JsonObject {
  const directive = getOwn(patch, DIRECTIVE)
  if (directive !== undefined) return replaceOrDelete(directive, patch)
  const result = retained(object, patch)
  for (const key of Object.keys(patch)) if (key.startsWith(ORDER_PREFIX)) mergeOrdered(result, patch, key, schema)
  for (const key of Object.keys(patch)) {
    if (key === RETAIN_KEYS || key.startsWith(ORDER_PREFIX)) continue
    const value = getOwn(patch, key)
    if (key.startsWith(DELETE_PREFIX)) {
      deletePrimitives(result, key.slice(DELETE_PREFIX.length), value)
      continue
    }
    if (value === null) {
      delete result[key]
      continue
    }
    const present = getOwn(result, key)
    const field = fieldOf(schema, key)
    if (isObject(present) && isObject(value)) {
      setOwn(result, key, field?.patchStrategy?.includes('replace') ? value : strategicMergePatch(present, value, field))
    } else if (Array.isArray(present) && Array.isArray(value) && field?.patchStrategy?.includes('merge')) {
      setOwn(result, key, mergeList(present, value, field, strategicMergePatch))
    } else {
      setOwn(result, key, plain(value))
    }
  }
  return result
}

function fieldOf(schema: Schema | undefined, key: string): Schema | undefined {
  const properties = schema?.properties
  return properties && Object.hasOwn(properties, key) ? properties[key] : schema?.additionalProperties
}

function replaceOrDelete(directive: unknown, patch: JsonObject): JsonObject {
  if (directive === 'delete') return {}
  if (directive !== 'replace') throw badDirective(directive, patch)
  delete patch[DIRECTIVE]
  return patch
}

/** A copy of the object with only the keys that `$retainKeys` keeps, if the patch says so. */
function retained(object: JsonObject, patch: JsonObject): JsonObject {
  const list = getOwn(patch, RETAIN_KEYS)
  if (list === undefined) return { ...object }
  const refuse = () => new StatusError('BadRequest', 'invalid patch format of retainKeys')
  if (!Array.isArray(list)) throw refuse()
  const keep = new Set(list)
  for (const key of Object.keys(patch)) {
    const exempt = key === RETAIN_KEYS || patch[key] === null || key.startsWith(DELETE_PREFIX) || key.startsWith(ORDER_PREFIX)
    if (!exempt && !keep.has(key)) throw refuse()
  }
  const result: JsonObject = {}
  for (const key of Object.keys(object)) if (keep.has(key)) setOwn(result, key, getOwn(object, key))
  return result
}

/** `$setElementOrder/field`: merges the field's list and puts it into the order named. Takes the field out of the patch. */
function mergeOrdered(result: JsonObject, patch: JsonObject, directive: string, schema: Schema | undefined): void {
  const order = getOwn(patch, directive)
  const key = directive.slice(ORDER_PREFIX.length)
  const present = getOwn(result, key)
  const change = getOwn(patch, key)
  const wrongType = [order, present, change].find((value) => value !== undefined && !Array.isArray(value))
  if (wrongType !== undefined) throw badArgument([], wrongType)
  if (present === undefined && change === undefined) return
  const field = fieldOf(schema, key)
  setOwn(
    result,
    key,
    orderList(present as unknown[], change as unknown[], order as unknown[], { field, merge: strategicMergePatch, plain }),
  )
  delete patch[key]
}

function deletePrimitives(result: JsonObject, key: string, value: unknown): void {
  const present = getOwn(result, key)
  if (!Array.isArray(value)) throw new StatusError('BadRequest', 'invalid patch format of primitive list')
  if (Array.isArray(present)) setOwn(result, key, deleteFromList(present, value))
}

/** A patch value that meets nothing to merge with: taken as it is, without nulls in maps and without directives. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !isObject(item) || (item[DIRECTIVE] !== 'delete' && !isBareDirective(item))).map(plain)
  }
  if (!isObject(value)) return value
  if (value[DIRECTIVE] === 'delete') return {}
  const result: JsonObject = {}
  for (const key of Object.keys(value)) {
    const member = getOwn(value, key)
    if (member === null || key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(ORDER_PREFIX) || key.startsWith(DELETE_PREFIX))
      continue
    setOwn(result, key, plain(member))
  }
  return result
}

const isBareDirective = (item: JsonObject) => Object.hasOwn(item, DIRECTIVE) && Object.keys(item).length === 1
