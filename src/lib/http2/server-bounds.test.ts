// What a peer may cost: memory, time and connections it holds on to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { FLAG, FRAME, numberFrame, PREFACE } from './frames.ts'
import { data, frame, GREETING, head, RawPeer } from './raw-peer.ts'
import { serve, turn } from './testing.ts'

const SETTINGS = frame(FRAME.settings, 0, 0)
/** GET / of https. */
const GET = '828784'
const POST = '838784'
const get = (stream: number) => frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, stream, GET)
const post = (stream: number) => frame(FRAME.headers, FLAG.endHeaders, stream, POST)

test('ServerConnection leaves a peer that asks and never reads', async () => {
  const { near, far } = serve()
  near.on('error', () => {})
  near.write(Buffer.concat([PREFACE, SETTINGS]))
  const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame(FRAME.ping, 0, 0, '0000000000000000')))
  for (let i = 0; i < 40 && !far.destroyed; i++) {
    near.write(pings)
    await turn()
  }
  assert.equal(far.destroyed, true)
})

test('ServerConnection gives up an answer nobody takes, or takes by the byte, not one that is taken slowly', async () => {
  const clock = createVirtualClock()
  const { near, served } = serve((stream) => stream.respond(200, {}, Buffer.alloc(500_000)), clock)
  near.on('data', () => {})
  const smallWindow = frame(FRAME.settings, 0, 0, '0004000003e8')
  near.write(Buffer.concat([PREFACE, smallWindow, numberFrame(FRAME.windowUpdate, 0, 2 ** 30), get(1), get(3), get(5)]))
  await turn()
  for (let minute = 0; minute < 3; minute++) {
    near.write(numberFrame(FRAME.windowUpdate, 1, 70_000))
    near.write(numberFrame(FRAME.windowUpdate, 3, 10))
    for (let i = 0; i < 5; i++) await turn()
    await clock.advance(60_000)
  }
  assert.deepEqual(
    served.map(({ isClosed }) => isClosed),
    [false, true, true],
  )
  near.destroy()
})

test('ServerConnection lets the rest of a short body come behind the answer, and resets who does not send it, or much', async () => {
  const clock = createVirtualClock()
  const { near } = serve((stream) => stream.respond(403, {}, 'no'), clock)
  const peer = new RawPeer(near)
  const asked = (stream: number, length: number) =>
    head(
      stream,
      [
        [':method', 'POST'],
        [':scheme', 'https'],
        [':path', '/'],
        ['content-length', String(length)],
      ],
      { end: false },
    )
  peer.send(GREETING, asked(1, 2), asked(3, 2), asked(5, 100_000))
  await peer.until(() => peer.ended.has(1) && peer.ended.has(3) && peer.ended.has(5))
  await peer.settle()
  assert.deepEqual(peer.resets, [[5, 0]])
  peer.send(data(1, 'ab', { end: true }))
  await peer.settle()
  await clock.advance(1000)
  await peer.settle()
  assert.deepEqual(
    [peer.resets, peer.away],
    [
      [
        [5, 0],
        [3, 0],
      ],
      undefined,
    ],
  )
  near.destroy()
})

test('ServerConnection leaves who does not greet, does not end a header block, or asks nothing for long', async () => {
  const ending = async (milliseconds: number, ...parts: Buffer[]) => {
    const clock = createVirtualClock()
    const { near, far } = serve(() => {}, clock)
    const peer = new RawPeer(near)
    peer.send(...parts)
    for (let i = 0; i < 5; i++) await turn()
    await clock.advance(milliseconds)
    for (let i = 0; i < 5; i++) await turn()
    const ended = far.destroyed || far.writableEnded
    near.destroy()
    return ended ? (peer.away?.code ?? 'no word') : 'open'
  }
  const greeting = [PREFACE, SETTINGS]
  const cases: [milliseconds: number, parts: Buffer[], how: string | number][] = [
    [9000, [], 'open'],
    [11_000, [], 'no word'],
    [11_000, [PREFACE], 'no word'],
    [11_000, greeting, 'open'],
    [29_000, [...greeting, frame(FRAME.headers, 0, 1, GET)], 'open'],
    [31_000, [...greeting, frame(FRAME.headers, 0, 1, GET)], 11],
    [89_000, greeting, 'open'],
    [91_000, greeting, 0],
    [1_000_000, [...greeting, post(1)], 'open'],
    [91_000, [...greeting, post(1), numberFrame(FRAME.reset, 1, 8)], 0],
  ]
  for (const [milliseconds, parts, how] of cases) assert.equal(await ending(milliseconds, ...parts), how, `${milliseconds} ${parts.length}`)
})

test('ServerConnection leaves a peer that asks for what has no body and never reads', async () => {
  const { near, far } = serve((stream) => stream.respond(204, { 'x-filler': 'x'.repeat(300) }))
  near.on('error', () => {})
  near.write(Buffer.concat([PREFACE, SETTINGS]))
  let stream = 1
  for (let i = 0; i < 1000 && !far.destroyed; i++) {
    near.write(Buffer.concat(Array.from({ length: 30 }, () => get((stream += 2)))))
    await turn()
  }
  assert.equal(far.destroyed, true)
})

test('ServerConnection gives back the window of what nobody reads: of streams refused, answered early, padded, and of none', async () => {
  const { near } = serve((stream) => (stream.id === 3 ? stream.respond(403, {}) : undefined))
  let window = 65_535
  const peer = new RawPeer(near, ({ type, stream, payload }) => {
    if (type === FRAME.windowUpdate && stream === 0) window += payload.readUInt32BE()
  })
  peer.send(PREFACE, SETTINGS, post(1), numberFrame(FRAME.windowUpdate, 1, 0), post(3), post(5))
  await peer.settle()
  const whole = window
  const padding = frame(FRAME.data, FLAG.padded, 5, Buffer.concat([Buffer.from([255]), Buffer.alloc(255)]))
  for (let sent = 0; sent < whole * 2; sent += padding.length + 2 * 16_384) {
    await peer.until(() => window > 40_000)
    peer.send(frame(FRAME.data, 0, 1, Buffer.alloc(16_384)), frame(FRAME.data, 0, 3, Buffer.alloc(16_384)), padding)
    window -= 2 * 16_384 + padding.length - 9
  }
  await peer.settle()
  assert.deepEqual([peer.away, window > whole / 2], [undefined, true])
  near.destroy()
})
