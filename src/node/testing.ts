// A node for tests: the real agent against a real server in memory, over the simulated runtime and a virtual clock.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CoreEvent as ApiEvent, Pod as ApiPod, PodSpec } from '#api/generated/types.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { createInformers } from '#client/informers.ts'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock, type VirtualClock } from '#lib/virtual-clock.ts'
import { SimulatedRuntime, type SimulatedRuntimeOptions } from '#node/simulated/runtime.ts'
import { createNode, type Node, type NodeOptions } from './node.ts'

export interface TestNode extends AsyncDisposable {
  clock: VirtualClock
  client: Client
  runtime: SimulatedRuntime
  node: Node
  directory: string
  create(name: string, spec: Partial<PodSpec>, metadata?: ApiPod['metadata']): Promise<ApiPod>
  get(name: string): Promise<ApiPod | undefined>
  /** Resolves with what `look` returns once that is neither undefined nor false; time stands still meanwhile. */
  until<T>(look: () => Promise<T | undefined | false>): Promise<T>
  /** Like `until`, of the pod itself. */
  pod(name: string, look: (pod: ApiPod) => unknown): Promise<ApiPod>
  events(name: string): Promise<ApiEvent[]>
  /** Stops the node and starts another over the same runtime and directory, as after a crash. */
  restart(): Promise<void>
}

/** Against what hangs: a machine may be slow. */
const PATIENCE_MS = 120_000

export interface TestNodeOptions {
  /** The server's; the node makes its own informers of it. */
  connect(clock: VirtualClock): Promise<{ client: Client } & AsyncDisposable>
  runtime?: Omit<SimulatedRuntimeOptions, 'clock'>
  node?: Partial<NodeOptions>
}

export async function startTestNode(options: TestNodeOptions): Promise<TestNode> {
  await using starting = new AsyncDisposableStack()
  const clock = createVirtualClock()
  const server = starting.use(await options.connect(clock))
  const { client } = server
  const directory = await mkdtemp(join(tmpdir(), 'node-'))
  starting.defer(() => rm(directory, { recursive: true, force: true }))
  const runtime = new SimulatedRuntime({ clock, ...options.runtime })
  const random = seededRandom(1)

  const launch = async () => {
    await using parts = new AsyncDisposableStack()
    const stop = new AbortController()
    parts.defer(() => stop.abort(new Error('the test is over')))
    const informers = createInformers({ client, clock, random, log: silentLogger, signal: stop.signal })
    const node = createNode({
      name: 'node-1',
      client,
      informers,
      runtime,
      clock,
      random,
      log: silentLogger,
      dataDirectory: directory,
      ips: ['192.0.2.1'],
      kubeletPort: 10250,
      clusterDns: ['10.96.0.10'],
      clusterDomain: 'cluster.local',
      capacity: { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '100Gi' },
      ...options.node,
    })
    parts.use(await node.start(stop.signal))
    return { node, stop: parts.move() }
  }
  let running = await launch()
  starting.defer(() => running.stop.disposeAsync())
  const everything = starting.move()

  const key = (name: string) => ({ namespace: 'default', name })
  const get = (name: string) => client.get(Pod, key(name)).catch(ignoreNotFound)
  return {
    clock,
    client,
    runtime,
    directory,
    get node() {
      return running.node
    },
    create: (name, spec, metadata) =>
      client.create(Pod, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...key(name), ...metadata },
        spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'app' }], ...spec },
      }),
    get,
    until,
    async pod(name, look) {
      let last: ApiPod | undefined
      try {
        return await until(async () => {
          last = await get(name)
          return last && look(last) ? last : undefined
        })
      } catch (error) {
        throw new Error(`pod ${name} is still ${JSON.stringify(last?.status, undefined, 1)}`, { cause: error })
      }
    },
    async events(name) {
      const { items } = await client.list(CoreEvent, { namespace: 'default' })
      return items.filter(({ involvedObject }) => involvedObject.name === name)
    },
    async restart() {
      await running.stop.disposeAsync()
      running = await launch()
    },
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  }
}

/** Asks again until there is an answer. In real time: the clock of the test stands still meanwhile. */
export async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  const began = systemClock.monotonic()
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (systemClock.monotonic() - began > PATIENCE_MS) throw new Error(`still not so: ${look}`)
    await systemClock.sleep(1)
  }
}
