// Sends a list in another form than the stored one: items are made one after another, large ones by the thread that reads large bodies.
import type { Writable } from 'node:stream'
import { Pace } from '#lib/paced.ts'
import { apiVersionOf } from '#api/object.ts'
import { listDefinitionOf } from '#api/openapi/definition-names.ts'
import { tableOf } from '#api/table.ts'
import { LARGE_BYTES } from '#server/decoding/body-reader.ts'
import { servedObject } from '#server/engine/encoding.ts'
import type { Engine } from '#server/engine/engine.ts'
import type { Listing } from '#server/engine/list.ts'
import type { Resource } from '#server/registry.ts'
import { messageFor } from './encode.ts'
import { aroundItems, type ItemForm, itemPart, type Part } from './list-forms.ts'
import { listMeta } from './list-stream.ts'
import { partApart } from './part-apart.ts'
import { type SlabPool, SlabWriter } from './slab-writer.ts'

/** Of stored objects: what is made before others have a turn. */
const SLICE_BYTES = 64 * 1024
/** Protobuf says first how long all of it is: items are kept until then, or made a second time. */
const KEPT_BYTES = 32 * 1024 * 1024

export interface FormStream {
  engine: Engine
  resource: Resource
  listing: Listing
  form: ItemForm
  pool: SlabPool
}

export async function streamForm(target: Writable, stream: FormStream): Promise<void> {
  const { pool, form } = stream
  const message = messageFor(form.negotiated, listDefinitionOf(stream.resource.kind))
  const writer = new SlabWriter(target, pool)
  const kept: Part[] = []
  let length = 0
  if (message)
    for await (const part of parts(stream, () => writer.broken)) {
      length += part.length
      if (length <= KEPT_BYTES) kept.push(part)
    }
  const { before, between, after } = aroundItems(emptyList(stream), { ...form, message, length })
  await write(writer, before)
  let first = true
  for await (const part of message && length <= KEPT_BYTES ? kept : parts(stream, () => writer.broken)) {
    if (!first && between) await write(writer, between)
    first = false
    await write(writer, part)
  }
  await write(writer, after)
  await writer.finish()
  if (!writer.broken) target.end()
}

function write(writer: SlabWriter, part: Part): Promise<void> | undefined {
  return typeof part === 'string' ? writer.text(part) : writer.bytes(Buffer.from(part.buffer, part.byteOffset, part.length), 0)
}

async function* parts({ engine, resource, listing, form }: FormStream, ended: () => boolean): AsyncGenerator<Part> {
  const pace = new Pace(SLICE_BYTES)
  for (const stored of listing.items) {
    if (ended()) return
    if (stored.bytes.length >= LARGE_BYTES) yield await partApart(engine, resource, { stored, form })
    else {
      await pace.after(stored.bytes.length)
      yield itemPart(resource.kind, resource.converts ? servedObject(resource, stored) : stored.glance(), form)
    }
  }
}

/** The document without its items. */
function emptyList({ resource: { kind }, listing, form: { negotiated, now } }: FormStream): { kind: string; apiVersion: string } {
  const { as, metaVersion } = negotiated
  const metadata = listMeta(listing)
  if (as === 'Table') return tableOf(kind, [], { now, version: metaVersion, listMeta: metadata })
  const type = as
    ? { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${metaVersion}` }
    : { kind: kind.listKind, apiVersion: apiVersionOf(kind) }
  return Object.assign(type, { metadata, items: [] })
}
