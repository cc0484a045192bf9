// Peers that break or strain HTTP/2 to keep the server busy or fill its memory: what each costs the server, and how long others wait meanwhile.
// usage: node bench/peers.ts [part of a name]
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { CODE, FLAG, FRAME, numberFrame } from '#lib/http2/frames.ts'
import { block, data, frame, GREETING, head, settings } from '#lib/http2/raw-peer.ts'
import { markdown, median } from './figures.ts'
import { LoadConnection, type Access } from './http2-load.ts'
import { ask, start, stop } from './server-process.ts'

const SECONDS = 3
const MAPS = '/api/v1/namespaces/default/configmaps'
const [only = ''] = process.argv.slice(2)
const directory = mkdtempSync(join(tmpdir(), 'sampan-peers-'))
const { child, ready } = await start('api-server.ts', [directory, '', 'loop'])
const sockets = new Set<Socket>()

/** One who is let in, or a stranger. */
async function dial(
  access: Access,
  { stranger = false, read = true, reads }: { stranger?: boolean; read?: boolean; reads?: (chunk: Buffer) => void } = {},
): Promise<TLSSocket> {
  const { hostname, port } = new URL(access.url)
  const { ca, cert, key } = access
  const socket = connect({ host: hostname, port: Number(port), ca, ALPNProtocols: ['h2'], ...(stranger ? {} : { cert, key }) })
  sockets.add(socket)
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  if (reads) socket.on('data', reads)
  else if (read) socket.resume()
  return socket
}

const request = (method: string, path: string) =>
  [
    [':method', method],
    [':scheme', 'https'],
    [':path', path],
  ] as const
const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))
const turn = () => new Promise((resolve) => setImmediate(resolve))
const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

/** Sends what is made until the time is over or the server has had enough; nothing waits for it. */
async function flood(socket: Socket, make: () => Buffer): Promise<void> {
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end && !socket.destroyed && !socket.writableEnded; ) {
    if (!socket.write(make()))
      for (const until = performance.now() + 200; socket.writableNeedDrain && performance.now() < until; ) await turn()
    await turn()
  }
}

const greet = async (options: Parameters<typeof dial>[1] = {}, ...first: Buffer[]) => {
  const socket = await dial(ready, options)
  socket.write(Buffer.concat([GREETING, ...first]))
  return socket
}
const odd = () => {
  let next = -1
  return () => (next += 2)
}
const each = (count: number, make: () => Buffer) => Buffer.concat(times(count, make))
const watches = times(249, (i) => head(i * 2 + 1, request('GET', '/api/v1/namespaces/nobody/configmaps?watch=1')))
const uploads = (count: number) =>
  times(count, (i) => head(i * 2 + 1, [...request('POST', MAPS), ['content-type', 'application/json']], { end: false }))

