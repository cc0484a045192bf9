// metadata.managedFields in memory: one manager per name, operation, version and subresource, each with a set of fields and a time.
import { equal } from '#api/equal.ts'
import type { ManagedFieldsEntry } from '#api/object.ts'
import { goQuoted } from '#lib/go-text.ts'
import { decodeFields, encodeFields, type Fields, isEmpty, sortedBy, union } from './fields.ts'

export interface Manager {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  subresource?: string
  time?: string
  fields: Fields
  /** It was read from this one: the same again, unless something of it has changed. */
  entry?: ManagedFieldsEntry
}

export type Managers = Map<string, Manager>

export const MAX_UPDATE_MANAGERS = 10
const OLD_UPDATES = 'ancient-changes'

type Identity = Pick<Manager, 'manager' | 'operation' | 'apiVersion' | 'subresource'>

/** Who an entry belongs to. An applier stays the same whatever version it applies. */
export function identityOf({ manager, operation, apiVersion, subresource = '' }: Identity): string {
  return `${manager}\0${operation}\0${operation === 'Apply' ? '' : apiVersion}\0${subresource}`
}

/** undefined where the entries are not of a form that can be read. */
export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): Managers | undefined {
  const managers: Managers = new Map()
  for (const entry of entries ?? []) {
    const { manager = '', operation, apiVersion = '', subresource, time, fieldsType, fieldsV1 } = entry
    const fields = decodeFields(fieldsV1 ?? {})
    if (!fields || (fieldsType !== undefined && fieldsType !== 'FieldsV1') || (operation !== 'Apply' && operation !== 'Update'))
      return undefined
    const decoded: Manager = { manager, operation, apiVersion, fields }
    if (subresource) decoded.subresource = subresource
    if (time) decoded.time = time
    if (fields === fieldsV1 && Object.isFrozen(entry)) decoded.entry = entry
    managers.set(identityOf(decoded), decoded)
  }
  return managers
}

/** Sorted as upstream stores them; empty sets are left out. */
export function encodeManagers(managers: Managers): ManagedFieldsEntry[] {
  const entries: ManagedFieldsEntry[] = []
  for (const owner of managers.values()) {
    const { manager, operation, apiVersion, subresource, time, fields } = owner
    if (isEmpty(fields)) continue
    if (owner.entry && saysTheSame(owner.entry, owner)) {
      entries.push(owner.entry)
      continue
    }
    entries.push({
      manager,
      operation,
      apiVersion,
      ...(time ? { time } : {}),
      fieldsType: 'FieldsV1',
      fieldsV1: encodeFields(fields),
      ...(subresource ? { subresource } : {}),
    })
  }
  return sortedBy(entries, compareEntries)
}

function saysTheSame(entry: ManagedFieldsEntry, { manager, operation, apiVersion, subresource, time, fields }: Manager): boolean {
  return (
    entry.fieldsV1 === fields &&
    entry.time === time &&
    entry.subresource === subresource &&
    entry.manager === manager &&
    entry.operation === operation &&
    entry.apiVersion === apiVersion &&
    entry.fieldsType === 'FieldsV1'
  )
}

const ORDER = ['operation', 'time', 'manager', 'apiVersion', 'subresource'] as const

/** In the order in which they are stored. */
export function compareEntries(a: ManagedFieldsEntry, b: ManagedFieldsEntry): number {
  for (const field of ORDER) {
    const left = a[field] ?? ''
    const right = b[field] ?? ''
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

/** At most ten update managers: the oldest of one version become one. */
export function capUpdateManagers(managers: Managers): void {
  if (managers.size <= MAX_UPDATE_MANAGERS) return
  const updaters = [...managers].filter(([, { operation }]) => operation === 'Update')
  updaters.sort(([idA, a], [idB, b]) => compareTexts([a.time ?? '', idA], [b.time ?? '', idB]))
  let count = updaters.length
  const firsts = new Map<string, string>()
  for (const [id, old] of updaters) {
    if (count <= MAX_UPDATE_MANAGERS) return
    const first = firsts.get(old.apiVersion)
    if (first === undefined) {
      firsts.set(old.apiVersion, id)
      continue
    }
    const identity: Identity = { manager: OLD_UPDATES, operation: 'Update', apiVersion: old.apiVersion }
    const bucketId = identityOf(identity)
    const bucket = managers.get(bucketId) ?? managers.get(first)!
    managers.delete(first)
    managers.delete(id)
    managers.set(bucketId, { ...identity, fields: union(bucket.fields, old.fields), ...(old.time ? { time: old.time } : {}) })
    count--
  }
}

/** Whether a client asks to forget all managers: an empty list, or one empty entry. */
export function isReset(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  if (!entries) return false
  return entries.length === 0 || (entries.length === 1 && Object.keys(entries[0]!).length === 0)
}

/** Whether two lists say the same but for the times. */
export function sameButForTimes(left: readonly ManagedFieldsEntry[] = [], right: readonly ManagedFieldsEntry[] = []): boolean {
  if (left.length !== right.length) return false
  const byOwner = new Map(right.map((entry) => [ownerOf(entry), entry]))
  return left.every((entry) => {
    const other = byOwner.get(ownerOf(entry))
    return other !== undefined && equal(entry.fieldsV1, other.fieldsV1)
  })
}

/** `"kubectl" using apps/v1`: how conflicts name a manager. */
export function formatManager({ manager, operation, apiVersion, subresource }: Identity): string {
  const name = goQuoted(manager) + (subresource ? ` with subresource ${goQuoted(subresource)}` : '')
  return operation === 'Update' ? `${name} using ${apiVersion}` : name
}

function ownerOf({ manager, operation, apiVersion, subresource }: ManagedFieldsEntry): string {
  return JSON.stringify([manager ?? '', operation ?? '', apiVersion ?? '', subresource ?? ''])
}

function compareTexts(a: readonly string[], b: readonly string[]): number {
  for (const [i, text] of a.entries()) if (text !== b[i]) return text < b[i]! ? -1 : 1
  return 0
}
