// Reads bodies: small ones at once, large ones by a thread of their own, so that a body of megabytes keeps nobody else waiting. The thread is
// started when it is needed and ended when it has had nothing to do for a while. One body at a time, in the order they came.
import { Worker } from 'node:worker_threads'
import { parseNumerals } from '#api/schema/numeral.ts'
import { StatusError } from '#api/status.ts'
import type { Clock, Timer } from '#lib/clock.ts'
import { parseExactly } from '#lib/exact-json.ts'
import type { Logger } from '#lib/log.ts'
import { Gathering, nextTurn } from '#lib/paced.ts'
import type { Step, StepOutcome } from '#server/engine/steps.ts'
import { BodyRoom } from './body-room.ts'
import { carryOut, type Job, type Outcome } from './jobs.ts'
import { assemble } from './pieces.ts'
import type { Answer, Order } from './worker.ts'

/** From here on a body is large: reading it takes a few milliseconds. */
export const LARGE_BYTES = 128 * 1024
const IDLE_MS = 10_000
/** Longer than any body within bounds takes; whatever it is, it is not waited for. */
const MOST_MS = 30_000
const WORKER_HEAP_MB = 512

interface Waiting {
  order: Order
  resolve(answer: Answer): void
  reject(error: unknown): void
}

export class BodyReader implements AsyncDisposable {
  readonly room: BodyRoom
  /** Small bodies wait for those that come in the same turn, by whatever connection. */
  readonly gathering = new Gathering()
  readonly #clock: Clock
  readonly #log: Logger
  #worker: Worker | undefined
  readonly #queue: Waiting[] = []
  #busy: Waiting | undefined
  #timer: Timer | undefined

  constructor({ clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock
    this.#log = log
    this.room = new BodyRoom(clock)
  }

  /** At once where the body is small. Throws only what is a fault of the program, or StatusError where the body could not be read in time. */
  read(job: Job, body: Uint8Array): Outcome | Promise<Outcome> {
    return body.length < LARGE_BYTES ? carryOut(job, body) : this.#order<Outcome>({ job, body })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel()
    for (const { reject } of this.#queue.splice(0)) reject(new StatusError('ServiceUnavailable', 'the server is shutting down'))
    await this.#worker?.terminate()
  }

  /** Always by the thread. The texts stay the caller's. */
  step(step: Step, texts: readonly Uint8Array[]): Promise<StepOutcome> {
    return this.#order<StepOutcome>({ step, texts })
  }

  async #order<T extends { value?: unknown }>(order: Order): Promise<T> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#queue.push({ order, resolve, reject })
      this.#next()
    })
    if ('error' in answer) throw new Error(`a large body could not be worked on: ${answer.error}`)
    const { outcome, pieces } = answer
    // What is answered is what was asked for.
    const parse = 'numerals' in outcome ? parseNumerals : parseExactly
    return { ...outcome, ...(pieces ? { value: await assemble(pieces, nextTurn, parse) } : {}) } as unknown as T
  }

  #next(): void {
    if (this.#busy) return
    this.#timer?.cancel()
    this.#busy = this.#queue.shift()
    if (!this.#busy) {
      this.#timer = this.#clock.after(IDLE_MS, () => this.#end())
      return
    }
    this.#timer = this.#clock.after(MOST_MS, () => this.#end())
    this.#worker ??= this.#start()
    this.#worker.postMessage(this.#busy.order)
  }

  #start(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB } })
    // A cluster that is done does not wait for it.
    worker.unref()
    worker.on('message', (answer: Answer) => this.#settle((one) => one.resolve(answer)))
    worker.on('error', (error) => {
      this.#log.warn('a large body could not be read', { error })
      this.#lost(worker)
    })
    worker.on('exit', () => this.#lost(worker))
    return worker
  }

  /** Gives up what it is at, if anything. */
  #end(): void {
    const worker = this.#worker
    if (!worker) return
    void worker.terminate()
    this.#lost(worker)
  }

  #lost(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    if (this.#busy)
      this.#settle((one) => one.reject(new StatusError('RequestEntityTooLarge', 'the body of the request is too much to be read')))
  }

  #settle(how: (one: Waiting) => void): void {
    const one = this.#busy
    this.#busy = undefined
    if (one) how(one)
    this.#next()
  }
}
