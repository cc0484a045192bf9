// JSON patch (RFC 6902) as the API server applies it, with its library's liberties: negative list indices count from the end, a member that is
// not there is null where it is replaced, copied or tested, a value left out is null. The number of operations and what copies add are bounded.
import { clone, getOwn, isObject, setOwn } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import { cloneSpelled } from '#api/schema/numeral.ts'
import { StatusError } from '#api/status.ts'

const MAX_OPERATIONS = 10_000
const MAX_COPIED_BYTES = 3 * 1024 * 1024

type Container = unknown[] | Record<string, unknown>
interface Place {
  container: Container
  key: string
}
interface Document {
  root: unknown
  copiedBytes: number
  readonly owned: boolean
}

export interface JsonPatchOptions {
  /** The patch is given away: its values become parts of what it makes. */
  owned?: boolean
}

/** `document` stays as it is. BadRequest: no JSON patch; 413: too many operations; 422: an operation does not apply. */
export function jsonPatch(document: object, patch: unknown, { owned = false }: JsonPatchOptions = {}): unknown {
  if (patch === null) return clone(document)
  if (!Array.isArray(patch))
    throw new StatusError('BadRequest', `json: cannot unmarshal ${goKind(patch)} into Go value of type jsonpatch.Patch`)
  if (patch.length > MAX_OPERATIONS) {
    const why = `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`
    throw new StatusError('RequestEntityTooLarge', `Request entity is too large: ${why}`)
  }
  for (const operation of patch) {
    if (operation !== null && !isObject(operation)) {
      throw new StatusError('BadRequest', `json: cannot unmarshal ${goKind(operation)} into Go value of type jsonpatch.Operation`)
    }
  }
  const state: Document = { root: clone(document), copiedBytes: 0, owned }
  for (const operation of patch) apply(state, (operation ?? {}) as Record<string, unknown>)
  return state.root
}

function apply(state: Document, operation: Record<string, unknown>): void {
  const path = pathOf(operation, 'path')
  switch (operation.op) {
    case 'add':
      return insert(place(state, path), valueOf(state, operation))
    case 'remove':
      return remove(place(state, path))
    case 'replace':
      if (path === '') state.root = newRoot(valueOf(state, operation))
      else replace(place(state, path), valueOf(state, operation))
      return
    case 'move': {
      const from = pathOf(operation, 'from')
      const source = place(state, from)
      const value = peek(source)
      remove(source)
      return insert(place(state, path), value)
    }
    case 'copy': {
      const value = cloneSpelled(peek(place(state, pathOf(operation, 'from'))) ?? null)
      state.copiedBytes += JSON.stringify(value).length
      if (state.copiedBytes > MAX_COPIED_BYTES) throw refused('the accumulated size increase of copy exceeds the limit')
      return insert(place(state, path), value)
    }
    case 'test': {
      const expected = getOwn(operation, 'value') ?? null
      const actual = path === '' ? state.root : (peek(place(state, path)) ?? null)
      if (!equal(actual, expected)) throw refused(`testing value ${path} failed`)
      return
    }
    default:
      throw refused(`Unexpected kind: ${String(operation.op)}`)
  }
}

function pathOf(operation: Record<string, unknown>, member: 'path' | 'from'): string {
  const path = getOwn(operation, member)
  if (typeof path !== 'string') throw refused(`operation ${String(operation.op)} lacks ${member}`)
  return path
}

function valueOf({ owned }: Document, operation: Record<string, unknown>): unknown {
  const value = getOwn(operation, 'value') ?? null
  return owned ? value : cloneSpelled(value)
}

function newRoot(value: unknown): unknown {
  if (!isObject(value) && !Array.isArray(value)) throw refused('replace operation value must be object or array')
  return value
}

/** The container a pointer's last part names a place in; everything before it must exist. What stands before the first slash means nothing. */
function place(state: Document, pointer: string): Place {
  const parts = pointer.split('/')
  if (parts.length < 2) throw refused(`missing container: ${pointer}`)
  const key = decode(parts.pop()!)
  let container = state.root
  for (let i = 1; i < parts.length; i++) {
    const part = decode(parts[i]!)
    if (Array.isArray(container)) container = container[position(container, part)]
    else if (isObject(container)) container = getOwn(container, part)
    else break
  }
  if (!Array.isArray(container) && !isObject(container)) throw refused(`missing container: ${pointer}`)
  return { container, key }
}

const decode = (part: string) => (part.includes('~') ? part.replaceAll('~1', '/').replaceAll('~0', '~') : part)

function insert({ container, key }: Place, value: unknown): void {
  if (!Array.isArray(container)) return setOwn(container, key, value)
  if (key === '-') container.push(value)
  else container.splice(position(container, key, 1), 0, value)
}

function replace(at: Place, value: unknown): void {
  if (Array.isArray(at.container)) at.container[position(at.container, at.key)] = value
  else setOwn(at.container, at.key, value)
}

function remove(at: Place): void {
  if (Array.isArray(at.container)) return void at.container.splice(position(at.container, at.key), 1)
  if (!Object.hasOwn(at.container, at.key)) throw refused(`missing key: ${at.key}`)
  delete at.container[at.key]
}

function peek({ container, key }: Place): unknown {
  return Array.isArray(container) ? container[position(container, key)] : getOwn(container, key)
}

/** A list index in range; `beyond` 1 allows the place after the last. */
function position(list: unknown[], key: string, beyond = 0): number {
  const index = /^[-+]?\d+$/.test(key) ? Number(key) : Number.NaN
  const length = list.length + beyond
  const actual = index < 0 ? index + length : index
  if (!(actual >= 0 && actual < length)) throw refused(`index out of bounds: ${key}`)
  return actual
}

/** Upstream says no more than this to clients; the cause is for logs. */
function refused(cause: string): StatusError {
  return new StatusError('Invalid', 'the server rejected our request due to an error in our request', { details: {}, cause })
}

/** How Go's decoder calls what it did not expect. */
export function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'bigint') return 'number'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
