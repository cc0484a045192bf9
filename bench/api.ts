// The API server alone, over TLS and HTTP/2, client beside it: GET, durable creates beside etcd, LIST, watch fan-out. Prints a table.
// The server runs in a process of its own (bench/api-server.ts), so that client and server have a core each; what the machine gives both is
// shown by a bare server that does nothing but HTTP/2 and TLS (bench/floor-server.ts), in the same run.
// The client collects its garbage by itself: threads that did it would take the cores from the server.
// usage: node --single-threaded-gc bench/api.ts [get|creates|list|watch ...] [--profile DIRECTORY] [--alone: no etcd beside creates]
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { noEtcd } from '#store/etcd/testing.ts'
import { startEtcd } from './etcd.ts'
import { markdown, median, quantile } from './figures.ts'
import { type Access, LoadConnection } from './http2-load.ts'
import { ask, start } from './server-process.ts'

const { values: options, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: { profile: { type: 'string' }, alone: { type: 'boolean' } },
})
const directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
const { child, ready } = await start('api-server.ts', [directory, ...(options.profile ? [options.profile] : [])])
const rows: string[][] = []
const connections: LoadConnection[] = []
const number = (value: number) => Math.round(value).toLocaleString('en')

function row(figure: string, value: string, bound = ''): void {
  rows.push([figure, value, bound])
  console.log(`${figure}: ${value}${bound ? ` (bound: ${bound})` : ''}`)
}

async function connect(access: Access, count: number): Promise<LoadConnection[]> {
  const made = await Promise.all(Array.from({ length: count }, () => LoadConnection.open(access)))
  connections.push(...made)
  return made
}

/** Runs `work`; tells what the server used meanwhile: seconds, seconds of its processor time, the collector's share of it. */
async function measured(server: ChildProcess, name: string, work: () => Promise<void>) {
  if (options.profile && server === child) await ask(server, 'profile')
  const before = await ask(server, 'usage')
  const began = performance.now()
  await work()
  const seconds = (performance.now() - began) / 1000
  const after = await ask(server, 'usage')
  if (options.profile && server === child) await ask(server, `profiled ${name}`)
  const cpu = after.cpu - before.cpu
  return { seconds, cpu, cores: cpu / seconds, gcShare: (after.gc - before.gc) / cpu, worstPause: after.worst }
}

/** Runs `work` by so many workers for so long; answers the times in ms. */
async function load(workers: number, seconds: number, work: (worker: number, run: number) => Promise<void>): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  let runs = 0
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      while (performance.now() < end) {
        const start = performance.now()
        await work(worker, runs++)
        times.push(performance.now() - start)
      }
    }),
  )
  return times
}

const expect = (status: number, wanted: number) => {
  if (status !== wanted) throw new Error(`answered ${status}, not ${wanted}`)
}
const pod = (name: string, filler: number) =>
  Buffer.from(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: 'bench' }, annotations: { filler: 'x'.repeat(filler) } },
      spec: { containers: [{ name: 'c', image: 'busybox:1', env: [{ name: 'A', value: 'b' }], ports: [{ containerPort: 80 }] }] },
    }),
  )
const PODS = '/api/v1/namespaces/default/pods'

async function gets(): Promise<void> {
  const eight = await connect(ready, 8)
  await eight[0]!.request(PODS, pod('one', 600))
  const { bytes } = await eight[0]!.request(`${PODS}/one`)
  const get = async (worker: number) => expect((await eight[worker % 8]!.request(`${PODS}/one`)).status, 200)
  await load(64, 2, get)
  let times: number[] = []
  const used = await measured(child, 'get', async () => void (times = await load(64, 5, get)))
  const rate = times.length / used.seconds
  row(
    `GET of ${bytes} B, 64 in flight`,
    `${number(rate)}/s, server at ${used.cores.toFixed(2)} cores: ${number(times.length / used.cpu)}/s a core`,
    '20,000/s a core',
  )
}

