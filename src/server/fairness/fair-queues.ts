// The requests of one priority level: who runs at once, who waits in which queue, who is turned away. Fair queuing by virtual time as upstream does it:
// the queue whose next request would finish first, had all queues run side by side, goes first. Knows seats and flows, no requests and no users.
import { createHash } from 'node:crypto'
import type { Clock, Timer } from '#lib/clock.ts'

export interface Queuing {
  queues: number
  handSize: number
  queueLengthLimit: number
}

export type Rejection = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled'

export interface Work {
  flowSchema: string
  /** Of the flow among those of its schema. */
  distinguisher: string
  seats: number
  signal?: AbortSignal | undefined
  /** What people are told of it: not looked at here. */
  request?: unknown
}

/** A request that runs: `finish` gives its seats back, once. */
export interface Running {
  readonly work: Work
  /** The queue it came from, -1 where there is none. */
  readonly queue: number
  readonly waitedMs: number
  readonly startedMs: number
  /** `lasting` seats are held `lastingMs` longer. */
  finish(lasting?: number, lastingMs?: number): void
}

export interface Waiting {
  readonly work: Work
  readonly arrivedMs: number
}

interface Pending extends Waiting {
  queue: Queue
  start(): void
  refuse(reason: Rejection): void
}

interface Queue {
  index: number
  waiting: Pending[]
  waitingSeats: number
  executing: number
  seatsInUse: number
  /** Virtual time at which its next request begins. */
  nextDispatch: number
}

/** How long a request is taken to run before it did. */
const GUESS_MS = 3
const KNOWN_FLOWS = 10_000

export class FairQueues {
  readonly #clock: Clock
  readonly #waitLimitMs: number
  #queuing: Queuing | undefined
  #limit = 0
  #queues: Queue[] = []
  #hands = new Map<string, readonly number[]>()
  #virtual = 0
  #lastReal: number
  #robin = 0
  readonly #running = new Set<Running>()
  seatsInUse = 0
  executing = 0
  waiting = 0
  waitingSeats = 0
  /** Highest demand since last asked. */
  #peak = 0

  constructor({ clock, waitLimitMs, queuing }: { clock: Clock; waitLimitMs: number; queuing: Queuing | undefined }) {
    this.#clock = clock
    this.#waitLimitMs = waitLimitMs
    this.#lastReal = clock.monotonic()
    this.configure(queuing)
  }

  get limit(): number {
    return this.#limit
  }

  set limit(seats: number) {
    this.#advance()
    this.#limit = seats
    this.#dispatch()
  }

