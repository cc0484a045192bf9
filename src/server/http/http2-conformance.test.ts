// RFC 9113 and RFC 7541 section by section, frame by frame, against a real listener: what breaks which rule, and what is answered.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import tls from 'node:tls'
import { systemClock } from '#lib/clock.ts'
import { CODE, FLAG, FRAME, MAX_WINDOW, numberFrame, PREFACE } from '#lib/http2/frames.ts'
import { block, data, frame, GREETING, head, RawPeer, settings } from '#lib/http2/raw-peer.ts'
import { createLogger } from '#lib/log.ts'
import { systemRandom } from '#lib/random.ts'
import { ensurePki } from '#server/pki/pki.ts'
import type { ServedExchange } from './exchange.ts'
import { Listener } from './listener.ts'

let listener: Listener
let dial: (...protocols: string[]) => tls.TLSSocket
const directory = mkdtempSync(join(tmpdir(), 'sampan-http2-'))

before(async () => {
  const { serving, authority } = await ensurePki({ directory, clock: systemClock, random: systemRandom, hostName: 'localhost' })
  listener = new Listener(
    { tls: { key: serving.key, cert: serving.certificate }, headersMs: 400 },
    { serve: (exchange) => void serve(exchange), log: createLogger({ write() {}, now: () => 0 }), clock: systemClock },
  )
  const { port } = await listener.listen()
  dial = (...protocols) => tls.connect({ port, host: '127.0.0.1', ca: authority, servername: 'localhost', ALPNProtocols: protocols })
})

after(async () => {
  await listener.close()
  rmSync(directory, { recursive: true })
})

/** `/hold` is not answered, `/size/N` with so many bytes, all else with the number of bytes of its body. */
async function serve(exchange: ServedExchange): Promise<void> {
  const { path, input } = exchange
  if (path === '/hold') return
  if (path.startsWith('/size/')) return exchange.send(200, {}, Buffer.alloc(Number(path.slice(6)), 'x'))
  let size = exchange.takeWhole?.()?.length
  if (size === undefined) {
    size = 0
    try {
      for await (const chunk of input) size += chunk.length
    } catch {
      return
    }
  }
  exchange.send(200, {}, `${size}`)
}

const field = (name: string, value: string) => [name, value] as const
const request = (method: string, path: string) => [field(':method', method), field(':scheme', 'https'), field(':path', path)]
const GET = request('GET', '/')
const POST = request('POST', '/')
const HOLD = request('POST', '/hold')
const get = head(1, GET)
const post = head(1, POST, { end: false })
/** A stream that stays open on our side, and half closed on the peer's. */
const hold = head(1, HOLD, { end: false })
const held = head(1, HOLD)
const reset = (stream: number) => numberFrame(FRAME.reset, stream, CODE.cancel)
const window = (stream: number, more: number) => numberFrame(FRAME.windowUpdate, stream, more)
/** A header block as it stands, behind a request for `/`. */
const hpack = (hex: string) => frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, `82 87 84 ${hex}`)

/** Waits until the stream's answer is whole. */
const answered = (stream: number) => stream
type Step = Buffer | number
/** `answer`: with this status; `reset`: of stream 1; `away`: the connection's end; `open`: nothing is said. */
type Expected = { answer: number } | { reset: number } | { away: number } | 'open'
type Case = [section: string, what: string, steps: Step[], expected: Expected]

const ok = { answer: 200 }
const { protocol, flowControl, streamClosed, frameSize, compression, refusedStream, enhanceYourCalm } = CODE
const away = (code: number) => ({ away: code })
const resets = (code: number) => ({ reset: code })