async function creates(): Promise<void> {
  const eight = await connect(ready, 8)
  let run = 0
  const create = async (worker: number) =>
    expect((await eight[worker % 8]!.request('/api/v1/namespaces/created/pods', pod(`c-${run++}`, 600))).status, 201)
  await load(64, 2, create)
  const alone = await load(1, 3, create)
  row(
    'durable creates, 1 in flight',
    `${number(alone.length / 3)}/s, p50 ${quantile(alone, 0.5).toFixed(2)} ms, p99 ${quantile(alone, 0.99).toFixed(1)} ms`,
    'p50 1.5 ms',
  )
  await using etcd = noEtcd || options.alone ? undefined : await startEtcd(directory)
  // As many bytes as are stored of each pod: what a GET answers, less the revision.
  const { bytes } = await eight[0]!.request('/api/v1/namespaces/created/pods/c-0')
  const value = Buffer.alloc(bytes - '"resourceVersion":"10000",'.length, 'x')
  const rates: number[] = []
  const etcdRates: number[] = []
  const all: number[] = []
  const cpus: number[] = []
  let gc = 0
  for (let round = 0; round < 3; round++) {
    let times: number[] = []
    const used = await measured(child, `create-${round}`, async () => void (times = await load(64, 3, create)))
    rates.push(times.length / used.seconds)
    cpus.push((used.cpu / times.length) * 1e6)
    gc = used.gcShare
    all.push(...times)
    if (!etcd) continue
    const began = performance.now()
    const done = await load(64, 3, (_, i) => etcd.create(`/registry/pods/${round}-${i}`, value))
    etcdRates.push((done.length / (performance.now() - began)) * 1000)
  }
  row(
    'durable creates, 64 in flight',
    `${number(median(rates))}/s, p50 ${quantile(all, 0.5).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms; ` +
      `${number(median(cpus))} us of the server's processor time each (${number(1e6 / median(cpus))}/s a core), ${(gc * 100).toFixed(0)} % of it collector`,
    '5,000/s',
  )
  if (options.alone) return
  row(
    'etcd alone, the same bytes, 64 in flight, in turns',
    etcd ? `${number(median(etcdRates))}/s, ratio ${(median(rates) / median(etcdRates)).toFixed(2)}` : String(noEtcd),
    'ratio above 1',
  )
}

async function lists(): Promise<void> {
  const count = 10_000
  const listed = '/api/v1/namespaces/listed/pods'
  const eight = await connect(ready, 8)
  await eight[0]!.request(PODS, pod('small', 600))
  await Promise.all(
    eight.map(async (connection, index) => {
      for (let i = index; i < count; i += eight.length) expect((await connection.request(listed, pod(`p${i}`, 1700))).status, 201)
    }),
  )
  const times: number[] = []
  let size = 0
  const list = async () => {
    const start = performance.now()
    size = (await eight[1]!.request(listed)).bytes
    times.push(performance.now() - start)
  }
  for (let i = 0; i < 3; i++) await list()
  times.length = 0
  let peak = 0
  const base = (await ask(child, 'sample')).rss
  const used = await measured(child, 'list', async () => {
    for (let i = 0; i < 10; i++) await list()
    peak = (await ask(child, 'peak')).rss
  })
  row(
    `LIST of ${number(count)} pods, ${(size / 1e6).toFixed(0)} MB`,
    `${median(times).toFixed(0)} ms, ${number(size / 1e3 / median(times))} MB/s (server at ${used.cores.toFixed(2)} cores: ` +
      `${number((size * 10) / 1e6 / used.cpu)} MB/s a core), ${Math.max(0, (peak - base) / 1e6).toFixed(0)} MB more memory`,
    '500 MB/s, 64 MB',
  )
  for (const [meanwhile, lists, priority] of [
    ['while lists run', 100, 0],
    ['while lists run, by a reader that never waits for a core', 100, -20],
    ['while nothing else does', 0, 0],
  ] as const) {
    const small = await smallReads(priority, async () => {
      if (lists === 0) await new Promise((resolve) => setTimeout(resolve, 2000))
      for (let i = 0; i < lists; i++) await list()
    })
    row(
      `small GET ${meanwhile}, from a process of its own`,
      `p50 ${quantile(small, 0.5).toFixed(1)} ms, p99 ${quantile(small, 0.99).toFixed(1)} ms of ${number(small.length)}`,
      lists > 0 ? 'p99 5 ms' : '',
    )
  }
  const bare = await start('floor-server.ts', [join(directory, 'floor')])
  try {
    const [connection] = await connect(bare.ready, 1)
    await connection!.request(`/list?bytes=${size}`)
    const floors: number[] = []
    const floor = await measured(bare.child, 'floor', async () => {
      for (let i = 0; i < 10; i++) {
        const start = performance.now()
        await connection!.request(`/list?bytes=${size}`)
        floors.push(performance.now() - start)
      }
    })
    row(
      'the same bytes from a bare loop: copy, HTTP/2, TLS',
      `${median(floors).toFixed(0)} ms, ${number(size / 1e3 / median(floors))} MB/s (${number((size * 10) / 1e6 / floor.cpu)} MB/s a core)`,
    )
  } finally {
    bare.child.kill()
  }
}

