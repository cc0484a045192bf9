// Creates and reads through the whole chain of handlers without sockets: what the main thread and all threads take of the processor for each.
// For comparing two trees in turns: prints one line of JSON. usage: node bench/in-process.ts [creates|gets] [COUNT] [--memory: no disk] [--profile FILE]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { OutgoingHttpHeaders } from 'node:http'
import { Session } from 'node:inspector/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { AT_REST, tune, UNDER_LOAD } from '#main/v8-tuning.ts'
import { createApiServer } from '#server/api-server.ts'
import { clusterExtensions } from '#server/cluster-extensions.ts'
import type { ServedExchange } from '#server/http/exchange.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { openEmbeddedStore } from '#store/embedded.ts'
import { createMemoryStore } from '#store/memory.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { memory: { type: 'boolean' }, profile: { type: 'string' } },
})
const [part = 'creates', amount = '6000'] = positionals
const IN_FLIGHT = 64
const CONNECTIONS = 8
const WARM = 8000
const CREATED = '/api/v1/namespaces/created/pods'

tune(AT_REST)
const directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
const [clock, random] = [systemClock, systemRandom]
const pki = await ensurePki({ directory: join(directory, 'pki'), clock, random, hostName: 'localhost', serviceAddress: '10.96.0.1' })
await using store = options.memory ? createMemoryStore() : await openEmbeddedStore({ directory: join(directory, 'store') })
const server = createApiServer({
  store,
  extensions: (context) => clusterExtensions(context, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '10.0.0.1', port: 6443 }),
})
await using _running = await server.start(new AbortController().signal)
const client = server.clientFor({ username: 'bench', groups: ['system:masters'] })
await client.create(Namespace, { metadata: { name: 'created' } })
await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'created' } })
tune(UNDER_LOAD)

const notAfter = Date.UTC(2100, 1)
const peer = {
  remoteAddress: '127.0.0.1',
  certificate: { commonName: 'admin', organizations: ['system:masters'], fingerprint: '1', notAfter },
}
const never = new AbortController().signal

/** A body that is there, whole, as soon as anybody listens: as little as can be of what sockets do. */
class Body {
  readonly readableEnded = false
  readonly #bytes: Buffer | undefined
  constructor(bytes: Buffer | undefined) {
    this.#bytes = bytes
  }
  on(event: string, listener: (chunk?: Buffer) => void): this {
    if (event === 'data' || event === 'end') queueMicrotask(() => listener(this.#bytes))
    return this
  }
  off(): this {
    return this
  }
}

function request(method: string, url: string, body?: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = {
      'user-agent': 'bench/1',
      accept: 'application/json',
      ...(body ? { 'content-type': 'application/json' } : {}),
    }
    const exchange = {
      method,
      url,
      path: url,
      query: undefined,
      headers,
      peer,
      remoteAddress: peer.remoteAddress,
      signal: never,
      input: new Body(body),
      answered: false,
      status: 0,
      send(status: number, _headers: OutgoingHttpHeaders, answer?: Uint8Array | string) {
        this.answered = true
        this.status = status
        if (status >= 300) reject(new Error(String(answer)))
        else resolve(answer!.length)
      },
      cancel() {},
      abort: () => reject(new Error('broken off')),
    }
    server.serve(exchange as unknown as ServedExchange)
  })
}

const pod = (name: string) =>
  Buffer.from(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: 'bench' }, annotations: { filler: 'x'.repeat(600) } },
      spec: { containers: [{ name: 'c', image: 'busybox:1', env: [{ name: 'A', value: 'b' }], ports: [{ containerPort: 80 }] }] },
    }),
  )

/** Made before anything is measured. */
const bodies: Buffer[] = []
const works: Record<string, () => Promise<unknown>> = {
  creates: () => request('POST', CREATED, bodies.pop()),
  gets: () => request('GET', `${CREATED}/one`),
}
const work = works[part]!

/** As sockets would: what one connection's clients ask for comes in one turn, what another's do in another. */
function connection(): () => Promise<void> {
  let waiting: (() => void)[] = []
  const deliver = () => {
    const batch = waiting
    waiting = []
    for (const resume of batch) resume()
  }
  return () =>
    new Promise((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(deliver)
    })
}

async function run(count: number): Promise<void> {
  let left = count
  const connections = Array.from({ length: CONNECTIONS }, connection)
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async (_, worker) => {
      while (left-- > 0) {
        await connections[worker % CONNECTIONS]!()
        await work()
      }
    }),
  )
}

await request('POST', CREATED, pod('one'))
const count = Number(amount)
if (part === 'creates') for (let i = 0; i < WARM + count; i++) bodies.push(pod(`c-${i}`))
await run(WARM)
const session = new Session()
if (options.profile) {
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 100 })
  await session.post('Profiler.start')
}
const main = process.threadCpuUsage()
const all = process.cpuUsage()
const began = performance.now()
await run(count)
const us = ({ user, system }: NodeJS.CpuUsage) => Number(((user + system) / count).toFixed(1))
const figures = {
  mainUs: us(process.threadCpuUsage(main)),
  allUs: us(process.cpuUsage(all)),
  rate: Math.round((count / (performance.now() - began)) * 1000),
}
if (options.profile) {
  const { profile } = await session.post('Profiler.stop')
  writeFileSync(options.profile, JSON.stringify(profile))
}
console.log(JSON.stringify(figures))
rmSync(directory, { recursive: true, force: true })