const CONNECTIONS: Case[] = [
  ['3.4', 'a request before the settings are acknowledged', [get], ok],
  ['4.1', 'a frame of a type that nobody knows', [frame(0x16, 0xff, 0, '00 00'), get], ok],
  ['4.1', 'flags that mean nothing', [frame(FRAME.ping, 0x16, 0, '00 00 00 00 00 00 00 00'), get], ok],
  ['4.1', 'the reserved bit of a stream', [frame(FRAME.headers, 5, 2 ** 31 + 1, block(...GET))], ok],
  ['4.2', 'DATA of the largest size', [post, data(1, Buffer.alloc(16_384), { end: true })], ok],
  ['4.2', 'DATA beyond it', [post, data(1, Buffer.alloc(16_385), { end: true })], away(frameSize)],
  ['4.2', 'HEADERS beyond it', [head(1, [...GET, field('a', 'x'.repeat(16_384))])], away(frameSize)],
  ['4.2', 'an unknown frame beyond it', [frame(0x16, 0, 0, Buffer.alloc(16_385))], away(frameSize)],
  ['4.3', 'a block that cannot be read', [frame(FRAME.headers, 5, 1, '00 85 f2 b2 4a 84 ff 84 49 50 9f ff')], away(compression)],
  ['4.3', 'trailers that cannot be read', [hold, frame(FRAME.headers, 5, 1, '80')], away(compression)],
  [
    '4.3',
    'a block that cannot be read, of a stream that is refused',
    [hold, reset(1), frame(FRAME.headers, 5, 3, '80')],
    away(compression),
  ],
  [
    '4.3',
    'a block interrupted by PRIORITY',
    [frame(FRAME.headers, 1, 1, block(...GET)), frame(FRAME.priority, 0, 1, '0000000010')],
    away(protocol),
  ],
  ['4.3', 'a block interrupted by another', [frame(FRAME.headers, 1, 1, block(...GET)), head(3, GET)], away(protocol)],
  ['4.3', 'a block interrupted by an unknown frame', [frame(FRAME.headers, 1, 1, block(...GET)), frame(0x16, 0, 0)], away(protocol)],
  ['5.4.1', 'GOAWAY names the last stream', [hold, head(3, HOLD), frame(FRAME.ping, 0, 1, '0000000000000000')], away(protocol)],
  ['6.5', 'SETTINGS with ACK and a payload', [frame(FRAME.settings, FLAG.ack, 0, '00')], away(frameSize)],
  ['6.5', 'SETTINGS of a stream', [frame(FRAME.settings, 0, 1, '00 03 00 00 00 64')], away(protocol)],
  ['6.5', 'SETTINGS of no multiple of six', [frame(FRAME.settings, 0, 0, '00 03 00')], away(frameSize)],
  ['6.5', 'an acknowledgement', [frame(FRAME.settings, FLAG.ack, 0), get], ok],
  ['6.5.2', 'ENABLE_PUSH 2', [settings([2, 2])], away(protocol)],
  ['6.5.2', 'ENABLE_PUSH 0 and 1', [settings([2, 0], [2, 1]), get], ok],
  ['6.5.2', 'a window of 2^31', [settings([4, 2 ** 31])], away(flowControl)],
  ['6.5.2', 'the largest window', [settings([4, MAX_WINDOW]), get], ok],
  ['6.5.2', 'MAX_FRAME_SIZE 16383', [settings([5, 16_383])], away(protocol)],
  ['6.5.2', 'MAX_FRAME_SIZE 2^24', [settings([5, 2 ** 24])], away(protocol)],
  ['6.5.2', 'MAX_FRAME_SIZE 2^24 - 1', [settings([5, 2 ** 24 - 1]), get], ok],
  ['6.5.2', 'MAX_CONCURRENT_STREAMS 0: nothing is pushed', [settings([3, 0]), get], ok],
  ['6.5.2', 'a table of every size', [settings([1, 0], [1, 2 ** 32 - 1], [1, 0], [1, 100]), get], ok],
  ['6.5.2', 'MAX_HEADER_LIST_SIZE 0 is advice', [settings([6, 0]), get], ok],
  ['6.5.2', 'settings that nobody knows', [settings([0, 1], [99, 2 ** 32 - 1]), get], ok],
  ['6.7', 'PING of a stream', [frame(FRAME.ping, 0, 1, '0000000000000000')], away(protocol)],
  ['6.7', 'PING of 7 bytes', [frame(FRAME.ping, 0, 0, '00000000000000')], away(frameSize)],
  ['6.7', 'PING of 9 bytes', [frame(FRAME.ping, 0, 0, '000000000000000000')], away(frameSize)],
  ['6.7', 'an acknowledgement nobody asked for', [frame(FRAME.ping, FLAG.ack, 0, '0102030405060708'), get], ok],
  ['6.8', 'GOAWAY of a stream', [frame(FRAME.goAway, 0, 1, '00 00 00 00 00 00 00 00')], away(protocol)],
  ['6.8', 'GOAWAY of 7 bytes', [frame(FRAME.goAway, 0, 0, '00 00 00 00 00 00 00')], away(frameSize)],
  ['6.8', 'a client that goes has its requests answered', [post, numberFrame(FRAME.goAway, 0, 0, 0), data(1, 'x', { end: true })], ok],
  ['6.9', 'WINDOW_UPDATE 0 of the connection', [window(0, 0)], away(protocol)],
  ['6.9', 'WINDOW_UPDATE of 3 bytes', [frame(FRAME.windowUpdate, 0, 0, '000001')], away(frameSize)],
  ['6.9', 'WINDOW_UPDATE of 5 bytes', [hold, frame(FRAME.windowUpdate, 0, 1, '0000000100')], away(frameSize)],
  ['6.9', 'the reserved bit of an increment', [hold, window(1, 2 ** 31 + 1), head(3, GET), answered(3)], 'open'],
  ['6.9.1', 'a window of the connection beyond 2^31 - 1', [window(0, MAX_WINDOW - 65_535), window(0, 1)], away(flowControl)],
  ['6.9.1', 'the largest window of the connection', [window(0, MAX_WINDOW - 65_535), get], ok],
  ['6.9.2', 'SETTINGS that widen a window beyond 2^31 - 1', [hold, window(1, 2 ** 30), settings([4, MAX_WINDOW])], away(flowControl)],
  [
    '6.9.2',
    'a window below nothing, and above it again',
    [settings([4, 10]), head(1, request('GET', '/size/20')), settings([4, 0]), settings([4, 20])],
    ok,
  ],
]

