// Frames on their way to the peer: what one turn of the event loop brings leaves in one write. Tells how much has not been taken yet.
import type { Duplex } from 'node:stream'
import type { Done } from './server-stream.ts'

/** Up to here the pieces are joined; more are handed over as they are. */
const JOINED_BYTES = 16 * 1024

export class FrameWriter {
  readonly #socket: Duplex
  readonly #refill: () => void
  #parts: Buffer[] = []
  #bytes = 0
  #waiting: Done[] = []
  #inFlight = 0
  #scheduled = false

  /** `refill` is called before a write, and once one has been taken: it may add what has waited for room. */
  constructor(socket: Duplex, refill: () => void) {
    this.#socket = socket
    this.#refill = refill
  }

  /** Bytes the socket has not taken. */
  get backlog(): number {
    return this.#bytes + this.#inFlight
  }

  add(part: Buffer): void {
    this.#parts.push(part)
    this.#bytes += part.length
    this.schedule()
  }

  /** Called once all that has been added so far has left. */
  whenWritten(done: Done): void {
    this.#waiting.push(done)
    this.schedule()
  }

  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.flush())
  }

  flush(): void {
    this.#refill()
    this.#scheduled = false
    const [parts, bytes, waiting] = [this.#parts, this.#bytes, this.#waiting]
    if (parts.length === 0 && waiting.length === 0) return
    this.#parts = []
    this.#bytes = 0
    this.#waiting = []
    this.#inFlight += bytes
    this.#write(parts, bytes, (error) => {
      this.#inFlight -= bytes
      for (const done of waiting) done(error)
      this.#refill()
    })
  }

  #write(parts: Buffer[], bytes: number, done: Done): void {
    if (bytes <= JOINED_BYTES) {
      this.#socket.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes), done)
      return
    }
    this.#socket.cork()
    const last = parts.length - 1
    for (const [index, part] of parts.entries()) this.#socket.write(part, index === last ? done : undefined)
    this.#socket.uncork()
  }
}
