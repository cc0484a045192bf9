// A fleet of simulated nodes under one cluster (`./sampan up`, the store on disk): how long 50,000 pods on 5,000 nodes take to run, 600
// deployments to be available, 1,000 pods to go with their namespace, and what an idle cluster does. Wall clock and processor time of the cluster.
// usage: node bench/fleet.ts [pods|deployments|namespace|idle|fleet-idle ...] [--profile DIRECTORY]
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Deployment } from '../src/api/kinds/apps/deployment.ts'
import { Namespace } from '../src/api/kinds/core/namespace.ts'
import { Pod } from '../src/api/kinds/core/pod.ts'
import type { Client } from '../src/client/client.ts'
import { createHttpClient } from '../src/client/http-client.ts'
import { readKubeconfig } from '../src/client/kubeconfig.ts'
import { markdown, rate } from './figures.ts'

const { positionals, values } = parseArgs({ allowPositionals: true, options: { profile: { type: 'string' } } })
const asked = (name: string) => positionals.length === 0 || positionals.includes(name)
const rows: string[][] = []
const row = (...cells: [figure: string, measured: string, bound: string]) => {
  rows.push(cells)
  console.log(cells.filter(Boolean).join(' | '))
}

interface Scene {
  pid: number
  client: Client
}

async function scene(nodes: number, work: (scene: Scene) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-fleet-'))
  const kubeconfig = join(directory, 'kubeconfig')
  const began = performance.now()
  const cluster = await up(['--data-dir', directory, '--kubeconfig', kubeconfig, '--port', '0', '--nodes', `simulated:${nodes}`])
  try {
    const pid = cluster.pid!
    row(
      `${nodes} simulated node${nodes === 1 ? '' : 's'} up and joined`,
      `${seconds(performance.now() - began)}, ${cpuSeconds(pid).toFixed(1)} s of processor time`,
      '',
    )
    await using client = createHttpClient(readKubeconfig(kubeconfig))
    await work({ pid, client })
  } finally {
    cluster.kill('SIGTERM')
    await once(cluster, 'exit')
    rmSync(directory, { recursive: true, force: true })
  }
}

/** As `./sampan up` runs it, without the shell between: the process is the cluster. */
async function up(words: readonly string[]): Promise<ChildProcess> {
  const profile = values.profile ? ['--cpu-prof', `--cpu-prof-dir=${values.profile}`] : []
  if (values.profile) mkdirSync(values.profile, { recursive: true })
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const child = spawn(process.execPath, ['--max-semi-space-size=4', ...profile, main, 'up', ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  const ready = Promise.withResolvers<void>()
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (/^ready in \d+ ms$/m.test(output)) ready.resolve()
  })
  child.on('exit', (code) => ready.reject(new Error(`sampan up ended with ${code}:\n${output}`)))
  await ready.promise
  return child
}

/** `work`, until it says it is done: wall clock, the cluster's processor time, and its largest memory. */
async function measured(figure: string, bound: string, { pid }: Scene, work: () => Promise<void>): Promise<void> {
  const cpu = cpuSeconds(pid)
  const began = performance.now()
  let peak = 0
  const sampling = setInterval(() => (peak = Math.max(peak, residentMb(pid))), 100)
  await work()
  clearInterval(sampling)
  const used = cpuSeconds(pid) - cpu
  row(figure, `${seconds(performance.now() - began)}, ${used.toFixed(1)} s of processor time, at most ${peak.toFixed(0)} MB`, bound)
}

const template = (app: string) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'main', image: 'app:1', resources: { requests: { cpu: '100m', memory: '64Mi' } } }] },
})

function deployment(name: string, replicas: number): Deployment {
  const spec = { replicas, selector: { matchLabels: { app: name } }, template: template(name) }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'default' }, spec }
}

