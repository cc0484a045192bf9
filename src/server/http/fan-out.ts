// Frames on their way to watchers: what one turn of the event loop brings goes to a watcher in one write, and watchers who get the same frames get
// the same bytes. A quiet cluster's event waits for nothing but the end of the turn; the busier the loop, the more share a write.
import type { Writable } from 'node:stream'

/** Written in one turn, about: encrypting takes its time. */
const TURN_BYTES = 2 * 1024 * 1024
const TURN_OUTBOXES = 2000

export class FanOut {
  #waiting: Outbox[] = []
  /** What was joined last, and of which frames: the next watcher most likely wants the same. */
  #frames: readonly Buffer[] = []
  #joined: Buffer | undefined
  /** The frames of an event while it is under way: those that are too much, or too soon out of date, to be kept with the event. */
  #passing: { of: object; frames: Map<string, Buffer> } | undefined

  /** The frame made for the same event and key, or a new one. */
  shared(of: object, key: string, make: () => Buffer): Buffer {
    if (this.#passing?.of !== of) this.#passing = { of, frames: new Map() }
    const { frames } = this.#passing
    const frame = frames.get(key) ?? make()
    frames.set(key, frame)
    return frame
  }

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
    let at = 0
    for (let bytes = 0; at < Math.min(waiting.length, TURN_OUTBOXES) && bytes < TURN_BYTES; at++) bytes += waiting[at]!.flush()
    this.#waiting = waiting.slice(at)
    // The others' turn is the next one, after everybody else's.
    if (this.#waiting.length > 0) return void setImmediate(() => this.#flush())
    this.#joined = undefined
    this.#frames = []
    this.#passing = undefined
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

  /** Tells how many bytes that was. */
  flush(): number {
    const bytes = this.#bytes
    if (this.#frames.length === 0) return 0
    const frames = this.#frames
    this.#frames = []
    this.#bytes = 0
    if (this.#target.destroyed || this.#target.writableEnded) return 0
    this.#target.write(this.#fanOut.join(frames))
    return bytes
  }
}

function sameFrames(left: readonly Buffer[], right: readonly Buffer[]): boolean {
  if (left.length !== right.length) return false
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false
  return true
}