const STREAMS: Case[] = [
  ['5.1', 'DATA of an idle stream', [data(1, 'x')], away(protocol)],
  ['5.1', 'RST_STREAM of an idle stream', [reset(1)], away(protocol)],
  ['5.1', 'WINDOW_UPDATE of an idle stream', [window(1, 100)], away(protocol)],
  ['5.1', 'CONTINUATION of an idle stream', [frame(FRAME.continuation, FLAG.endHeaders, 1, block(...GET))], away(protocol)],
  ['5.1', 'PRIORITY of an idle stream', [frame(FRAME.priority, 0, 3, '00 00 00 00 10'), get], ok],
  ['5.1', 'DATA of a stream of ours, idle for ever', [hold, head(3, HOLD), data(2, 'x')], away(protocol)],
  ['5.1', 'RST_STREAM of a stream of ours', [hold, head(3, HOLD), reset(2)], away(protocol)],
  ['5.1', 'WINDOW_UPDATE of a stream of ours', [hold, head(3, HOLD), window(2, 1)], away(protocol)],
  ['5.1', 'half closed: DATA', [held, data(1, 'x')], resets(streamClosed)],
  ['5.1', 'half closed: HEADERS', [held, head(1, [])], resets(streamClosed)],
  ['5.1', 'half closed: CONTINUATION', [held, frame(FRAME.continuation, FLAG.endHeaders, 1)], away(protocol)],
  ['5.1', 'half closed: WINDOW_UPDATE', [held, window(1, 1)], 'open'],
  ['5.1', 'half closed: PRIORITY', [held, frame(FRAME.priority, 0, 1, '00 00 00 00 10')], 'open'],
  ['5.1', 'half closed: RST_STREAM', [held, reset(1)], 'open'],
  ['5.1', 'reset by its peer: DATA', [hold, reset(1), data(1, 'x')], away(streamClosed)],
  ['5.1', 'reset by its peer: HEADERS', [hold, reset(1), head(1, [])], away(streamClosed)],
  ['5.1', 'reset by its peer: CONTINUATION', [hold, reset(1), frame(FRAME.continuation, FLAG.endHeaders, 1)], away(protocol)],
  [
    '5.1',
    'reset by its peer: once more, PRIORITY, WINDOW_UPDATE',
    [hold, reset(1), reset(1), frame(FRAME.priority, 0, 1, '0000000010'), window(1, 1)],
    'open',
  ],
  ['5.1', 'closed: DATA', [get, answered(1), data(1, 'x')], away(streamClosed)],
  ['5.1', 'closed: HEADERS', [get, answered(1), head(1, GET)], away(streamClosed)],
  ['5.1', 'closed: CONTINUATION', [get, answered(1), frame(FRAME.continuation, FLAG.endHeaders, 1)], away(protocol)],
  [
    '5.1',
    'closed: RST_STREAM, WINDOW_UPDATE, PRIORITY',
    [get, answered(1), reset(1), window(1, 1), frame(FRAME.priority, 0, 1, '0000000010')],
    ok,
  ],
  [
    '5.1',
    'reset by the server: what was on its way',
    [hold, window(1, 0), data(1, 'x'), head(1, []), window(1, 0), reset(1)],
    resets(protocol),
  ],
  ['5.1.1', 'an even number', [head(2, GET)], away(protocol)],
  ['5.1.1', 'no number', [head(0, GET)], away(protocol)],
  ['5.1.1', 'a number below another', [head(5, HOLD), head(3, GET)], away(protocol)],
  ['5.1.1', 'numbers that leave some out', [head(1, GET), head(77, GET), head(99, GET)], ok],
  [
    '5.1.2',
    'a stream more than allowed',
    [...Array.from({ length: 250 }, (_, i) => head(i * 2 + 3, HOLD)), head(503, GET)],
    { reset: refusedStream },
  ],
  ['6.1', 'DATA of no stream', [data(0, 'x')], away(protocol)],
  ['6.1', 'padding as long as the payload', [post, frame(FRAME.data, FLAG.padded, 1, '01')], away(protocol)],
  ['6.1', 'padding longer than the payload', [post, frame(FRAME.data, FLAG.padded, 1, '06 00 00')], away(protocol)],
  ['6.1', 'padding without its length', [post, frame(FRAME.data, FLAG.padded, 1)], away(frameSize)],
  ['6.1', 'nothing but padding', [post, frame(FRAME.data, FLAG.padded | FLAG.endStream, 1, '02 00 00')], ok],
  ['6.1', 'empty DATA', [post, data(1, ''), data(1, '', { end: true })], ok],
  ['6.2', 'HEADERS without END_HEADERS, and another stream', [frame(FRAME.headers, 1, 1, block(...GET)), data(3, '')], away(protocol)],
  ['6.2', 'padding longer than the block', [frame(FRAME.headers, 5 | FLAG.padded, 1, '06 82 87 84')], away(protocol)],
  ['6.2', 'padding', [frame(FRAME.headers, 5 | FLAG.padded, 1, '02 82 87 84 00 00')], ok],
  ['6.2', 'a priority', [frame(FRAME.headers, 5 | FLAG.priority, 1, '00 00 00 05 ff 82 87 84')], ok],
  ['6.2', 'padding and a priority', [frame(FRAME.headers, 5 | FLAG.priority | FLAG.padded, 1, '01 00 00 00 05 ff 82 87 84 00')], ok],
  ['6.2', 'a priority that is cut off', [frame(FRAME.headers, 5 | FLAG.priority, 1, '82 87 84')], away(frameSize)],
  [
    '6.2',
    'padding that takes the priority away',
    [frame(FRAME.headers, 5 | FLAG.priority | FLAG.padded, 1, '03 82 87 84 00 00')],
    away(frameSize),
  ],
  ['6.3', 'PRIORITY of no stream', [frame(FRAME.priority, 0, 0, '00 00 00 00 10')], away(protocol)],
  ['6.3', 'PRIORITY of 4 bytes', [hold, frame(FRAME.priority, 0, 1, '00 00 00 00')], away(frameSize)],
  ['6.3', 'PRIORITY of 6 bytes', [hold, frame(FRAME.priority, 0, 1, '00 00 00 00 00 00')], away(frameSize)],
  ['6.4', 'RST_STREAM of no stream', [reset(0)], away(protocol)],
  ['6.4', 'RST_STREAM of 3 bytes', [hold, frame(FRAME.reset, 0, 1, '00 00 00')], away(frameSize)],
  ['6.4', 'RST_STREAM of 5 bytes', [hold, frame(FRAME.reset, 0, 1, '00 00 00 00 00')], away(frameSize)],
  ['6.6', 'PUSH_PROMISE', [frame(FRAME.pushPromise, 4, 1, `00 00 00 02 82`)], away(protocol)],
  ['6.9', 'WINDOW_UPDATE 0', [hold, window(1, 0)], resets(protocol)],
  ['6.9.1', 'a window beyond 2^31 - 1', [hold, window(1, MAX_WINDOW - 65_535), window(1, 1)], resets(flowControl)],
  ['6.9.1', 'more DATA than the window', [hold, ...Array.from({ length: 17 }, () => data(1, Buffer.alloc(16_000)))], resets(flowControl)],
  ['6.10', 'CONTINUATION of another stream', [frame(FRAME.headers, 1, 1, '82'), frame(FRAME.continuation, 4, 3, '87 84')], away(protocol)],
  ['6.10', 'CONTINUATION of no stream', [frame(FRAME.headers, 1, 1, '82'), frame(FRAME.continuation, 4, 0, '87 84')], away(protocol)],
  ['6.10', 'CONTINUATION after END_HEADERS', [held, frame(FRAME.continuation, 4, 1, '84')], away(protocol)],
  ['6.10', 'CONTINUATION after DATA', [hold, data(1, 'x'), frame(FRAME.continuation, 4, 1, '84')], away(protocol)],
  [
    '6.10',
    'many CONTINUATIONs',
    [
      frame(FRAME.headers, 1, 1, '82'),
      frame(FRAME.continuation, 0, 1),
      frame(FRAME.continuation, 0, 1, '87'),
      frame(FRAME.continuation, 4, 1, '84'),
    ],
    ok,
  ],
  [
    '6.10',
    'CONTINUATIONs without end',
    [frame(FRAME.headers, 1, 1, '82'), ...Array.from({ length: 40 }, () => frame(FRAME.continuation, 0, 1))],
    away(enhanceYourCalm),
  ],
  [
    '7',
    'an error code that nobody knows',
    [hold, numberFrame(FRAME.reset, 1, 0xff), numberFrame(FRAME.goAway, 0, 0, 0xff), head(3, GET), answered(3)],
    'open',
  ],
]