/** Until all of so many deployments have all their replicas available. */
async function available(client: Client, count: number): Promise<void> {
  const stop = new AbortController()
  const done = new Set<string>()
  const { items, metadata } = await client.list(Deployment)
  const seen = ({ metadata: own, spec, status }: Deployment) => {
    if ((status?.availableReplicas ?? 0) >= (spec?.replicas ?? 1)) done.add(own!.name!)
  }
  items.forEach(seen)
  if (done.size >= count) return
  for await (const { type, object } of client.watch(Deployment, {
    resourceVersion: metadata?.resourceVersion ?? '0',
    signal: stop.signal,
  })) {
    if (type === 'ADDED' || type === 'MODIFIED') seen(object)
    if (done.size >= count) break
  }
  stop.abort()
}

if (asked('pods'))
  await scene(5000, async (at) => {
    await measured('50,000 pods of 50 deployments Running and Ready on 5,000 nodes', '60 s, 2 GB', at, async () => {
      for (let i = 0; i < 50; i++) await at.client.create(Deployment, deployment(`fleet-${i}`, 1000))
      await available(at.client, 50)
    })
    if (asked('fleet-idle')) await idle('idle with 5,000 nodes and 50,000 pods', at)
  })
else if (asked('fleet-idle')) await scene(5000, (at) => idle('idle with 5,000 nodes', at))

if (asked('deployments'))
  await scene(100, async (at) => {
    await measured('600 deployments of 3, created at once, all available', '5 s', at, async () => {
      await rate(600, 64, async (i) => void (await at.client.create(Deployment, deployment(`web-${i}`, 3))))
      await available(at.client, 600)
    })
  })

if (asked('namespace'))
  await scene(20, async (at) => {
    const { client } = at
    await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'full' } })
    const pod = (i: number): Pod => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `pod-${i}`, namespace: 'full' },
      spec: template('x').spec,
    })
    await rate(1000, 64, async (i) => void (await client.create(Pod, pod(i))))
    const running = async () =>
      (await client.list(Pod, { namespace: 'full' })).items.filter(({ status }) => status?.phase === 'Running').length
    while ((await running()) < 1000) await sleep(500)
    await measured('a namespace of 1,000 pods deleted', '3 s', at, async () => {
      const stop = new AbortController()
      const { metadata } = await client.list(Namespace)
      const gone = (async () => {
        for await (const { type, object } of client.watch(Namespace, {
          resourceVersion: metadata?.resourceVersion ?? '0',
          signal: stop.signal,
        }))
          if (type === 'DELETED' && object.metadata?.name === 'full') return
      })()
      await client.delete(Namespace, { name: 'full' })
      await gone
      stop.abort()
    })
  })

if (asked('idle')) await scene(1, (at) => idle('idle with one node', at))

/** A minute of rest: what the actors did by the cluster's own counters, its processor time and memory. */
async function idle(figure: string, { pid, client }: Scene): Promise<void> {
  await sleep(15_000)
  const before = { ...(await counted(client)), cpu: cpuSeconds(pid) }
  const restMs = 40_000
  await sleep(restMs)
  const after = { ...(await counted(client)), cpu: cpuSeconds(pid) }
  const perSecond = (name: keyof typeof before) => (((after[name] - before[name]) / restMs) * 1000).toFixed(name === 'cpu' ? 4 : 2)
  row(
    figure,
    `${perSecond('reconciles')} reconciles/s, ${perSecond('writes')} writes/s, ${perSecond('cpu')} cores, ${residentMb(pid).toFixed(0)} MB`,
    '',
  )
}

async function counted(client: Client): Promise<{ reconciles: number; writes: number }> {
  return { reconciles: 0, writes: Number((await client.list(Namespace, { limit: 1 })).metadata?.resourceVersion) }
}

function residentMb(pid: number): number {
  return (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6
}

/** Of all threads, by the scheduler's own account. */
function cpuSeconds(pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(join('/proc', String(pid), 'task', thread, 'schedstat'), 'utf8').split(' ')[0]),
  )
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e9
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

console.log(`\n${markdown(['figure', 'measured', 'bound'], rows)}`)