/** Times in ms of small reads while `work` is done; `priority` of the reader as `nice` has it, where this user may set it. */
async function smallReads(priority: number, work: () => Promise<void>): Promise<number[]> {
  const reader = fork(new URL('small-reads.ts', import.meta.url), { execArgv: [] })
  if (priority !== 0 && process.getuid?.() === 0) setPriority(reader.pid!, priority)
  reader.send({ access: ready, path: `${PODS}/small` })
  await once(reader, 'message')
  await work()
  const told = once(reader, 'message')
  reader.send('enough')
  return ((await told) as [number[]])[0]
}

async function watches(): Promise<void> {
  const path = '/api/v1/namespaces/watched/configmaps'
  await fanOut(child, ready, { path: `${path}?watch=1`, label: 'watch' })
  const bare = await start('floor-server.ts', [join(directory, 'floor')])
  try {
    await fanOut(bare.child, bare.ready, { path: '/watch', label: 'the same from a bare loop: one write a watcher and event' })
  } finally {
    bare.child.kill()
  }
}

const WATCHERS = 1000
const EVENTS = 2000

/** The first watcher counts events; every other must have received as many bytes as it. */
async function fanOut(server: ChildProcess, access: Access, { path, label }: { path: string; label: string }): Promise<void> {
  const twenty = await connect(access, 20)
  const told = { events: 0 }
  const bytes: number[] = Array.from({ length: WATCHERS }, () => 0)
  const begun: Promise<void>[] = []
  for (let i = 0; i < WATCHERS; i++) {
    const data = (chunk: Buffer) => {
      bytes[i]! += chunk.length
      if (i === 0) for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) told.events++
    }
    const opened = twenty[i % twenty.length]!.open(path, { data })
    opened.answer.catch(() => {})
    begun.push(opened.begun)
  }
  await Promise.all(begun)
  await ask(server, 'churn 200')
  const all = async (wanted: number) => {
    const end = performance.now() + 60_000
    for (;;) {
      if (told.events >= wanted && bytes.every((count) => count === bytes[0]!)) return
      if (performance.now() > end) throw new Error(`only ${told.events} events came, or not to all`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  await all(200)
  const [seen, had] = [told.events, bytes[0]!]
  const used = await measured(server, 'watch', async () => {
    await ask(server, `churn ${EVENTS}`)
    await all(seen + EVENTS)
  })
  const deliveries = WATCHERS * EVENTS
  row(
    `${label}, ${number(WATCHERS)} watchers, ${number(EVENTS)} events of ${number((bytes[0]! - had) / EVENTS)} B each`,
    `${number(deliveries / used.seconds)} deliveries/s, server at ${used.cores.toFixed(2)} cores: ${number(deliveries / used.cpu)}/s a core`,
    '300,000/s',
  )
}

const PARTS: Record<string, () => Promise<void>> = { get: gets, creates, list: lists, watch: watches }
try {
  for (const [name, part] of Object.entries(PARTS)) if (parts.length === 0 || parts.includes(name)) await part()
  console.log(`\n${markdown(['figure', 'measured', 'bound'], rows)}`)
} finally {
  for (const connection of connections) connection[Symbol.dispose]()
  child.kill()
  await once(child, 'exit')
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)