const ATTACKS: Record<string, () => Promise<void>> = {
  'nobody does anything': () => pause(SECONDS * 1000),
  'GET after GET, for comparison': async () => {
    const id = odd()
    await flood(await greet(), () => each(50, () => head(id(), request('GET', '/version'))))
  },
  'streams reset at once': async () => {
    const id = odd()
    await flood(await greet(), () =>
      each(100, () =>
        ((i) => Buffer.concat([head(i, request('GET', `${MAPS}?limit=500`)), numberFrame(FRAME.reset, i, CODE.cancel)]))(id()),
      ),
    )
  },
  'streams the server must reset': async () => {
    const id = odd()
    await flood(await greet(), () =>
      each(100, () => ((i) => Buffer.concat([head(i, request('GET', `${MAPS}?limit=500`)), numberFrame(FRAME.windowUpdate, i, 0)]))(id())),
    )
  },
  'requests that are malformed': async () => {
    const id = odd()
    await flood(await greet(), () => each(100, () => head(id(), [[':method', 'GET']])))
  },
  'CONTINUATION without end': async () => {
    const socket = await greet({}, frame(FRAME.headers, 0, 1, block(...request('GET', '/'))))
    await flood(socket, () => frame(FRAME.continuation, 0, 1, Buffer.alloc(16_384, 0x82)))
  },
  'headers that never end, on 300 connections': async () => {
    await Promise.all(
      times(300, () =>
        greet(
          { stranger: true },
          frame(FRAME.headers, 0, 1, block(['a', 'x'.repeat(16_000)])),
          ...times(14, () => frame(FRAME.continuation, 0, 1, Buffer.alloc(16_384, 0x82))),
        ),
      ),
    )
    await pause(1000)
  },
  'a header block that names a large field 16,000 times': async () => {
    const id = odd()
    const large = Buffer.concat([Buffer.from('400161 7fa11e'.replace(' ', ''), 'hex'), Buffer.alloc(4000, 0x62)])
    const socket = await greet({}, frame(FRAME.headers, 5, id(), Buffer.concat([Buffer.from('828784', 'hex'), large])))
    await flood(socket, () =>
      each(5, () => frame(FRAME.headers, 5, id(), Buffer.concat([Buffer.from('828784', 'hex'), Buffer.alloc(16_000, 0xbe)]))),
    )
  },
  'headers of 200 KB in Huffman code': async () => {
    const id = odd()
    const code = Buffer.alloc(16_000, 0x18)
    const long = Buffer.concat([Buffer.from([0, 1, 0x61, 0xff]), Buffer.from([0x81, 0x7c]), code])
    await flood(await greet(), () =>
      each(5, () => {
        const stream = id()
        return Buffer.concat([
          frame(FRAME.headers, 1, stream, Buffer.from('828784', 'hex')),
          ...times(8, (i) => frame(FRAME.continuation, i === 7 ? 4 : 0, stream, long)),
        ])
      }),
    )
  },
  'a window of nothing, and 250 large lists': async () => {
    await greet({}, settings([4, 0]), ...times(250, (i) => head(i * 2 + 1, request('GET', MAPS))))
    await pause(SECONDS * 1000)
  },
  'a window of nothing, and 250 large objects, on 20 connections': async () => {
    await Promise.all(times(20, () => greet({}, settings([4, 0]), ...times(250, (i) => head(i * 2 + 1, request('GET', '/openapi/v2'))))))
    await pause(SECONDS * 1000)
  },
  'a window of one byte at a time': async () => {
    const socket = await greet({}, settings([4, 1]), ...times(200, (i) => head(i * 2 + 1, request('GET', MAPS))))
    await flood(socket, () => each(10, () => Buffer.concat(times(200, (i) => numberFrame(FRAME.windowUpdate, i * 2 + 1, 1)))))
  },
  'settings, with 249 watches open': async () => {
    let window = 0
    const socket = await greet({}, ...watches)
    await flood(socket, () => each(200, () => settings([4, (window = 70_000 - window)])))
  },
  'settings of 30 windows each, with 249 watches open': async () => {
    const many = settings(...times(30, (i) => [4, i] as const))
    await flood(await greet({}, ...watches), () => each(100, () => many))
  },
  'settings, and the answers not read': async () => flood(await greet({ read: false }), () => each(500, () => settings())),
  PING: async () => flood(await greet(), () => each(1000, () => frame(FRAME.ping, 0, 0, '0000000000000000'))),
  PRIORITY: async () => flood(await greet(), () => each(1000, () => frame(FRAME.priority, 0, 1, '0000000010'))),
  'frames nobody knows': async () => flood(await greet(), () => each(1000, () => frame(99, 0, 0))),
  'RST_STREAM of a stream that is gone': async () => {
    const socket = await greet({}, head(1, request('GET', '/version')))
    await flood(socket, () => each(1000, () => numberFrame(FRAME.reset, 1, 8)))
  },
  'DATA without bytes': async () => flood(await greet({}, ...uploads(1)), () => each(1000, () => data(1, ''))),
  'DATA of one byte and 255 of padding': async () => {
    const piece = frame(FRAME.data, FLAG.padded, 1, Buffer.concat([Buffer.from([255, 0x20]), Buffer.alloc(255)]))
    await flood(await greet({}, ...uploads(1)), () => each(50, () => piece))
  },
  'DATA of one byte each, to 249 uploads': async () => {
    const socket = await greet({}, ...uploads(249))
    await flood(socket, () => Buffer.concat(times(249, (i) => data(i * 2 + 1, ' '))))
  },
  'a frame in TLS records of one byte, on 200 connections': async () => {
    const all = await Promise.all(times(200, () => greet({}, frame(FRAME.data, 0, 1, Buffer.alloc(16_384)).subarray(0, 9))))
    for (let i = 0; i < 5000; i++) {
      for (const socket of all) socket.write(' ')
      if (i % 10 === 0) await turn()
    }
  },
  'uploads never ended, 249 on each of 20 connections': async () => {
    await Promise.all(
      times(20, () =>
        greet(
          {},
          ...uploads(249),
          ...times(249, (i) => Buffer.concat([data(i * 2 + 1, Buffer.alloc(16_384, 0x20)), data(i * 2 + 1, Buffer.alloc(16_384, 0x20))])),
        ),
      ),
    )
    await pause(SECONDS * 1000)
  },
  'uploads of strangers': async () => {
    const id = odd()
    await flood(await greet({ stranger: true }), () =>
      ((i) => Buffer.concat([head(i, request('POST', MAPS), { end: false }), data(i, Buffer.alloc(16_384))]))(id()),
    )
  },
  'what has no body is asked for, and not read': async () => {
    const id = odd()
    await flood(await greet({ read: false }), () => each(100, () => head(id(), request('HEAD', '/version'))))
  },
  '1000 connections that say nothing': async () => {
    for (let i = 0; i < 20; i++) await Promise.all(times(50, () => dial(ready, { stranger: true })))
  },
  '1000 connections that never shake hands': async () => {
    const { hostname, port } = new URL(ready.url)
    for (let i = 0; i < 1000; i++) {
      const socket = connectTcp(Number(port), hostname)
      sockets.add(socket)
      socket.on('error', () => {})
      await once(socket, 'connect')
    }
    await pause(500)
  },
}

