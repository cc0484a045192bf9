// Lists as one document: Tables, metadata only, YAML. Rows are made in slices, so that a large table does not hold up everyone else.
import { apiVersionOf } from '#api/object.ts'
import { tableOf, type TableRow } from '#api/table.ts'
import { servedObject } from '#server/engine/encoding.ts'
import type { Engine } from '#server/engine/engine.ts'
import { objectApart } from '#server/engine/object-apart.ts'
import type { Listing } from '#server/engine/list.ts'
import type { Resource } from '#server/registry.ts'
import type { Call } from './call.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { nextTurn } from '#lib/paced.ts'
import { listMeta, repeatsKind } from './list-stream.ts'
import type { Negotiated } from './negotiate.ts'
import { partialMetadata } from './partial-metadata.ts'
import { includeObjectOf, notAcceptableForm } from './respond.ts'

const SLICE = 100
const SLICE_BYTES = 512 * 1024

export interface DocumentOptions {
  engine: Engine
  resource: Resource
  negotiated: Negotiated
}

export async function listDocument(call: Call, listing: Listing, { engine, resource, negotiated }: DocumentOptions): Promise<unknown> {
  const { kind } = resource
  const { as, metaVersion } = negotiated
  if (as === 'PartialObjectMetadata') throw notAcceptableForm(as, `a list (*${kind.version}.${kind.listKind})`)
  const metadata = listMeta(listing)
  if (as === 'Table') {
    const options = { now: engine.clock.now(), version: metaVersion, includeObject: includeObjectOf(call), listMeta: metadata }
    const table = tableOf(kind, [], options)
    const rows: TableRow[] = []
    for await (const slice of slices(listing, { engine, resource }))
      rows.push(
        ...tableOf(
          kind,
          slice.map((stored) => servedObject(resource, stored)),
          options,
        ).rows,
      )
    return { ...table, rows }
  }
  const items: unknown[] = []
  for await (const slice of slices(listing, { engine, resource })) {
    for (const stored of slice) {
      const object = servedObject(resource, stored)
      if (as) items.push(partialMetadata(object, metaVersion))
      else {
        const { kind: _kind, apiVersion: _version, ...item } = object
        items.push(repeatsKind(kind) ? object : item)
      }
    }
  }
  if (as) return { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${metaVersion}`, metadata, items }
  return { kind: kind.listKind, apiVersion: apiVersionOf(kind), metadata, items }
}

async function* slices(
  { items }: Listing,
  { engine, resource }: Pick<DocumentOptions, 'engine' | 'resource'>,
): AsyncGenerator<StoredObject[]> {
  let slice: StoredObject[] = []
  let bytes = 0
  for (const stored of items) {
    const size = stored.bytes.length
    if (slice.length === SLICE || (slice.length > 0 && bytes + size > SLICE_BYTES)) {
      yield slice
      await nextTurn()
      slice = []
      bytes = 0
    }
    if (size > SLICE_BYTES / 4 && !resource.converts) {
      await objectApart(engine.bodies, stored)
      await nextTurn()
    }
    slice.push(stored)
    bytes += size
  }
  yield slice
}
