// Fleets of simulated nodes under `sampan up`, with its durable store: 5,000 nodes and 50,000 pods, 600 deployments at once, a namespace of 1,000 pods
// deleted, and what a fleet costs that does nothing.
// usage: node bench/fleet.ts [fleet|deployments|namespace|idle ...]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Connection, connectByKubeconfig } from './connection.ts'
import { markdown } from './figures.ts'

const SAMPAN = fileURLToPath(new URL('../sampan', import.meta.url))
/** By then every node of a new fleet has been told of the cluster's size. */
const SETTLE_SECONDS = 60
/** Every node renews its lease three times. */
const IDLE_SECONDS = 60
const rows: string[][] = []
const row = (figure: string, measured: string, bound = '') => {
  rows.push([figure, measured, bound])
  console.log(`${figure}: ${measured}${bound && ` (bound: ${bound})`}`)
}
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

class Fleet implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
  readonly #child
  connection!: Connection
  startMs = NaN

  private constructor(nodes: number) {
    const kubeconfig = join(this.#directory, 'kubeconfig')
    const words = ['up', '--data-dir', this.#directory, '--kubeconfig', kubeconfig, '--nodes', `simulated:${nodes}`, '--port', '0', '--yes']
    this.#child = spawn(SAMPAN, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  }

  static async start(nodes: number): Promise<Fleet> {
    const began = performance.now()
    const fleet = new Fleet(nodes)
    let output = ''
    for await (const text of fleet.#child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false }))
      if (/^ready in/m.test((output += text))) break
    fleet.#child.stdout.resume()
    fleet.startMs = performance.now() - began
    fleet.connection = connectByKubeconfig(join(fleet.#directory, 'kubeconfig'))
    return fleet
  }

  get cpuMs(): number {
    const [user, system] = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ').slice(11, 13)
    return (Number(user) + Number(system)) * 10
  }

  /** Resident memory in bytes: now; of its own, without pages of files (the store's) that the page cache takes back; and the most so far. */
  get memory(): { now: number; own: number; most: number } {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')
    const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024
    return { now: of('VmRSS'), own: of('RssAnon'), most: of('VmHWM') }
  }

  async make(path: string, object: object): Promise<void> {
    const { status, body } = await this.connection.request('POST', path, JSON.stringify(object))
    if (status !== 201) throw new Error(`answered ${status}: ${body}`)
  }

  /** Resolves once `count` objects have been seen of which `holds`. */
  async until(path: string, count: number, holds: (object: any) => boolean): Promise<void> {
    const seen = new Set<string>()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.connection.watch(`${path}?watch=1&resourceVersion=0`, ({ object }) => {
      if (holds(object)) seen.add(object.metadata.uid)
      if (seen.size >= count) resolve()
    })
    await promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection[Symbol.dispose]()
    const gone = once(this.#child, 'exit')
    this.#child.kill()
    await gone
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

function deployment(name: string, replicas: number): object {
  const labels = { app: name }
  const containers = [{ name: 'web', image: 'web:1', resources: { requests: { cpu: '100m', memory: '64Mi' } } }]
  return {
    metadata: { name },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  }
}

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const PODS = '/api/v1/namespaces/default/pods'
const isRunning = ({ status }: any) => status?.phase === 'Running'

const scenes: Record<string, () => Promise<void>> = {
  async fleet() {
    await using fleet = await Fleet.start(5000)
    row('5,000 simulated nodes ready', `${seconds(fleet.startMs)}, ${seconds(fleet.cpuMs)} of processor time`)
    const [began, cpu] = [performance.now(), fleet.cpuMs]
    const running = fleet.until(PODS, 50_000, isRunning)
    for (let i = 0; i < 100; i++) await fleet.make(DEPLOYMENTS, deployment(`web-${i}`, 500))
    await running
    const took = performance.now() - began
    row('50,000 pods Running on them', `${seconds(took)}, ${seconds(fleet.cpuMs - cpu)} of processor time`, '')
    row('both', seconds(fleet.startMs + took), '60 s')
    const { own, most } = fleet.memory
    row(
      'memory',
      `${(own / 1e9).toFixed(2)} GB of its own; resident at most ${(most / 1e9).toFixed(2)} GB, with mapped pages of files`,
      '2 GB',
    )
  },

  async deployments() {
    await using fleet = await Fleet.start(100)
    const [began, cpu] = [performance.now(), fleet.cpuMs]
    const available = fleet.until(DEPLOYMENTS, 600, ({ status }) => status?.availableReplicas === 3)
    await Promise.all(Array.from({ length: 600 }, (_, i) => fleet.make(DEPLOYMENTS, deployment(`web-${i}`, 3))))
    await available
    row(
      '600 deployments of 3, all available',
      `${seconds(performance.now() - began)}, ${seconds(fleet.cpuMs - cpu)} of processor time`,
      '5 s',
    )
  },

  async namespace() {
    await using fleet = await Fleet.start(100)
    await fleet.make('/api/v1/namespaces', { metadata: { name: 'doomed' } })
    const path = '/api/v1/namespaces/doomed'
    while ((await fleet.connection.request('GET', `${path}/serviceaccounts/default`)).status !== 200) await sleep(20)
    const running = fleet.until(`${path}/pods`, 1000, isRunning)
    for (let i = 0; i < 10; i++) await fleet.make('/apis/apps/v1/namespaces/doomed/deployments', deployment(`web-${i}`, 100))
    await running
    const [began, cpu] = [performance.now(), fleet.cpuMs]
    await fleet.connection.request('DELETE', path)
    while ((await fleet.connection.request('GET', path)).status !== 404) await sleep(20)
    row(
      'a namespace of 1,000 pods deleted',
      `${seconds(performance.now() - began)}, ${seconds(fleet.cpuMs - cpu)} of processor time`,
      '3 s',
    )
  },

  async idle() {
    for (const nodes of [1, 5000]) {
      await using fleet = await Fleet.start(nodes)
      await sleep(SETTLE_SECONDS * 1000)
      const [before, cpu] = [await reconciles(fleet), fleet.cpuMs]
      await sleep(IDLE_SECONDS * 1000)
      const rate = ((await reconciles(fleet)) - before) / IDLE_SECONDS
      const share = (fleet.cpuMs - cpu) / IDLE_SECONDS / 10
      const memory = `${(fleet.memory.now / 1e6).toFixed(0)} MB resident`
      row(`idle, ${nodes} nodes`, `${rate.toFixed(1)} reconciles/s, ${share.toFixed(1)} % of a core, ${memory}`)
    }
  },
}

/** Of all controllers since the start: each is one turn of a worker. */
async function reconciles({ connection }: Fleet): Promise<number> {
  const { body } = await connection.request('GET', '/metrics')
  const samples = [...body.matchAll(/^workqueue_work_duration_seconds_count\{[^}]*\} (\d+)/gm)]
  if (samples.length === 0) throw new Error('/metrics tells nothing of work queues')
  return samples.reduce((sum, [, value]) => sum + Number(value), 0)
}

const asked = process.argv.slice(2)
for (const name of asked.length > 0 ? asked : Object.keys(scenes)) await scenes[name]!()
console.log(`\n${markdown(['figure', 'measured', 'bound'], rows)}`)
