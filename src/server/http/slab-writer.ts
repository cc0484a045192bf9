// Bytes on their way to a client through two reused slabs: nothing is allocated per answer, nothing large is held, and everyone else gets a turn
// between two slabs.
import type { Writable } from 'node:stream'

export const SLAB_BYTES = 64 * 1024
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
export class SlabWriter {
  readonly #target: Writable
  readonly #pool: SlabPool
  #slabs: [Buffer, Buffer]
  #closed: Promise<void>
  #inFlight: Promise<void> | undefined
  #at = 0
  broken = false

  constructor(target: Writable, pool: SlabPool) {
    this.#target = target
    this.#pool = pool
    this.#slabs = [pool.take(), pool.take()]
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

  /** Where the text is known to be ASCII: spares looking. */
  ascii(text: string): Promise<void> | undefined {
    if (text.length > SLAB_BYTES - this.#at) return this.bytes(Buffer.from(text, 'latin1'), 0)
    this.#at += this.#slabs[0]!.write(text, this.#at, 'latin1')
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

  /** Resolves once the target has taken everything; the writer is done then. */
  async finish(): Promise<void> {
    await this.flush()
    await this.#inFlight
    // A write that broke off may still hold a slab: those are left to the collector.
    if (this.broken) return
    for (const slab of this.#slabs) this.#pool.give(slab)
  }
}
