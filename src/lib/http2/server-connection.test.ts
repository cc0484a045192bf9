import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { seededRandom } from '#lib/random.ts'
import { FLAG, FRAME, numberFrame, PREFACE } from './frames.ts'
import { frame, head, RawPeer } from './raw-peer.ts'
import type { ServerStream } from './server-stream.ts'
import { echo, serve, turn } from './testing.ts'

async function ask(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body?: Buffer | string) {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = once(stream, 'end')
  const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  await ended
  return { headers: answer, body: Buffer.concat(chunks) }
}

/** Node's client, which codes headers in Huffman code and keeps a table. */
const connect = (near: Duplex, settings: http2.Settings = {}) => http2.connect('http://x', { createConnection: () => near, settings })

test('ServerConnection answers requests of any size, many at once', async () => {
  const { near } = serve()
  const session = connect(near)
  const bodies = [0, 1, 10, 16_384, 16_385, 100_000, 300_000, 1_500_000].map((size) => Buffer.alloc(size, 'b'))
  for (const answer of await Promise.all(
    bodies.map(async (body) => [body, await ask(session, { ':method': 'POST', ':path': '/a' }, body)] as const),
  )) {
    assert.equal(answer[1].headers[':status'], 200)
    assert.ok(answer[1].body.equals(answer[0]))
  }
  assert.equal((await ask(session, { ':path': '/?size=3000000' })).body.length, 3_000_000)
  session.destroy()
})

test('ServerConnection keeps to small windows of clients, and streams take turns', async () => {
  const { near } = serve()
  const session = connect(near, { initialWindowSize: 1000 })
  const large = ask(session, { ':path': '/?size=200000' })
  const many = Array.from({ length: 50 }, (_, i) => ask(session, { ':path': `/?size=${i * 100}` }))
  for (const [i, answer] of (await Promise.all(many)).entries()) assert.equal(answer.body.length, i * 100)
  assert.equal((await large).body.length, 200_000)
  session.destroy()
})

test('ServerConnection lets a large answer have its part of a small window beside small ones without end', async () => {
  const { near } = serve((stream) => stream.respond(200, {}, Buffer.alloc(stream.id === 1 ? 500_000 : 2500)))
  let small = 1
  let taken = 0
  const peer = new RawPeer(near, ({ type, flags, stream, payload }) => {
    if (type !== FRAME.data) return
    taken += payload.length
    if (stream > 1 && flags & FLAG.endStream) peer.send(get((small += 2)))
    if (taken > 16_000) peer.send(numberFrame(FRAME.windowUpdate, 0, taken))
    if (taken > 16_000) taken = 0
  })
  peer.send(PREFACE, frame(FRAME.settings, 0, 0, '000400ffffff'), get(1))
  for (let i = 0; i < 60; i++) peer.send(get((small += 2)))
  await peer.until(() => peer.ended.has(1) || small > 10_000)
  assert.ok(peer.ended.has(1))
  near.destroy()
})

test('ServerConnection reads headers as node:http2 writes them, whatever is in them', async () => {
  const random = seededRandom(11)
  const seen: ServerStream[] = []
  const { near } = serve((stream) => {
    seen.push(stream)
    stream.respond(204, {})
  })
  const session = connect(near)
  for (let round = 0; round < 300; round++) {
    const headers: Record<string, string> = { ':path': `/${round % 7}` }
    for (let i = 0; i < 6; i++) {
      const length = Math.floor(random.float() * (random.float() < 0.1 ? 3000 : 40))
      headers[`x-${Math.floor(random.float() * 30)}`] = Array.from({ length }, () =>
        String.fromCharCode(33 + Math.floor(random.float() * 94)),
      ).join('')
    }
    await ask(session, headers)
    const got = { ...seen.at(-1)!.head.headers }
    delete got.host
    delete headers[':path']
    assert.deepEqual(got, headers)
  }
  session.destroy()
})

test('ServerConnection tells who serves that the client has left, and ends its streams', async () => {
  const { near, served } = serve((stream) => void stream.open(200, {}).write('begun'))
  const session = connect(near)
  const left = session.request({ ':path': '/a' })
  await once(left, 'data')
  let closed = 0
  const output = served[0]!.open(200, {})
  served[0]!.closed = () => closed++
  left.close(http2.constants.NGHTTP2_CANCEL)
  await once(output, 'close')
  assert.equal(closed, 1)
  assert.equal((await new Promise((resolve) => output.write('late', resolve))) instanceof Error, true)
  const other = session.request({ ':path': '/b' })
  await once(other, 'data')
  const second = served[1]!.open(200, {})
  session.destroy()
  await once(second, 'close')
  assert.equal(served[1]!.isClosed, true)
})