const others = new Worker(new URL('others.ts', import.meta.url), {
  workerData: ready,
  execArgv: ['--import', fileURLToPath(new URL('sources.ts', import.meta.url))],
})
await once(others, 'message')
async function othersWaited(): Promise<number[]> {
  const answer = once(others, 'message')
  others.postMessage('')
  return (await answer)[0]
}

const load = await LoadConnection.open(ready)
const filler = 'x'.repeat(15_000)
for (let i = 0; i < 500; i++) await load.request(MAPS, Buffer.from(JSON.stringify({ metadata: { name: `m${i}` }, data: { filler } })))
const mega = (bytes: number) => (bytes / 2 ** 20).toFixed(0)
const rows: string[][] = []
for (const [name, attack] of Object.entries(ATTACKS)) {
  if (!name.includes(only)) continue
  await pause(300)
  const before = await ask(child, 'usage')
  await othersWaited()
  const from = performance.now()
  await ask(child, 'sample')
  await attack()
  const peak = await ask(child, 'peak')
  const seconds = (performance.now() - from) / 1000
  const waits = await othersWaited()
  const sent = [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, 0)
  const cut = [...sockets].filter((socket) => socket.destroyed || socket.readableEnded).length
  const { turn: longest } = await ask(child, 'usage')
  for (const socket of sockets) socket.destroy()
  await pause(500)
  const after = await ask(child, 'usage')
  rows.push([
    name,
    `${cut} of ${sockets.size}`,
    mega(sent),
    `${(((peak.cpu - before.cpu) / seconds) * 100).toFixed(0)} %`,
    longest.toFixed(0),
    mega(peak.rss - before.rss),
    mega(after.rss - before.rss),
    `${median(waits).toFixed(1)}, ${Math.max(...waits).toFixed(0)}`,
  ])
  console.log(rows.at(-1)!.join(' | '))
  sockets.clear()
}
console.log(
  markdown(
    [
      'attack',
      'connections cut',
      'MB sent',
      'processor',
      'longest turn, ms',
      'memory, MB more',
      'left, MB',
      'others wait, ms (median, most)',
    ],
    rows,
  ),
)
load[Symbol.dispose]()
await others.terminate()
await stop(child)
rmSync(directory, { recursive: true })
