// How fast pods find their nodes: 10,000 pods on 5,000 nodes, through the API into a durable store. Nodes here are objects only: nothing runs them.
// usage: node bench/scheduling.ts [plain|deployed|spread|apart ...]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Node } from '../src/api/kinds/core/node.ts'
import { Namespace } from '../src/api/kinds/core/namespace.ts'
import { Pod } from '../src/api/kinds/core/pod.ts'
import { Service } from '../src/api/kinds/core/service.ts'
import type { PodSpec } from '../src/api/generated/types.ts'
import { createEventRecorder } from '../src/client/event-recorder.ts'
import { createInformers } from '../src/client/informers.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/log.ts'
import { systemRandom } from '../src/lib/random.ts'
import { createScheduler } from '../src/scheduler/scheduler.ts'
import { startTestServer } from '../src/server/testing.ts'
import { openEmbeddedStore } from '../src/store/embedded.ts'
import { markdown } from './figures.ts'

const NODES = 5000
const ZONES = 10
const labelSelector = { matchLabels: { app: 'bench' } }
const term = { topologyKey: 'kubernetes.io/hostname', labelSelector }

const scenes: Record<string, { pods: number; bound: string; spec: Partial<PodSpec>; service?: boolean }> = {
  plain: { pods: 10_000, bound: '3,000', spec: {} },
  deployed: { pods: 3000, bound: '', spec: {}, service: true },
  spread: {
    pods: 3000,
    bound: '500',
    spec: {
      topologySpreadConstraints: [
        { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector },
      ],
    },
  },
  apart: { pods: 3000, bound: '500', spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } } },
}

const asked = process.argv.slice(2)
const rows: string[][] = []
for (const name of asked.length ? asked : Object.keys(scenes)) rows.push(await run(name))
console.log(markdown(['pods', 'pods/s', 'processor time per pod', 'bound'], rows))

async function run(name: string): Promise<string[]> {
  const { pods, bound, spec, service } = scenes[name]!
  const directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
  const stop = new AbortController()
  try {
    await using store = await openEmbeddedStore({ directory: join(directory, 'store') })
    await using server = await startTestServer({ store, clock: systemClock, random: systemRandom })
    const { client } = server
    const shared = { client, clock: systemClock, random: systemRandom, log: silentLogger, signal: stop.signal }
    await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
    if (service)
      await client.create(Service, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'bench', namespace: 'default' },
        spec: { selector: { app: 'bench' }, ports: [{ port: 80 }] },
      })
    await each(NODES, async (i) => {
      const labels = { 'kubernetes.io/hostname': `node-${i}`, 'topology.kubernetes.io/zone': `zone-${i % ZONES}` }
      const node = await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: `node-${i}`, labels } })
      const allocatable = { cpu: '8', memory: '32Gi', pods: '110' }
      await client.update(Node, { ...node, status: { capacity: allocatable, allocatable } }, { subresource: 'status' })
    })
    const requests = { cpu: '100m', memory: '100Mi' }
    const containers = [{ name: 'c', image: 'busybox:1', resources: { requests } }]
    await each(pods, (i) =>
      client.create(Pod, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `pod-${i}`, namespace: 'default', labels: { app: 'bench' } },
        spec: { containers, ...spec },
      }),
    )
    const informers = createInformers(shared)
    const done = allBound(informers, pods)
    const eventsFor = (component: string) => createEventRecorder({ ...shared, component, api: 'events.k8s.io' })
    const before = process.cpuUsage()
    const began = performance.now()
    await using _scheduler = await createScheduler({ ...shared, informers, eventsFor }).start(stop.signal)
    await done
    const seconds = (performance.now() - began) / 1000
    const { user, system } = process.cpuUsage(before)
    stop.abort(new Error('done'))
    return [`${pods.toLocaleString('en')} ${name}`, (pods / seconds).toFixed(0), `${((user + system) / pods / 1000).toFixed(2)} ms`, bound]
  } finally {
    stop.abort(new Error('done'))
    rmSync(directory, { recursive: true, force: true })
  }
}

function allBound(informers: ReturnType<typeof createInformers>, pods: number): Promise<void> {
  let bound = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  informers.of(Pod).subscribe(({ object, previous }) => {
    if (object?.spec?.nodeName && !previous?.spec?.nodeName && ++bound === pods) resolve()
  })
  return promise
}

async function each(count: number, make: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await make(next++)
  }
  await Promise.all(Array.from({ length: 64 }, worker))
}