const malformed = resets(protocol)
const bad = (what: string, ...fields: (readonly [string, string])[]): Case => ['8.2', what, [head(1, [...GET, ...fields])], malformed]
const lacking = (what: string, ...fields: (readonly [string, string])[]): Case => ['8.3', what, [head(1, fields)], malformed]
const upload = (what: string, length: string, [body, ...more]: string[], expected: Expected): Case => [
  '8.1.1',
  what,
  body === undefined
    ? [head(1, [...POST, field('content-length', length)])]
    : [
        head(1, [...POST, field('content-length', length)], { end: false }),
        data(1, body, { end: more.length === 0 }),
        ...more.map((text) => data(1, text, { end: true })),
      ],
  expected,
]

const REQUESTS: Case[] = [
  ['8.1', 'trailers', [post, data(1, 'x'), head(1, [field('x-sum', '1')])], ok],
  ['8.1', 'trailers that do not end the stream', [hold, head(1, [field('x-sum', '1')], { end: false })], malformed],
  ['8.1', 'pseudo-headers among trailers', [hold, head(1, [field(':method', 'GET')])], malformed],
  ['8.1', 'trailers that are malformed', [hold, head(1, [field('A', 'b')])], malformed],
  upload('the length that was told', '4', ['body'], ok),
  upload('the length that was told, in parts', '4', ['bo', 'dy'], ok),
  upload('no body of no length', '0', [], ok),
  upload('less than was told', '5', ['body'], malformed),
  upload('more than was told', '3', ['body'], malformed),
  upload('more than was told, in parts', '3', ['bo', 'dy'], malformed),
  upload('nothing of what was told', '1', [], malformed),
  upload('a length that is no number', '-1', [], malformed),
  [
    '8.1.1',
    'less than was told, then trailers',
    [head(1, [...HOLD, field('content-length', '2')], { end: false }), data(1, 'x'), head(1, [])],
    malformed,
  ],
  bad('upper case', field('Accept', 'a')),
  bad('an empty name', field('', 'a')),
  bad('a space in a name', field('a b', 'c')),
  bad('a colon in a name', field('a:b', 'c')),
  bad('a control in a name', field('a\x01', 'c')),
  bad('a byte beyond ASCII in a name', field('a\xe9', 'c')),
  bad('NUL in a value', field('a', 'b\0c')),
  bad('CR in a value', field('a', 'b\rc')),
  bad('LF in a value', field('a', 'b\nc')),
  ['8.2.1', "blanks around a value, as Go's servers", [head(1, [...GET, field('a', ' b\t')])], ok],
  ['8.2.1', 'a tab, a space and a byte beyond ASCII in a value', [head(1, [...GET, field('a', 'b\t c\xe9'), field('e', '')])], ok],
  bad('connection', field('connection', 'keep-alive')),
  bad('keep-alive', field('keep-alive', '1')),
  bad('proxy-connection', field('proxy-connection', 'keep-alive')),
  bad('transfer-encoding', field('transfer-encoding', 'chunked')),
  bad('upgrade', field('upgrade', 'h2c')),
  bad('te of anything', field('te', 'trailers, deflate')),
  ['8.2.2', 'te: trailers', [head(1, [...GET, field('te', 'trailers')])], ok],
  ['8.2.3', 'cookies in parts', [head(1, [...GET, field('cookie', 'a=b'), field('cookie', 'c=d')])], ok],
  bad('a pseudo-header nobody knows', field(':test', 'x')),
  bad('a pseudo-header of answers', field(':status', '200')),
  ['8.3', 'a pseudo-header after others', [head(1, [...GET.slice(0, 2), field('a', 'b'), field(':path', '/')])], malformed],
  bad(':method twice', field(':method', 'GET')),
  bad(':scheme twice', field(':scheme', 'https')),
  bad(':path twice', field(':path', '/')),
  bad(':authority twice', field(':authority', 'a'), field(':authority', 'a')),
  lacking('no :method', ...GET.slice(1)),
  lacking('no :scheme', field(':method', 'GET'), field(':path', '/')),
  lacking('no :path', ...GET.slice(0, 2)),
  lacking('nothing'),
  lacking('an empty :path', ...GET.slice(0, 2), field(':path', '')),
  lacking('a :path that does not begin with a slash', ...GET.slice(0, 2), field(':path', 'a')),
  lacking('a :path of * without OPTIONS', ...GET.slice(0, 2), field(':path', '*')),
  lacking('a :method with a space', field(':method', 'GET /'), ...GET.slice(1)),
  lacking('an empty :method', field(':method', ''), ...GET.slice(1)),
  lacking('a :path that ends a line', ...GET.slice(0, 2), field(':path', '/\r\nhost: b')),
  ['8.3.1', 'a host that is not the :authority, which counts', [head(1, [...GET, field(':authority', 'a'), field('host', 'b')])], ok],
  ['8.3.1', ':authority and host that agree', [head(1, [...GET, field(':authority', 'a:1'), field('host', 'a:1')])], ok],
  ['8.3.1', 'OPTIONS *', [head(1, request('OPTIONS', '*'))], ok],
  ['8.5', 'CONNECT', [head(1, [field(':method', 'CONNECT'), field(':authority', 'a:1')])], ok],
  lacking('CONNECT without :authority', field(':method', 'CONNECT')),
  lacking('CONNECT with :path', field(':method', 'CONNECT'), field(':authority', 'a:1'), field(':path', '/')),
  lacking('CONNECT with :scheme', field(':method', 'CONNECT'), field(':authority', 'a:1'), field(':scheme', 'https')),
  lacking('CONNECT with :protocol', ...request('CONNECT', '/'), field(':authority', 'a:1'), field(':protocol', 'websocket')),
]