  /** Requests that wait stay where they are. */
  configure(queuing: Queuing | undefined): void {
    this.#queuing = queuing
    this.#hands.clear()
    for (let index = this.#queues.length; index < (queuing?.queues ?? 0); index++)
      this.#queues.push({ index, waiting: [], waitingSeats: 0, executing: 0, seatsInUse: 0, nextDispatch: this.#virtual })
  }

  /** Runs at once, or a promise that it will; a rejection's name where it will not. */
  admit(work: Work): Running | Rejection | Promise<Running | Rejection> {
    const now = this.#clock.monotonic()
    this.#note(this.seatsInUse + this.waitingSeats + work.seats)
    const queuing = this.#queuing
    if (!queuing) return this.#fits(work.seats) ? this.#run(work, { now, queue: undefined, waitedMs: 0 }) : 'concurrency-limit'
    this.#advance(now)
    const queue = this.#choose(work, queuing)
    if (this.waiting === 0 && this.#fits(work.seats)) {
      if (queue.executing === 0) queue.nextDispatch = this.#virtual
      return this.#run(work, { now, queue, waitedMs: 0 })
    }
    if (this.seatsInUse >= this.#limit && queue.waiting.length >= queuing.queueLengthLimit) return 'queue-full'
    return this.#wait(work, queue, now)
  }

  /** The most seats wanted at one moment since this was last asked. */
  takePeak(): number {
    const peak = this.#peak
    this.#peak = this.seatsInUse + this.waitingSeats
    return peak
  }

  get activeQueues(): number {
    return this.#queues.filter((queue) => isActive(queue)).length
  }

  /** For people: what runs. */
  get running(): Iterable<Running> {
    return this.#running
  }

  /** For people: what each queue holds. */
  *inspect(): Generator<{ index: number; waiting: readonly Waiting[]; executing: number; seatsInUse: number; nextDispatch: number }> {
    for (const { index, waiting, executing, seatsInUse, nextDispatch } of this.#queues)
      yield { index, waiting, executing, seatsInUse, nextDispatch }
  }

  #wait(work: Work, queue: Queue, now: number): Promise<Running | Rejection> {
    if (work.signal?.aborted) return Promise.resolve('cancelled')
    return new Promise((resolve) => {
      let timer: Timer | undefined
      const leave = () => {
        timer?.cancel()
        work.signal?.removeEventListener('abort', cancel)
        this.waiting--
        this.waitingSeats -= work.seats
        queue.waitingSeats -= work.seats
      }
      const pending: Pending = {
        work,
        arrivedMs: now,
        queue,
        start: () => {
          leave()
          const started = this.#clock.monotonic()
          resolve(this.#run(work, { now: started, queue, waitedMs: started - now }))
        },
        refuse: (reason) => {
          queue.waiting.splice(queue.waiting.indexOf(pending), 1)
          leave()
          resolve(reason)
        },
      }
      const cancel = () => pending.refuse('cancelled')
      work.signal?.addEventListener('abort', cancel, { once: true })
      timer = this.#clock.after(this.#waitLimitMs, () => pending.refuse('time-out'))
      if (!isActive(queue)) queue.nextDispatch = this.#virtual
      queue.waiting.push(pending)
      queue.waitingSeats += work.seats
      this.waiting++
      this.waitingSeats += work.seats
      this.#dispatch()
    })
  }

  #dispatch(): void {
    while (this.waiting > 0) {
      const queue = this.#next()
      const first = queue?.waiting[0]
      if (!queue || !first || !this.#fits(first.work.seats)) return
      queue.waiting.shift()
      this.#robin = queue.index
      first.start()
    }
  }

  /** Whose oldest request would be the first to finish; of equals, the one after the last served. */
  #next(): Queue | undefined {
    let best: Queue | undefined
    let earliest = Infinity
    const count = this.#queues.length
    for (let step = 1; step <= count; step++) {
      const queue = this.#queues[(this.#robin + step) % count]!
      const oldest = queue.waiting[0]
      if (!oldest) continue
      const finish = queue.nextDispatch + oldest.work.seats * GUESS_MS
      if (finish < earliest) {
        earliest = finish
        best = queue
      }
    }
    return best
  }

  #run(work: Work, { now, queue, waitedMs }: { now: number; queue: Queue | undefined; waitedMs: number }): Running {
    const { seats } = work
    this.seatsInUse += seats
    this.executing++
    if (queue) {
      queue.executing++
      queue.seatsInUse += seats
      queue.nextDispatch += seats * GUESS_MS
    }
    const running: Running = {
      work,
      queue: queue?.index ?? -1,
      waitedMs,
      startedMs: now,
      finish: (lasting = 0, lastingMs = 0) => {
        if (!this.#running.delete(running)) return
        this.executing--
        const end = this.#clock.monotonic()
        // What was charged for is set right: it ran for longer or shorter.
        if (queue) queue.nextDispatch += (end - now - GUESS_MS) * seats + lasting * lastingMs
        if (lasting > 0) this.#linger({ queue, before: seats, lasting, lastingMs })
        else this.#release(queue, seats, { done: true })
      },
    }
    this.#running.add(running)
    return running
  }

  /** Seats of what the request set off: the events its watchers are told. */
  #linger({ queue, before, lasting, lastingMs }: { queue: Queue | undefined; before: number; lasting: number; lastingMs: number }): void {
    this.#release(queue, before - lasting, { done: false })
    this.#clock.after(lastingMs, () => this.#release(queue, lasting, { done: true }))
  }

  #release(queue: Queue | undefined, seats: number, { done }: { done: boolean }): void {
    this.#advance()
    this.seatsInUse -= seats
    if (queue) {
      queue.seatsInUse -= seats
      if (done) queue.executing--
    }
    if (this.waiting > 0) this.#dispatch()
  }

  /** More than there are seats fits when nobody else runs. */
  #fits(seats: number): boolean {
    if (seats > this.#limit) return this.#limit > 0 && this.seatsInUse === 0
    return this.seatsInUse + seats <= this.#limit
  }

  #advance(now = this.#clock.monotonic()): void {
    const elapsed = now - this.#lastReal
    this.#lastReal = now
    if (elapsed <= 0 || this.executing + this.waiting === 0) return
    const wanted = this.seatsInUse + this.waitingSeats
    const active = this.waiting > 0 ? this.activeQueues : Math.max(1, Math.min(this.executing, this.#queues.length))
    if (active > 0) this.#virtual += (elapsed * Math.min(wanted, this.#limit)) / active
  }

  #choose({ flowSchema, distinguisher }: Work, queuing: Queuing): Queue {
    const flow = `${flowSchema},${distinguisher}`
    let hand = this.#hands.get(flow)
    if (!hand) {
      if (this.#hands.size >= KNOWN_FLOWS) this.#hands.clear()
      this.#hands.set(flow, (hand = deal(flow, queuing)))
    }
    let best = this.#queues[hand[0]!]!
    for (const index of hand) {
      const queue = this.#queues[index]!
      if (queue.waitingSeats + queue.seatsInUse < best.waitingSeats + best.seatsInUse) best = queue
    }
    return best
  }

  #note(demand: number): void {
    if (demand > this.#peak) this.#peak = demand
  }
}

function isActive({ waiting, executing }: Queue): boolean {
  return waiting.length > 0 || executing > 0
}

/** Shuffle sharding: the flow's own few queues, the same each time, rarely all the same as another flow's. */
export function deal(flow: string, { queues, handSize }: Pick<Queuing, 'queues' | 'handSize'>): number[] {
  let hash = createHash('sha256').update(flow).digest().readBigUInt64LE()
  const hand: number[] = []
  const remainders: number[] = []
  for (let at = 0; at < handSize; at++) {
    const rest = BigInt(queues - at)
    remainders.push(Number(hash % rest))
    hash /= rest
  }
  for (let at = 0; at < handSize; at++) {
    let card = remainders[at]!
    for (let before = at; before > 0; before--) if (card >= remainders[before - 1]!) card++
    hand.push(card)
  }
  return hand
}
