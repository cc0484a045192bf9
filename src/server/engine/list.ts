// GET and LIST: what is there, as fresh as asked for, in pages that show one moment. Answers with stored objects; how they are sent is not decided here.
import { invalidError, notFoundError, StatusError } from '#api/status.ts'
import { type FieldError, forbidden, notSupported } from '#api/field-error.ts'
import type { ObjectKey } from '#api/object.ts'
import { storedObject } from '#server/cache/store-mirror.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import type { StoredResource } from '#server/registry.ts'
import { Compacted } from '#store/store.ts'
import { decodeContinue, encodeContinue, expiredContinue } from './continue-token.ts'
import { type Engine, storageKey } from './engine.ts'
import { inSlices } from './slices.ts'
import { covers, type Selection, selectionOf, selects, selectsAll, type SelectionText } from './selection.ts'
import { allShown, isShownApart, shown } from './shown.ts'
import { freshEnough, parseListRevision, parseRevision, tooLarge } from './versions.ts'

export interface ListRequest extends SelectionText {
  resourceVersion?: string | undefined
  resourceVersionMatch?: string | undefined
  limit?: number | undefined
  continue?: string | undefined
  /** Only watches know it; a list is refused with it. */
  sendInitialEvents?: boolean | undefined
}

export interface Listing {
  items: StoredObject[]
  revision: number
  continue?: string
  remaining?: number
}

const SCAN_PAGE = 500

/** A promise only where one has to wait. */
export function getObject(
  engine: Engine,
  resource: StoredResource,
  key: ObjectKey & { resourceVersion?: string },
): StoredObject | Promise<StoredObject> {
  const wait = freshEnough(engine, parseRevision(key.resourceVersion))
  return wait ? wait.then(() => presentObject(resource, key)) : presentObject(resource, key)
}

function presentObject(resource: StoredResource, key: ObjectKey): StoredObject | Promise<StoredObject> {
  const stored = resource.cache.get(storageKey(resource, key))
  if (!stored) throw notFoundError(resource.kind, key.name)
  return isShownApart(resource) ? shown(resource, stored) : stored
}

export async function listObjects(engine: Engine, resource: StoredResource, request: ListRequest): Promise<Listing> {
  checkOptions(request)
  const selection = selectionOf(resource, request)
  const limit = request.limit && request.limit > 0 ? request.limit : undefined
  if (request.continue) {
    const { continue: token, resourceVersion = '' } = request
    return nextPage(engine, resource, { selection, limit: limit ?? Infinity, token, resourceVersion })
  }
  const revision = parseListRevision(request.resourceVersion)
  // Before resourceVersionMatch there was, a version with a limit meant that very version.
  const exact = request.resourceVersionMatch === 'Exact' || (!request.resourceVersionMatch && limit !== undefined && (revision ?? 0) > 0)
  if (exact) return pageAt(engine, resource, { selection, limit: limit ?? Infinity, revision: revision! })
  const wait = freshEnough(engine, revision)
  if (wait) await wait
  return firstPage(engine, resource, { selection, limit })
}

async function firstPage(
  engine: Engine,
  resource: StoredResource,
  { selection, limit }: { selection: Selection; limit: number | undefined },
): Promise<Listing> {
  const { mirror } = engine
  if (selection.key !== undefined) {
    const present = resource.cache.get(selection.key)
    const one = present && isShownApart(resource) ? await shown(resource, present) : present
    return { items: one && selects(selection, one, { resource, recent: mirror.recent }) ? [one] : [], revision: mirror.revision }
  }
  const everything = selectsAll(selection)
  const { revision, recent } = mirror
  const scanned = resource.cache.list(selection.prefix, everything && limit ? { limit: limit + 1 } : {})
  const found = everything
    ? scanned
    : await select(await allShown(resource, scanned), (stored) => selects(selection, stored, { resource, recent }), { engine, limit })
  const show = (items: StoredObject[]) => (everything ? allShown(resource, items) : items)
  if (limit === undefined || found.length <= limit) return { items: await show(found), revision }
  const items = await show(found.slice(0, limit))
  return {
    items,
    revision,
    continue: encodeContinue({ revision, after: items.at(-1)!.key, prefix: selection.prefix }),
    ...(everything ? { remaining: resource.cache.count(selection.prefix) - limit } : {}),
  }
}

