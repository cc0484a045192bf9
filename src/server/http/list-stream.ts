// Sends lists as they are stored, through two reused slabs, yielding between: no list is ever held whole, and small requests get their turn.
import type { Writable } from 'node:stream'
import { apiVersionOf } from '#api/object.ts'
import type { Listing } from '#server/engine/list.ts'
import { headOf, servedObject } from '#server/engine/encoding.ts'
import type { Resource } from '#server/registry.ts'

const SLAB_BYTES = 64 * 1024
const POOLED_SLABS = 16

/** Slabs wait here for the next list: fresh ones for each would drive the collector. */
export class SlabPool {
  #free: Buffer[] = []

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
  }

  give(slab: Buffer): void {
    if (this.#free.length < POOLED_SLABS) this.#free.push(slab)
  }
}

/** Collects bytes in one slab while the other is on its way. */
class SlabWriter {
  readonly #target: Writable
  #slabs: [Buffer, Buffer]
  #closed: Promise<void>
  #inFlight: Promise<void> | undefined
  #at = 0
  broken = false

  constructor(target: Writable, slabs: [Buffer, Buffer]) {
    this.#target = target
    this.#slabs = slabs
    target.on('error', () => (this.broken = true))
    this.#closed = new Promise((resolve) => {
      target.once('close', () => {
        this.broken = true
        resolve()
      })
    })
  }

  /** undefined: goes on at once. */
  text(text: string): Promise<void> | undefined {
    const size = Buffer.byteLength(text)
    if (size > SLAB_BYTES - this.#at) return this.bytes(Buffer.from(text), 0)
    this.#at += this.#slabs[0]!.write(text, this.#at)
    return undefined
  }

  bytes(bytes: Buffer, from: number): Promise<void> | undefined {
    if (bytes.length - from > SLAB_BYTES - this.#at) return this.#overflow(bytes, from)
    this.#at += bytes.copy(this.#slabs[0]!, this.#at, from)
    return undefined
  }

  async #overflow(bytes: Buffer, from: number): Promise<void> {
    for (let at = from; at < bytes.length && !this.broken; ) {
      const copied = bytes.copy(this.#slabs[0]!, this.#at, at)
      at += copied
      this.#at += copied
      if (this.#at === SLAB_BYTES) await this.flush()
    }
  }

  async flush(): Promise<void> {
    if (this.#inFlight) await this.#inFlight
    if (this.broken || this.#at === 0) return
    const [full, free] = this.#slabs
    const part = full.subarray(0, this.#at)
    this.#slabs = [free, full]
    this.#at = 0
    this.#inFlight = Promise.race([new Promise<void>((resolve) => this.#target.write(part, () => resolve())), this.#closed])
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  async end(): Promise<void> {
    await this.flush()
    await this.#inFlight
    if (!this.broken) this.#target.end()
  }
}

export interface ListStream {
  resource: Resource
  listing: Listing
  pool: SlabPool
}

/** The whole answer at once where it fits one slab; undefined: stream it. */
export function smallList(resource: Resource, listing: Listing): Buffer | undefined {
  if (resource.converts || listing.items.length > 1000) return undefined
  let size = 1024
  for (const { bytes } of listing.items) if ((size += bytes.length + 32) > SLAB_BYTES) return undefined
  const open = resource.head.indexOf('"metadata":{')
  const body = Buffer.allocUnsafe(size + resource.head.length)
  let at = body.write(listHead(resource, listing))
  for (const [index, stored] of listing.items.entries()) {
    at += body.write(`${index === 0 ? '' : ','}{${headOf(resource, stored).slice(open)}`, at)
    at += stored.bytes.copy(body, at, resource.head.length)
  }
  at += body.write(']}\n', at)
  return body.subarray(0, at)
}

export async function streamList(target: Writable, { resource, listing, pool }: ListStream): Promise<void> {
  const slabs: [Buffer, Buffer] = [pool.take(), pool.take()]
  const writer = new SlabWriter(target, [...slabs])
  await writer.text(listHead(resource, listing))
  // Items of a typed list do not repeat what the list says they are.
  const open = resource.head.indexOf('"metadata":{')
  let first = true
  for (const stored of listing.items) {
    // A write that broke off may still hold a slab: those are left to the collector.
    if (writer.broken) return
    const before = first ? '' : ','
    first = false
    if (resource.converts) {
      const { kind: _kind, apiVersion: _version, ...item } = servedObject(resource, stored)
      const wait = writer.text(before + JSON.stringify(item))
      if (wait) await wait
      continue
    }
    const waitHead = writer.text(`${before}{${headOf(resource, stored).slice(open)}`)
    if (waitHead) await waitHead
    const waitTail = writer.bytes(stored.bytes, resource.head.length)
    if (waitTail) await waitTail
  }
  await writer.text(']}\n')
  await writer.end()
  if (writer.broken) return
  for (const slab of slabs) pool.give(slab)
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