test('ServerConnection lets a body be read that comes bit by bit, and breaks it off with its client', async () => {
  const read: string[] = []
  const ended = Promise.withResolvers<void>()
  const { near } = serve(async (stream) => {
    try {
      for await (const chunk of stream.input) read.push(String(chunk))
    } catch {
      ended.resolve()
    }
  })
  const session = connect(near)
  const stream = session.request({ ':method': 'POST', ':path': '/' })
  stream.on('error', () => {})
  stream.write('one')
  while (read.length < 1) await turn()
  stream.write('two')
  while (read.length < 2) await turn()
  near.destroy()
  await ended.promise
  assert.deepEqual(read, ['one', 'two'])
})

test('ServerConnection holds a body that nobody reads to its window', async () => {
  const { near, served } = serve(() => {})
  const session = connect(near)
  const stream = session.request({ ':method': 'POST', ':path': '/' })
  let sent = 0
  const piece = Buffer.alloc(16_384)
  const more = () => stream.write(piece, (error) => error || (sent++, more()))
  more()
  for (let i = 0; i < 200; i++) await turn()
  assert.ok(sent <= 20, `${sent} pieces were taken`)
  const enough = Promise.withResolvers<void>()
  let read = 0
  served[0]!.input.on('data', (chunk) => (read += chunk.length) > 2_000_000 && enough.resolve())
  await enough.promise
  session.destroy()
})

test('ServerConnection answers before the body has come, and tells that no more is needed', async () => {
  const { near } = serve((stream) => stream.respond(403, {}, 'no'))
  const session = connect(near)
  const stream = session.request({ ':method': 'POST', ':path': '/' })
  stream.write(Buffer.alloc(1000))
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  assert.equal(headers[':status'], 403)
  stream.resume()
  await once(stream, 'close')
  assert.equal(stream.rstCode, 0)
  assert.equal((await ask(session, { ':path': '/' })).body.toString(), 'no')
  session.destroy()
})

test('ServerConnection asks for the body of who expects it, and reads trailers past', async () => {
  const { near } = serve()
  const session = connect(near)
  const stream = session.request({ ':method': 'POST', ':path': '/', expect: '100-continue' }, { waitForTrailers: true })
  await once(stream, 'continue')
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }))
  stream.end('body')
  let text = ''
  stream.on('data', (chunk) => (text += chunk))
  await once(stream, 'end')
  assert.equal(text, 'body')
  session.destroy()
})

test('ServerConnection probes a silent peer, and leaves one that does not answer', async () => {
  const { near, connection } = serve()
  const session = connect(near)
  await ask(session, { ':path': '/' })
  connection.probe()
  for (let i = 0; i < 10; i++) await turn()
  connection.probe()
  assert.equal((await ask(session, { ':path': '/' })).headers[':status'], 200)
  session.destroy()
  const silent = serve()
  silent.connection.probe()
  assert.equal(silent.far.destroyed, false)
  silent.connection.probe()
  assert.equal(silent.far.destroyed, true)
})

const SETTINGS = frame(FRAME.settings, 0, 0)
/** GET / of https. */
const GET = '828784'
const POST = '838784'
const get = (stream: number) => frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, stream, GET)
const post = (stream: number) => frame(FRAME.headers, FLAG.endHeaders, stream, POST)

interface Told {
  type: number
  stream: number
  payload: Buffer
}

/** Sends bytes as they are; what the server said, once it has nothing more to say. */
async function raw(parts: readonly Buffer[], handle?: (stream: ServerStream) => unknown) {
  const { near, far, served } = serve(handle)
  const received: Buffer[] = []
  near.on('data', (chunk) => received.push(chunk as Buffer)).on('error', () => {})
  for (const part of parts) {
    if (far.writableEnded) break
    near.write(part)
    await turn()
  }
  for (let i = 0; i < 20 && !far.writableEnded; i++) await turn()
  await turn()
  const told: Told[] = []
  const bytes = Buffer.concat(received)
  for (let at = 0; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3)
    told.push({ type: bytes[at + 3]!, stream: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, at + 9 + length) })
    at += 9 + length
  }
  near.destroy()
  const away = told.find(({ type }) => type === FRAME.goAway)
  const resets = told.filter(({ type }) => type === FRAME.reset).map(({ stream, payload }) => [stream, payload.readUInt32BE()])
  return {
    told,
    resets,
    served,
    closed: far.writableEnded,
    away: away && { code: away.payload.readUInt32BE(4), why: away.payload.subarray(8).toString() },
  }
}

