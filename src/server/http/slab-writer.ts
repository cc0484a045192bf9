// Bytes on their way to a client through a few reused slabs: nothing is allocated per answer, nothing large is held, and everyone else gets a turn
// between two slabs.
import type { Writable } from 'node:stream'
import { type Clock, systemClock } from '#lib/clock.ts'
import { nextTurn } from '#lib/paced.ts'

export const SLAB_BYTES = 64 * 1024
const POOLED_SLABS = 16
/** With one alone, the server waits for each to be encrypted and sent whenever the machine is busy with something else. */
const MOST_IN_FLIGHT = 3

/** A peer that takes no slab in so long is given up. It lives in real time, whatever time the cluster has. */
const STALLED_MS = 60_000

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

/** Collects bytes in one slab while others are on their way. */
export class SlabWriter {
  readonly #target: Writable
  readonly #pool: SlabPool
  readonly #clock: Clock
  #slab: Buffer
  /** Taken and sent already: for the next bytes. */
  readonly #free: Buffer[] = []
  #inFlight = 0
  #taken: (() => void) | undefined
  #at = 0
  broken = false

  constructor(target: Writable, pool: SlabPool, clock: Clock = systemClock) {
    this.#target = target
    this.#pool = pool
    this.#clock = clock
    this.#slab = pool.take()
    const broken = () => {
      this.broken = true
      this.#taken?.()
    }
    target.on('error', broken)
    target.once('close', broken)
  }

  /** undefined: goes on at once. */
  text(text: string): Promise<void> | undefined {
    const size = Buffer.byteLength(text)
    if (size > SLAB_BYTES - this.#at) return this.bytes(Buffer.from(text), 0)
    this.#at += this.#slab.write(text, this.#at)
    return undefined
  }

  /** Where the text is known to be ASCII: spares looking. */
  ascii(text: string): Promise<void> | undefined {
    if (text.length > SLAB_BYTES - this.#at) return this.bytes(Buffer.from(text, 'latin1'), 0)
    this.#at += this.#slab.write(text, this.#at, 'latin1')
    return undefined
  }

  bytes(bytes: Buffer, from: number): Promise<void> | undefined {
    if (bytes.length - from > SLAB_BYTES - this.#at) return this.#overflow(bytes, from)
    this.#at += bytes.copy(this.#slab, this.#at, from)
    return undefined
  }

  async #overflow(bytes: Buffer, from: number): Promise<void> {
    for (let at = from; at < bytes.length && !this.broken; ) {
      const copied = bytes.copy(this.#slab, this.#at, at)
      at += copied
      this.#at += copied
      if (this.#at === SLAB_BYTES) await this.flush()
    }
  }

  async flush(): Promise<void> {
    if (this.broken || this.#at === 0) return
    const full = this.#slab
    this.#inFlight++
    this.#target.write(full.subarray(0, this.#at), () => {
      this.#inFlight--
      this.#free.push(full)
      this.#taken?.()
    })
    this.#at = 0
    while (this.#inFlight >= MOST_IN_FLIGHT && !this.broken) await this.#change()
    this.#slab = this.#free.pop() ?? this.#pool.take()
    await nextTurn()
  }

  /** Resolves once the target has taken everything; the writer is done then. */
  async finish(): Promise<void> {
    await this.flush()
    while (this.#inFlight > 0 && !this.broken) await this.#change()
    // A write that broke off may still hold a slab: those are left to the collector.
    if (this.broken) return
    for (const slab of [this.#slab, ...this.#free]) this.#pool.give(slab)
  }

  /** Resolves when a slab has been taken, or none will be any more. */
  async #change(): Promise<void> {
    using _stalled = this.#clock.after(STALLED_MS, () => this.#target.destroy())
    await new Promise<void>((resolve) => (this.#taken = resolve))
  }
}