const COMPRESSION: Case[] = [
  ['2.3.3', 'an index beyond both tables', [hpack('be')], away(compression)],
  ['2.3.3', 'a name beyond both tables', [hpack('7f 00 01 61')], away(compression)],
  ['4.2', 'a size behind a field', [hpack('20')], away(compression)],
  ['4.2', 'two sizes before all fields', [frame(FRAME.headers, 5, 1, '20 3f e1 1f 82 87 84')], ok],
  [
    '4.3',
    'a size forgets what does not fit',
    [frame(FRAME.headers, 5, 1, '82 87 84 40 01 61 01 62'), frame(FRAME.headers, 5, 3, '20 82 87 84 be')],
    away(compression),
  ],
  [
    '4.4',
    'a field larger than the table empties it',
    [
      frame(FRAME.headers, 5, 1, '82 87 84 40 01 61 01 62'),
      frame(FRAME.headers, 5, 3, Buffer.concat([Buffer.from('828784400161 7fa11f'.replace(' ', ''), 'hex'), Buffer.alloc(4128, 'x')])),
      frame(FRAME.headers, 5, 5, '82 87 84 be'),
    ],
    away(compression),
  ],
  ['5.1', 'a number without end', [hpack('7f ff ff ff ff ff ff ff 7f')], away(compression)],
  ['5.1', 'a number cut off', [hpack('7f ff')], away(compression)],
  ['5.1', 'a number with zeros that say nothing', [hpack('0f 80 00 01 61')], ok],
  ['5.2', 'a string beyond its block', [hpack('00 05 61')], away(compression)],
  ['5.2', 'a string of 2^28 bytes', [hpack('00 7f 80 ff ff 7f 61')], away(compression)],
  ['5.2', 'Huffman padding longer than 7 bits', [hpack('00 01 61 84 49 50 9f ff')], away(compression)],
  ['5.2', 'Huffman padding of zeros', [hpack('00 01 61 83 49 50 90')], away(compression)],
  ['5.2', "Huffman code of the end's own", [hpack('00 84 ff ff ff ff 01 61')], away(compression)],
  ['6.1', 'index 0', [hpack('80')], away(compression)],
  ['6.2', 'a literal that is kept, and used', [hpack('40 01 61 01 62 be')], ok],
  ['6.2', 'literals that are not kept', [hpack('00 01 61 01 62 10 01 63 01 64')], ok],
  ['6.3', 'a size beyond what was told', [frame(FRAME.headers, 5, 1, '3f e2 1f 82 87 84')], away(compression)],
]