/** Fields and labels may mean parsing: a snapshot is looked through in slices. One more than the limit is enough. */
async function select(
  items: readonly StoredObject[],
  picks: (stored: StoredObject) => boolean,
  { engine, limit = Infinity }: { engine: Engine; limit?: number | undefined },
): Promise<StoredObject[]> {
  const found: StoredObject[] = []
  const step = (stored: StoredObject) => {
    if (picks(stored)) found.push(stored)
    return found.length <= limit
  }
  await inSlices(items, engine.clock, { step, bytesOf: ({ bytes }) => bytes.length })
  return found
}

async function nextPage(
  engine: Engine,
  resource: StoredResource,
  { selection, limit, token, resourceVersion }: { selection: Selection; limit: number; token: string; resourceVersion: string },
): Promise<Listing> {
  const { revision, after } = decodeContinue(token, selection.prefix)
  if (resourceVersion && resourceVersion !== '0')
    throw new StatusError('BadRequest', 'specifying resource version is not allowed when using continue')
  if (revision < 0) return pageAt(engine, resource, { selection, limit, revision: engine.store.revision(), after })
  try {
    return await pageAt(engine, resource, { selection, limit, revision, after })
  } catch (error) {
    if (error instanceof StatusError && error.reason === 'Expired') throw expiredContinue({ after, prefix: selection.prefix })
    throw error
  }
}

/** Reads the store's past: pages after the first, and exact versions. */
async function pageAt(
  engine: Engine,
  resource: StoredResource,
  { selection, limit, revision, after }: { selection: Selection; limit: number; revision: number; after?: string },
): Promise<Listing> {
  if (revision > engine.store.revision()) throw tooLarge(revision, engine.store.revision())
  const items: StoredObject[] = []
  const everything = selectsAll(selection)
  for (let from = after; ; ) {
    const want = Math.min(everything ? limit - items.length : SCAN_PAGE, SCAN_PAGE)
    const page = await readPast(engine, selection.prefix, { limit: want, revision, ...(from === undefined ? {} : { after: from }) })
    const past = page.entries.map((entry) => {
      const stored = resource.cache.get(entry.key)
      return stored?.revision === entry.revision ? stored : storedObject(entry)
    })
    for (const [index, known] of (await allShown(resource, past)).entries()) {
      const { key } = known
      if (!covers(selection, key) || !selects(selection, known, { resource, recent: engine.mirror.recent })) continue
      items.push(known)
      const more = index + 1 < page.entries.length || page.next !== undefined
      if (items.length < limit || !more) continue
      const remaining = everything && page.remaining !== undefined ? page.remaining : undefined
      return {
        items,
        revision,
        continue: encodeContinue({ revision, after: key, prefix: selection.prefix }),
        ...(remaining === undefined ? {} : { remaining }),
      }
    }
    if (page.next === undefined) return { items, revision }
    from = page.next
  }
}

async function readPast(engine: Engine, prefix: string, page: { after?: string; limit: number; revision: number }) {
  try {
    return await engine.store.list(prefix, page)
  } catch (error) {
    if (error instanceof Compacted)
      throw new StatusError('Expired', 'The resourceVersion for the provided list is too old.', { cause: error })
    throw error
  }
}

function checkOptions({ resourceVersion = '', resourceVersionMatch: match = '', continue: token, sendInitialEvents }: ListRequest): void {
  const errors: FieldError[] = []
  const refuse = (detail: string) => errors.push(forbidden('resourceVersionMatch', detail))
  if (match) {
    if (!resourceVersion) refuse('resourceVersionMatch is forbidden unless resourceVersion is provided')
    if (token) refuse('resourceVersionMatch is forbidden when continue is provided')
    if (match !== 'Exact' && match !== 'NotOlderThan')
      errors.push(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']))
    if (match === 'Exact' && resourceVersion === '0') refuse('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
  }
  if (sendInitialEvents !== undefined) errors.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  if (errors.length > 0) throw invalidError({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors)
}
