// Sends lists as they are stored, through two reused slabs, yielding between: no list is ever held whole, and small requests get their turn.
import type { Writable } from 'node:stream'
import { apiVersionOf } from '#api/object.ts'
import type { Listing } from '#server/engine/list.ts'
import { versionedHead, servedBytes, servedObject } from '#server/engine/encoding.ts'
import type { Resource } from '#server/registry.ts'
import { SLAB_BYTES, type SlabPool, SlabWriter } from './slab-writer.ts'

export interface ListStream {
  resource: Resource
  listing: Listing
  pool: SlabPool
}

/** The whole answer at once where it fits one slab; undefined: stream it. */
export function smallList(resource: Resource, listing: Listing, most = SLAB_BYTES): Buffer | undefined {
  if (resource.converts || listing.items.length > 1000) return undefined
  let size = 1024
  for (const { bytes } of listing.items) if ((size += bytes.length + 48) > most) return undefined
  const open = itemStart(resource)
  const body = Buffer.allocUnsafe(size + resource.head.length)
  let at = body.write(listHead(resource, listing))
  for (const [index, stored] of listing.items.entries()) {
    at += body.write(`${index === 0 ? '' : ','}{${versionedHead(resource, stored).slice(open)}`, at)
    at += stored.bytes.copy(body, at, resource.head.length)
  }
  at += body.write(']}\n', at)
  return body.subarray(0, at)
}

/** Items of a typed list do not repeat what the list says they are; custom resources do. */
const itemStart = ({ head, kind }: Resource): number => (repeatsKind(kind) ? 1 : head.indexOf('"metadata":{'))

export const repeatsKind = ({ schema }: Resource['kind']): boolean => schema.name === undefined

export async function streamList(target: Writable, { resource, listing, pool }: ListStream): Promise<void> {
  const writer = new SlabWriter(target, pool)
  await writer.text(listHead(resource, listing))
  const open = resource.head.slice(itemStart(resource))
  let before = ''
  for (const stored of listing.items) {
    if (writer.broken) return
    if (resource.converts) {
      const preparing = resource.large?.prepare(stored)
      if (preparing) await preparing
      if (resource.large?.known(stored) && repeatsKind(resource.kind)) {
        const waiting = writer.text(before)
        if (waiting) await waiting
        before = ','
        const sent = writer.bytes(servedBytes(resource, stored), 0)
        if (sent) await sent
        continue
      }
      const object = servedObject(resource, stored)
      const { kind: _kind, apiVersion: _version, ...item } = object
      const wait = writer.text(before + JSON.stringify(repeatsKind(resource.kind) ? object : item))
      before = ','
      if (wait) await wait
      continue
    }
    const version = stored.revision > 0 ? `"resourceVersion":"${stored.revision}",` : ''
    const waitHead = writer.ascii(`${before}{${open}${version}`)
    before = ','
    if (waitHead) await waitHead
    const waitTail = writer.bytes(stored.bytes, resource.head.length)
    if (waitTail) await waitTail
  }
  await writer.text(']}\n')
  await writer.finish()
  if (!writer.broken) target.end()
}

function listHead({ kind }: Resource, listing: Listing): string {
  return `{"kind":${JSON.stringify(kind.listKind)},"apiVersion":${JSON.stringify(apiVersionOf(kind))},"metadata":${JSON.stringify(listMeta(listing))},"items":[`
}

export function listMeta({ revision, continue: token, remaining }: Listing): Record<string, unknown> {
  return {
    resourceVersion: String(revision),
    ...(token ? { continue: token } : {}),
    ...(remaining ? { remainingItemCount: remaining } : {}),
  }
}
