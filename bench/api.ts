// The API server alone, over TLS and HTTP/2, client beside it: GET, durable creates, LIST, watch fan-out. Prints a table.
// The server runs in a process of its own (bench/api-server.ts), so that client and server have a core each.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http2, { type ClientHttp2Session } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { markdown, quantile } from './figures.ts'

interface Ready {
  url: string
  ca: string
  cert: string
  key: string
}

const directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
const child = fork(new URL('api-server.ts', import.meta.url), [directory], { execArgv: ['--max-semi-space-size=4'] })
const [ready] = (await once(child, 'message')) as [Ready]
const rows: string[][] = []
const row = (figure: string, value: string, bound = '') => {
  rows.push([figure, value, bound])
  console.log(`${figure}: ${value}${bound ? ` (bound: ${bound})` : ''}`)
}
const connect = (): ClientHttp2Session => {
  const session = http2.connect(ready.url, {
    ca: ready.ca,
    cert: ready.cert,
    key: ready.key,
    settings: { initialWindowSize: 4 * 1024 * 1024 },
  })
  session.on('connect', () => session.setLocalWindowSize(64 * 1024 * 1024))
  session.setMaxListeners(0)
  return session
}

function request(session: ClientHttp2Session, path: string, body?: string): Promise<{ status: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const head = { ':path': path, ':method': body ? 'POST' : 'GET', ...(body ? { 'content-type': 'application/json' } : {}) }
    const stream = session.request(head, { endStream: !body })
    let status = 0
    let bytes = 0
    stream.on('response', (headers) => (status = Number(headers[':status'])))
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length))
    stream.on('end', () => resolve({ status, bytes }))
    stream.on('error', reject)
    if (body) stream.end(body)
  })
}

/** Runs `work` by so many workers for so long; tells runs a second and their times in ms. */
async function load(workers: number, seconds: number, work: (worker: number, run: number) => Promise<void>) {
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  let runs = 0
  const began = performance.now()
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      while (performance.now() < end) {
        const start = performance.now()
        await work(worker, runs++)
        times.push(performance.now() - start)
      }
    }),
  )
  return { rate: (times.length / (performance.now() - began)) * 1000, times }
}

const usage = async () => {
  child.send('usage')
  return (await once(child, 'message'))[0] as { rss: number; cpu: number }
}
const expect = (status: number, wanted: number) => {
  if (status !== wanted) throw new Error(`answered ${status}, not ${wanted}`)
}
const number = (value: number) => Math.round(value).toLocaleString('en')
const sessions = Array.from({ length: 8 }, connect)
const pod = (name: string, filler: number) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'bench' }, annotations: { filler: 'x'.repeat(filler) } },
    spec: { containers: [{ name: 'c', image: 'busybox:1', env: [{ name: 'A', value: 'b' }], ports: [{ containerPort: 80 }] }] },
  })

try {
  const pods = '/api/v1/namespaces/default/pods'
  await request(sessions[0]!, pods, pod('one', 600))
  const { bytes } = await request(sessions[0]!, `${pods}/one`)

  await load(64, 2, async (worker) => void (await request(sessions[worker % 8]!, `${pods}/one`)))
  const before = await usage()
  const get = await load(64, 5, async (worker) => expect((await request(sessions[worker % 8]!, `${pods}/one`)).status, 200))
  const cpu = ((await usage()).cpu - before.cpu) / 5
  row(
    `GET of ${bytes} B, 64 in flight`,
    `${number(get.rate)}/s, server at ${cpu.toFixed(2)} cores: ${number(get.rate / cpu)}/s a core`,
    '20,000/s a core',
  )

  for (const workers of [1, 64]) {
    const name = (run: number) => `c${workers}-${run}`
    const made = await load(workers, 5, async (worker, run) =>
      expect((await request(sessions[worker % 8]!, '/api/v1/namespaces/created/pods', pod(name(run), 600))).status, 201),
    )
    row(
      `durable creates, ${workers} in flight`,
      `${number(made.rate)}/s, p50 ${quantile(made.times, 0.5).toFixed(1)} ms, p99 ${quantile(made.times, 0.99).toFixed(1)} ms`,
      workers === 64 ? '5,000/s' : 'p50 1.5 ms',
    )
  }

  const count = 10_000
  const listed = '/api/v1/namespaces/listed/pods'
  await Promise.all(
    sessions.map(async (session, index) => {
      for (let i = index; i < count; i += sessions.length) expect((await request(session, listed, pod(`p${i}`, 1700))).status, 201)
    }),
  )
  const small: number[] = []
  const state = { listing: true }
  const lone = connect()
  const smalls = (async () => {
    while (state.listing) {
      const start = performance.now()
      await request(lone, `${pods}/one`)
      small.push(performance.now() - start)
    }
  })()
  const base = await usage()
  const listTimes: number[] = []
  let size = 0
  for (let i = 0; i < 10; i++) {
    const start = performance.now()
    size = (await request(sessions[1]!, listed)).bytes
    listTimes.push(performance.now() - start)
  }
  state.listing = false
  await smalls
  const listMs = quantile(listTimes, 0.5)
  const extra = (await usage()).rss - base.rss
  row(
    `LIST of ${number(count)} pods, ${(size / 1e6).toFixed(0)} MB`,
    `${listMs.toFixed(0)} ms, ${number(size / 1e3 / listMs)} MB/s, ${(extra / 1e6).toFixed(0)} MB more memory`,
    '500 MB/s, 64 MB',
  )
  row(
    'small GET while lists run, client in the same process',
    `p50 ${quantile(small, 0.5).toFixed(1)} ms, p99 ${quantile(small, 0.99).toFixed(1)} ms`,
    'p99 5 ms',
  )

  const watchers = 1000
  const watched = '/api/v1/namespaces/watched/configmaps'
  const map = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'w' }, data: { x: '1' } })
  await request(sessions[0]!, watched, map)
  const watching = Array.from({ length: 20 }, connect)
  const told = { events: 0, bytes: 0 }
  await Promise.all(
    Array.from({ length: watchers }, async (_, index) => {
      const stream = watching[index % watching.length]!.request({ ':path': `${watched}?watch=1` })
      stream.on('data', (chunk: Buffer) => {
        told.bytes += chunk.length
        for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) told.events++
      })
      await once(stream, 'response')
    }),
  )
  told.events = 0
  told.bytes = 0
  const start = performance.now()
  const cpu0 = (await usage()).cpu
  child.send('churn')
  await once(child, 'message')
  while (told.events < watchers * 500 && performance.now() - start < 60_000) await new Promise((resolve) => setTimeout(resolve, 10))
  const seconds = (performance.now() - start) / 1000
  const used = (await usage()).cpu - cpu0
  row(
    `watch, ${number(watchers)} watchers, 500 events of ${number(told.bytes / told.events)} B each`,
    `${number(told.events / seconds)} deliveries/s, server at ${(used / seconds).toFixed(2)} cores: ${number(told.events / used)}/s a core`,
    '300,000/s',
  )
  console.log(`\n${markdown(['figure', 'measured', 'bound'], rows)}`)
} finally {
  for (const session of sessions) session.destroy()
  child.kill()
  await once(child, 'exit')
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)
