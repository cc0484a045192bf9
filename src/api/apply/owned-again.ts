// The everyday write: whoever makes it owns what it changes already, and nobody else does. Heartbeats are such, and most of what controllers write.
// Then nothing of the managers but one time is new, and that is seen without taking them apart.
import type { ManagedFieldsEntry } from '#api/object.ts'
import { formatTime } from '#lib/clock.ts'
import type { Comparison } from './compare.ts'
import { covers, intersects, isEmpty, isEncoded, sortedBy, union } from './fields.ts'
import { compareEntries } from './managers.ts'

export interface Writer {
  manager: string
  subresource: string
  apiVersion: string
  now: number
}

/** The entries after a change (without what the endpoint does not own); undefined where it is not so simple. */
export function ownedAgain(
  entries: readonly ManagedFieldsEntry[],
  { added, modified, removed }: Comparison,
  { manager, subresource, apiVersion, now }: Writer,
): readonly ManagedFieldsEntry[] | undefined {
  if (!isEmpty(removed)) return undefined
  const taken = union(modified, added)
  let own: ManagedFieldsEntry | undefined
  for (const entry of entries) {
    const { fieldsV1: fields } = entry
    // In another version what has changed may be called otherwise.
    if (entry.apiVersion !== apiVersion || entry.fieldsType !== 'FieldsV1' || !entry.time || !isEncoded(fields)) return undefined
    const isOwn = entry.operation === 'Update' && entry.manager === manager && (entry.subresource ?? '') === subresource
    if (isOwn ? own || !covers(fields, taken) : intersects(fields, taken)) return undefined
    if (isOwn) own = entry
  }
  if (isEmpty(taken)) return entries
  if (!own) return undefined
  const time = formatTime(now)
  if (time === own.time) return entries
  const later = { ...own, time }
  return sortedBy(
    entries.map((entry) => (entry === own ? later : entry)),
    compareEntries,
  )
}
