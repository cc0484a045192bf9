// Frames on their way to watchers: what one turn of the event loop brings goes to a watcher in one write, and watchers who get the same frames get
// the same bytes. A quiet cluster's event waits for nothing but the end of the turn; the busier the loop, the more share a write.
import type { Writable } from 'node:stream'

export class FanOut {
  #waiting: Outbox[] = []
  /** What was joined last, and of which frames: the next watcher most likely wants the same. */
  #frames: readonly Buffer[] = []
  #joined: Buffer | undefined

  /** Sends what `outbox` holds at the end of this turn. */
  schedule(outbox: Outbox): void {
    if (this.#waiting.push(outbox) === 1) setImmediate(() => this.#flush())
  }

  join(frames: readonly Buffer[]): Buffer {
    if (frames.length === 1) return frames[0]!
    if (!this.#joined || !sameFrames(this.#frames, frames)) {
      this.#joined = Buffer.concat(frames)
      this.#frames = frames
    }
    return this.#joined
  }

  #flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const outbox of waiting) outbox.flush()
    this.#joined = undefined
    this.#frames = []
  }
}

/** What one watcher has not been sent yet. */
export class Outbox {
  readonly #fanOut: FanOut
  readonly #target: Writable
  #frames: Buffer[] = []
  #bytes = 0
  /** Bytes added since the beginning. */
  added = 0

  constructor(fanOut: FanOut, target: Writable) {
    this.#fanOut = fanOut
    this.#target = target
  }

  /** Bytes the watcher lies behind. */
  get backlog(): number {
    return this.#bytes + this.#target.writableLength
  }

  add(frame: Buffer): void {
    this.#bytes += frame.length
    this.added += frame.length
    if (this.#frames.push(frame) === 1) this.#fanOut.schedule(this)
  }

  flush(): void {
    if (this.#frames.length === 0) return
    const frames = this.#frames
    this.#frames = []
    this.#bytes = 0
    if (!this.#target.destroyed && !this.#target.writableEnded) this.#target.write(this.#fanOut.join(frames))
  }
}

function sameFrames(left: readonly Buffer[], right: readonly Buffer[]): boolean {
  if (left.length !== right.length) return false
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false
  return true
}