test('ServerConnection ends connections that break the protocol, with the code and the reason', async () => {
  const window = (stream: number, more: number) => numberFrame(FRAME.windowUpdate, stream, more)
  const setting = (name: number, value: number) => {
    const payload = Buffer.alloc(6)
    payload.writeUInt16BE(name)
    payload.writeUInt32BE(value, 2)
    return frame(FRAME.settings, 0, 0, payload)
  }
  const cases: [string, Buffer[], number][] = [
    ['not a preface of HTTP/2', [Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')], 1],
    ['the first frame is not SETTINGS', [PREFACE, get(1)], 1],
    ['a frame of 16385 bytes', [PREFACE, SETTINGS, frame(FRAME.data, 0, 1, Buffer.alloc(16_385))], 6],
    ['DATA of no stream', [PREFACE, SETTINGS, frame(FRAME.data, 0, 0)], 1],
    ['DATA of no stream', [PREFACE, SETTINGS, frame(FRAME.data, 0, 1)], 1],
    ['HEADERS of no stream of a client', [PREFACE, SETTINGS, get(2)], 1],
    ['HEADERS of no stream', [PREFACE, SETTINGS, get(0)], 1],
    ['a header block is interrupted', [PREFACE, SETTINGS, frame(FRAME.headers, 0, 1, GET), get(3)], 1],
    ['CONTINUATION of nothing', [PREFACE, SETTINGS, frame(FRAME.continuation, FLAG.endHeaders, 1, GET)], 1],
    ['a header block with no field has the index 0', [PREFACE, SETTINGS, frame(FRAME.headers, 5, 1, '80')], 9],
    ['HEADERS that are too short', [PREFACE, SETTINGS, frame(FRAME.headers, 5 | FLAG.priority, 1, '82')], 6],
    ['more padding than payload', [PREFACE, SETTINGS, frame(FRAME.headers, 5 | FLAG.padded, 1, `ff${GET}`)], 1],
    ['padding of nothing', [PREFACE, SETTINGS, post(1), frame(FRAME.data, FLAG.padded, 1)], 6],
    ['RST_STREAM of a wrong size', [PREFACE, SETTINGS, frame(FRAME.reset, 0, 1, '00')], 6],
    ['RST_STREAM of no stream', [PREFACE, SETTINGS, numberFrame(FRAME.reset, 1, 8)], 1],
    ['SETTINGS of a stream', [PREFACE, frame(FRAME.settings, 0, 1)], 1],
    ['SETTINGS of a wrong size', [PREFACE, frame(FRAME.settings, 0, 0, '00')], 6],
    ['SETTINGS of a wrong size', [PREFACE, SETTINGS, frame(FRAME.settings, FLAG.ack, 0, '000300000001')], 6],
    ['a setting that is neither 0 nor 1', [PREFACE, setting(2, 2)], 1],
    ['a window that is too large', [PREFACE, setting(4, 2 ** 31)], 3],
    ['a frame size that is not allowed', [PREFACE, setting(5, 100)], 1],
    ['PING of a stream', [PREFACE, SETTINGS, frame(FRAME.ping, 0, 1, '0000000000000000')], 1],
    ['PING of a wrong size', [PREFACE, SETTINGS, frame(FRAME.ping, 0, 0, '00')], 6],
    ['WINDOW_UPDATE of a wrong size', [PREFACE, SETTINGS, frame(FRAME.windowUpdate, 0, 0, '00')], 6],
    ['WINDOW_UPDATE of nothing', [PREFACE, SETTINGS, window(0, 0)], 1],
    ['WINDOW_UPDATE of no stream', [PREFACE, SETTINGS, window(1, 1)], 1],
    ['a window that is too large', [PREFACE, SETTINGS, window(0, 2 ** 31 - 1)], 3],
    ['a client pushes', [PREFACE, SETTINGS, frame(FRAME.pushPromise, 4, 1, `00000002${GET}`)], 1],
    [
      'an endless header block',
      [PREFACE, SETTINGS, frame(FRAME.headers, 0, 1, GET), ...Array.from({ length: 40 }, () => frame(FRAME.continuation, 0, 1))],
      11,
    ],
    [
      'too many empty frames',
      [PREFACE, SETTINGS, post(1), Buffer.concat(Array.from({ length: 12_000 }, () => frame(FRAME.data, 0, 1)))],
      11,
    ],
    ['too many SETTINGS', [PREFACE, Buffer.concat(Array.from({ length: 1200 }, () => SETTINGS))], 11],
    ['too many settings', [PREFACE, frame(FRAME.settings, 0, 0, Buffer.alloc(33 * 6))], 11],
    [
      'too many streams that come to nothing',
      [
        PREFACE,
        SETTINGS,
        ...Array.from({ length: 1100 }, (_, i) => Buffer.concat([post(i * 2 + 1), numberFrame(FRAME.reset, i * 2 + 1, 8)])),
      ],
      11,
    ],
  ]
  for (const [why, parts, code] of cases) {
    const { away, closed } = await raw(parts)
    assert.deepEqual(away, { code, why })
    assert.equal(closed, true, why)
  }
})

test('ServerConnection resets streams that break the protocol, and goes on with the others', async () => {
  const large = Buffer.concat(Array.from({ length: 17 }, () => frame(FRAME.data, 0, 1, Buffer.alloc(16_000))))
  const cases: [string, Buffer[], number][] = [
    ['no method', [frame(FRAME.headers, 5, 1, '8784')], 1],
    ['more than its window', [post(1), large], 3],
    ['DATA after its end', [get(1), frame(FRAME.data, 0, 1, '00')], 5],
    ['trailers that do not end it', [post(1), frame(FRAME.headers, FLAG.endHeaders, 1, '')], 1],
    ['a window of nothing', [post(1), numberFrame(FRAME.windowUpdate, 1, 0)], 1],
    ['a window that is too large', [post(1), numberFrame(FRAME.windowUpdate, 1, 2 ** 31 - 1)], 3],
  ]
  for (const [what, parts, code] of cases) {
    const { resets, away, told } = await raw([PREFACE, SETTINGS, ...parts, get(3)], (stream) => stream.id === 3 && stream.respond(200, {}))
    assert.deepEqual(resets, [[1, code]], what)
    assert.equal(away, undefined, what)
    assert.ok(
      told.some(({ type, stream }) => type === FRAME.headers && stream === 3),
      what,
    )
  }
})

test('ServerConnection hands a small body over with its request', async () => {
  const whole: (string | undefined)[] = []
  const request = [
    post(1),
    frame(FRAME.data, FLAG.padded, 1, Buffer.from('\x02body\0\0')),
    frame(FRAME.data, FLAG.endStream, 1, Buffer.from('!')),
  ]
  await raw([PREFACE, SETTINGS, Buffer.concat(request), post(3)], (stream) => whole.push(stream.takeWhole()?.toString()))
  assert.deepEqual(whole, ['body!', undefined])
})

test('ServerConnection begins many requests a few at a time, in order', async () => {
  const rounds: number[][] = [[]]
  let turns = 0
  const { near } = serve((stream) => {
    while (rounds.length <= turns) rounds.push([])
    rounds[turns]!.push(stream.id)
  })
  near.write(Buffer.concat([PREFACE, SETTINGS, ...Array.from({ length: 100 }, (_, i) => get(i * 2 + 1))]))
  for (; turns < 12; turns++) await turn()
  const some = rounds.filter(({ length }) => length > 0)
  assert.deepEqual([some.map(({ length }) => length), some.flat()], [[64, 36], Array.from({ length: 100 }, (_, i) => i * 2 + 1)])
  near.destroy()
})

test('ServerConnection refuses more streams than it told, and answers 431 to too many headers', async () => {
  const { resets, served } = await raw([PREFACE, SETTINGS, Buffer.concat(Array.from({ length: 252 }, (_, i) => get(i * 2 + 1)))], () => {})
  assert.equal(served.length, 250)
  assert.deepEqual(resets, [
    [501, 7],
    [503, 7],
  ])
  const fields = `400161 7fa11e${'62'.repeat(4000)} ${'be'.repeat(100)}`.replaceAll(' ', '')
  const { told } = await raw([PREFACE, SETTINGS, frame(FRAME.headers, 5, 1, GET + fields), get(3)])
  const heads = told.filter(({ type }) => type === FRAME.headers)
  assert.equal(heads.length, 2)
  assert.ok(told.some(({ type, payload }) => type === FRAME.data && payload.toString() === 'Request Header Fields Too Large\n'))
})

test('ServerConnection leaves when it is told to: what was asked is answered, no more is taken, all is sent', async () => {
  const held: ServerStream[] = []
  const { near, far, connection } = serve((stream) => void held.push(stream))
  const peer = new RawPeer(near)
  peer.send(PREFACE, SETTINGS, get(1), post(3))
  await peer.settle()
  connection.leave()
  peer.send(get(5))
  await peer.settle()
  assert.deepEqual([held.length, peer.away, peer.resets], [2, { last: 3, code: 0, why: '' }, [[5, 7]]])
  held[1]!.respond(200, {}, 'late')
  held[0]!.respond(200, {}, Buffer.alloc(100_000))
  await peer.settle()
  assert.deepEqual([[...peer.ended], far.writableEnded], [[3], false], 'the window is not open for the first')
  peer.send(numberFrame(FRAME.windowUpdate, 0, 100_000), numberFrame(FRAME.windowUpdate, 1, 100_000))
  await peer.until(() => peer.ended.has(1))
  for (let i = 0; i < 5; i++) await turn()
  assert.deepEqual([Buffer.concat(peer.bodies.get(1)!).length, far.writableEnded, peer.told.at(-1)!.type], [100_000, true, FRAME.goAway])
  near.destroy()
})

test('ServerConnection asks for an expected body once it is wanted, and not where it is refused', async () => {
  const { near } = serve((stream) => (stream.head.path === '/no' ? stream.respond(403, {}) : echo(stream)))
  const peer = new RawPeer(near)
  const expecting = (stream: number, path: string) =>
    head(
      stream,
      [
        [':method', 'POST'],
        [':scheme', 'https'],
        [':path', path],
        ['expect', '100-Continue'],
      ],
      { end: false },
    )
  peer.send(PREFACE, SETTINGS, expecting(1, '/no'), expecting(3, '/'))
  await peer.settle()
  const heads = () => peer.told.filter(({ type }) => type === FRAME.headers).map(({ stream }) => stream)
  assert.deepEqual(
    [heads(), [...peer.statuses.values()]],
    [
      [1, 3],
      [403, 100],
    ],
  )
  peer.send(frame(FRAME.data, FLAG.endStream, 3, '00'))
  await peer.until(() => peer.ended.has(3))
  assert.deepEqual([heads(), peer.statuses.get(3)], [[1, 3, 3], 200])
  near.destroy()
})

test('ServerConnection survives frames cut and broken anywhere', async () => {
  const random = seededRandom(3)
  const below = (end: number) => Math.floor(random.float() * end)
  const good = [
    PREFACE,
    SETTINGS,
    get(1),
    post(3),
    frame(FRAME.data, FLAG.padded, 3, Buffer.from([3, 1, 2, 3, 4, 5, 6, 7])),
    frame(FRAME.data, FLAG.endStream, 3, Buffer.alloc(300)),
    numberFrame(FRAME.windowUpdate, 0, 1000),
    frame(FRAME.headers, FLAG.endStream, 5, GET),
    frame(FRAME.continuation, FLAG.endHeaders, 5, '400a637573746f6d2d6b65790c637573746f6d2d76616c7565'),
    numberFrame(FRAME.reset, 5, 8),
    frame(FRAME.ping, 0, 0, '0102030405060708'),
  ]
  for (let round = 0; round < 400; round++) {
    const bytes = Buffer.concat(good)
    if (round > 0) for (let i = below(4); i >= 0; i--) bytes[PREFACE.length + below(bytes.length - PREFACE.length)] = below(256)
    const parts: Buffer[] = []
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + below(round % 3 === 0 ? 3 : 200)
      parts.push(bytes.subarray(at, at + size))
      at += size
    }
    const { told, away } = await raw(parts)
    assert.ok(told.length > 0)
    if (round === 0) assert.deepEqual([away, told.filter(({ type }) => type === FRAME.headers).length], [undefined, 3])
  }
})
