// A client that does everything at random, and keeps the books: whatever comes between, every answer is whole and in order, no window is overdrawn, and
// nothing is left.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#lib/random.ts'
import { CODE, DEFAULT_WINDOW, FLAG, FRAME, numberFrame, SETTING } from './frames.ts'
import { data, frame, GREETING, head, RawPeer, settings, type Told } from './raw-peer.ts'
import type { ServerStream } from './server-stream.ts'
import { serve, turn } from './testing.ts'

const SEEDS = 20
const STEPS = 300

/** The bytes of an answer, told from each other by their place. */
function bytesOf(size: number, stream: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  for (let index = 0; index < size; index++) bytes[index] = index * 31 + stream + (index >>> 8)
  return bytes
}

const request = (method: string, path: string) =>
  [
    [':method', method],
    [':scheme', 'https'],
    [':path', path],
  ] as const

/** `/SIZE` is answered with so many bytes, `/SIZE/PIECE` piece by piece, and what is sent with itself. */
async function answer(stream: ServerStream): Promise<void> {
  const [, size, piece] = stream.head.path.split('/')
  if (stream.head.method === 'POST') {
    let body = stream.takeWhole()
    if (!body) {
      const chunks: Buffer[] = []
      for await (const chunk of stream.input) chunks.push(chunk as Buffer)
      body = Buffer.concat(chunks)
    }
    return stream.respond(200, {}, body)
  }
  const bytes = bytesOf(Number(size), stream.id)
  if (piece === undefined) return stream.respond(200, {}, bytes)
  const target = stream.open(200, {})
  for (let at = 0; at < bytes.length && !target.destroyed; at += Number(piece))
    await new Promise<void>((resolve) => target.write(bytes.subarray(at, at + Number(piece)), () => resolve()))
  target.end()
}

interface Asked {
  wanted: Buffer
  /** Not sent yet of the request's body. */
  rest: Buffer
  window: number
  got: number
  left: boolean
}

class Model {
  readonly peer: RawPeer
  readonly asked = new Map<number, Asked>()
  readonly served: ServerStream[]
  /** What the server may send, as far as it can know; less of a window counts once it has been acknowledged. */
  window = DEFAULT_WINDOW
  #initial = DEFAULT_WINDOW
  readonly #toBeAcknowledged: { less: number; below: number }[] = []
  #next = 1
  readonly #below: (end: number) => number

  constructor(seed: number) {
    const random = seededRandom(seed)
    this.#below = (end) => Math.floor(random.float() * end)
    const { near, served } = serve(answer)
    this.served = served
    this.peer = new RawPeer(near, (told) => this.#see(told))
    this.peer.send(GREETING)
    this.#toBeAcknowledged.push({ less: 0, below: 0 })
  }

  get open(): [number, Asked][] {
    return [...this.asked].filter(([id, { left }]) => !left && !this.peer.ended.has(id))
  }

  step(): void {
    const below = this.#below
    const [id, one] = this.open[below(this.open.length)] ?? []
    const what = below(12)
    if (what < 3 && this.open.length < 200) this.#ask(below)
    else if (what < 5) this.widen(0, 1 + below(30_000))
    else if (what < 8 && id !== undefined) this.widen(id, 1 + below(20_000))
    else if (what === 8) this.resize([0, 1, 1000, 16_384, 70_000, 200_000][below(6)]!)
    else if (what === 9 && one?.rest.length) this.upload(id!, 1 + below(20_000))
    else if (what === 10 && id !== undefined) {
      one!.left = true
      this.peer.send(numberFrame(FRAME.reset, id, CODE.cancel))
    } else this.peer.send(frame(FRAME.priority, 0, 1, '00000000ff'), frame(99, 255, below(1000), Buffer.alloc(below(100))))
  }

  #ask(below: (end: number) => number): void {
    const id = this.#next
    this.#next += 2
    const size = below(4) === 0 ? below(150_000) : below(3000)
    const upload = below(3) === 0
    const path = below(2) === 0 ? `/${size}` : `/${size}/${1 + below(40_000)}`
    const bytes = bytesOf(size, id)
    this.asked.set(id, { wanted: bytes, rest: upload ? bytes : Buffer.alloc(0), window: this.#initial, got: 0, left: false })
    this.peer.send(head(id, request(upload ? 'POST' : 'GET', path), { end: !upload || size === 0 }))
  }

  upload(id: number, most: number): void {
    const one = this.asked.get(id)!
    const piece = one.rest.subarray(0, Math.min(16_384, most))
    one.rest = one.rest.subarray(piece.length)
    this.peer.send(data(id, piece, { end: one.rest.length === 0 }))
  }

  widen(id: number, bytes: number): void {
    if (id === 0) this.window += bytes
    else this.asked.get(id)!.window += bytes
    this.peer.send(numberFrame(FRAME.windowUpdate, id, bytes))
  }

  resize(window: number): void {
    const more = window - this.#initial
    this.#initial = window
    if (more > 0) for (const one of this.asked.values()) one.window += more
    this.#toBeAcknowledged.push({ less: Math.min(0, more), below: this.#next })
    this.peer.send(settings([SETTING.initialWindowSize, window]))
  }

  #see({ type, flags, stream, payload }: Told): void {
    if (type === FRAME.settings && flags & FLAG.ack) {
      const { less, below } = this.#toBeAcknowledged.shift()!
      for (const [id, one] of this.asked) if (id < below) one.window += less
    }
    if (type !== FRAME.data) return
    const one = this.asked.get(stream)!
    assert.ok(payload.equals(one.wanted.subarray(one.got, one.got + payload.length)), `stream ${stream} at ${one.got}`)
    one.got += payload.length
    one.window -= payload.length
    this.window -= payload.length
    assert.ok(payload.length === 0 || (one.window >= 0 && this.window >= 0), `windows of ${stream}: ${one.window}, ${this.window}`)
  }
}

test('ServerConnection answers whole and in order, within every window, whatever comes between', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const model = new Model(seed)
    const { peer } = model
    for (let step = 0; step < STEPS; step++) {
      model.step()
      if (step % 5 === 0) await turn()
    }
    model.resize(2 ** 24)
    model.widen(0, 2 ** 30)
    for (const [id, { rest }] of model.open) for (let left = rest.length; left > 0; left -= 16_384) model.upload(id, 16_384)
    await peer.settle()
    await peer.until(() => model.open.length === 0)
    assert.equal(peer.away, undefined, `seed ${seed}`)
    for (const [id, { left, wanted, got }] of model.asked) if (!left) assert.equal(got, wanted.length, `seed ${seed}, stream ${id}`)
    assert.deepEqual(peer.resets, [], `seed ${seed}`)
    await peer.settle()
    assert.deepEqual([model.served.filter(({ isClosed }) => !isClosed).length, model.served.length > 30], [0, true])
    peer.socket.destroy()
  }
})