for (const [rfc, cases] of Object.entries({
  '9113 connections': CONNECTIONS,
  '9113 streams': STREAMS,
  '9113 requests': REQUESTS,
  '7541': COMPRESSION,
})) {
  test(`listener keeps to RFC ${rfc}`, async () => {
    for (const [section, what, steps, expected] of cases) await check(`${section}: ${what}`, steps, expected)
  })
}

async function check(title: string, steps: Step[], expected: Expected): Promise<void> {
  const socket = dial('h2')
  await once(socket, 'secureConnect')
  const peer = new RawPeer(socket)
  peer.send(GREETING)
  for (const step of steps) {
    if (typeof step === 'number') await peer.until(() => peer.ended.has(step))
    else peer.send(step)
  }
  await peer.settle()
  const about = `${title}: ${JSON.stringify({ away: peer.away, resets: peer.resets, statuses: [...peer.statuses] })}`
  if (typeof expected === 'object' && 'away' in expected) {
    assert.equal(peer.away?.code, expected.away, about)
    return peer.until(() => false)
  }
  assert.equal(peer.away, undefined, about)
  if (expected === 'open') assert.deepEqual(peer.resets, [], about)
  else if ('reset' in expected)
    assert.deepEqual(
      peer.resets.map(([, code]) => code),
      [expected.reset],
      about,
    )
  else {
    await peer.until(() => peer.ended.has(1))
    assert.deepEqual([peer.statuses.get(1), peer.resets], [expected.answer, []], about)
  }
  // The connection goes on.
  const last = 100_001
  peer.send(settings([4, 65_535]), head(last, GET))
  await peer.until(() => peer.ended.has(last) || peer.resets.length > 1)
  if (!title.startsWith('5.1.2')) assert.equal(peer.statuses.get(last), 200, about)
  socket.destroy()
}

test('listener takes nothing for HTTP/2 that does not begin like it', async () => {
  for (const [what, bytes] of [
    ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')],
    ['another version', Buffer.from('PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n')],
    ['no SETTINGS', Buffer.concat([PREFACE, get])],
    ['SETTINGS that acknowledge nothing', Buffer.concat([PREFACE, frame(FRAME.settings, FLAG.ack, 0), get])],
  ] as const) {
    const socket = dial('h2')
    await once(socket, 'secureConnect')
    const peer = new RawPeer(socket)
    peer.send(bytes)
    await peer.until(() => false)
    assert.deepEqual([peer.away?.code, peer.statuses.size], [CODE.protocol, 0], what)
  }
})

test('listener leaves who speaks HTTP/1.1 and does not end the head of a request', async () => {
  const ending = async (protocols: string[], text: string) => {
    const socket = dial(...protocols)
    await once(socket, 'secureConnect')
    socket.write(text)
    let answer = ''
    for await (const chunk of socket) answer += chunk
    return answer.split('\r')[0]
  }
  const said = await Promise.all([
    ending(['http/1.1'], ''),
    ending([], 'GET / HTTP/1.1\r\nhost: x\r\n'),
    ending([], 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  ])
  assert.deepEqual(said, Array(3).fill('HTTP/1.1 400 Bad Request'))
})

test('listener ends HTTP/2 connections of which nothing more is asked', async () => {
  const socket = dial('h2')
  await once(socket, 'secureConnect')
  const peer = new RawPeer(socket)
  peer.send(GREETING, head(1, request('GET', '/size/60000')), head(3, HOLD))
  await peer.until(() => peer.ended.has(1))
  await listener.close()
  await peer.until(() => false)
  assert.deepEqual([peer.away?.code, peer.bodies.get(1)?.reduce((sum, { length }) => sum + length, 0)], [0, 60_000])
})
