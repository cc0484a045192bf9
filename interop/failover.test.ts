// Two of each process on one store, each killed in turn while people scale hundreds of deployments: nothing is lost, nothing happens twice, and a client
// that watches sees every change once.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { test } from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { createInformers } from '#client/informers.ts'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { noEtcd } from '#store/etcd/testing.ts'
import { type ServerProcess, startProcesses, until } from './processes.ts'

const namespace = 'default'
const DEPLOYMENTS = 200
const JOBS = 20
const MOST_REPLICAS = 3
const random = seededRandom(1)

test('two of each process work through the death of each, under load', { skip: noEtcd }, async () => {
  await using processes = await startProcesses()
  const { serve, act, pki } = processes
  const servers = { a: await serve('a'), b: await serve('b') }
  const actors: Record<string, ChildProcess> = {}
  const start = async (role: 'controllers' | 'scheduler', server: 'a' | 'b') => {
    const more = role === 'controllers' ? ['--pki-dir', pki] : []
    actors[`${role} ${server}`] = await act(role, '--kubeconfig', servers[server].kubeconfig, ...more)
  }
  const simulate = (server: 'a' | 'b') =>
    act(
      'node',
      'simulate',
      '--count',
      '10',
      '--name-prefix',
      `of-${server}`,
      '--first-subnet',
      server === 'a' ? '0' : '100',
      '--kubeconfig',
      servers[server].kubeconfig,
    )
  for (const server of ['a', 'b'] as const) {
    await start('controllers', server)
    await start('scheduler', server)
    actors[`nodes ${server}`] = await simulate(server)
  }

  /** Whichever server answers; what was refused for another reason than its death is. */
  const either = async <T>(request: (client: Client) => Promise<T>): Promise<T> =>
    (
      await until('an answer', async () => {
        try {
          return { answer: await request(servers.a.client) }
        } catch {
          return { answer: await request(servers.b.client) }
        }
      })
    ).answer
  await until('the nodes', async () => (await either((client) => client.list(Node))).items.length === 20)

  // Somebody watches, always through b.
  const seen = {
    written: new Map<string, number>(),
    nodeOf: new Map<string, string>(),
    moved: [] as string[],
    jobPods: new Map<string, Set<string>>(),
  }
  const stop = new AbortController()
  const watching = createInformers({ client: failingOver(servers), clock: systemClock, random, log: silentLogger, signal: stop.signal })
  using _maps = watching.of(ConfigMap).subscribe(({ object, previous }) => {
    const name = object?.metadata?.name
    if (name?.startsWith('tick-') && !previous) seen.written.set(name, (seen.written.get(name) ?? 0) + 1)
  })
  using _pods = watching.of(Pod).subscribe(({ object }) => {
    const uid = object?.metadata?.uid
    if (!uid) return
    const owner = object.metadata?.ownerReferences?.[0]
    if (owner?.kind === 'Job') seen.jobPods.set(owner.name, (seen.jobPods.get(owner.name) ?? new Set()).add(uid))
    const node = object.spec?.nodeName
    if (!node) return
    const before = seen.nodeOf.get(uid)
    if (before !== undefined && before !== node) seen.moved.push(`${object.metadata?.name}: ${before}, ${node}`)
    seen.nodeOf.set(uid, node)
  })
  await watching.of(ConfigMap).synced()
  await watching.of(Pod).synced()

  // People at work until they are told to go home.
  const wanted = new Map<string, number>()
  const ticks: string[] = []
  const evening = new AbortController()
  await using work = new AsyncDisposableStack()
  const scaling = (async () => {
    for (let turn = 0; !evening.signal.aborted; turn++) {
      const name = `app-${turn % DEPLOYMENTS}`
      const replicas = 1 + Math.floor(random.float() * MOST_REPLICAS)
      if (!wanted.has(name)) await either((client) => client.create(Deployment, deployment(name, replicas)).catch(ifNew))
      else await either((client) => client.patch(Deployment, { namespace, name }, { type: 'merge', patch: { spec: { replicas } } }))
      wanted.set(name, replicas)
      if (turn < JOBS) await either((client) => client.create(Job, job(`job-${turn}`)).catch(ifNew))
      const tick = `tick-${turn}`
      await either((client) =>
        client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: tick, namespace } }).catch(ifNew),
      )
      ticks.push(tick)
      await systemClock.sleep(20)
    }
  })()

  work.defer(async () => {
    evening.abort(new Error('home'))
    stop.abort(new Error('the test is over'))
    await scaling.catch(() => {})
  })

  const holder = async (name: string) =>
    (await either((client) => client.get(Lease, { namespace: 'kube-system', name }))).spec?.holderIdentity
  const LEASES = { controllers: 'kube-controller-manager', scheduler: 'kube-scheduler' } as const
  const takesOver = async (role: keyof typeof LEASES, before: string | undefined) =>
    until(`another leader of ${role}`, async () => {
      const now = await holder(LEASES[role])
      return now && now !== before
    })
  const progress = async (what: string) => {
    const marker = `after-${what}`
    await either((client) => client.create(Deployment, deployment(marker, 2)).catch(ifNew))
    wanted.set(marker, 2)
    await until(
      `${marker} available`,
      async () => (await either((client) => client.get(Deployment, { namespace, name: marker }))).status?.availableReplicas === 2,
    )
  }

  await until('everybody at work', async () => wanted.size >= DEPLOYMENTS)
  const [controllers, scheduler] = [await holder(LEASES.controllers), await holder(LEASES.scheduler)]
  // The first of each leads: it was there first.
  actors['controllers a']!.kill('SIGKILL')
  actors['scheduler a']!.kill('SIGKILL')
  await Promise.all([takesOver('controllers', controllers), takesOver('scheduler', scheduler)])
  await progress('actors')
  await start('controllers', 'a')
  await start('scheduler', 'a')

  actors['nodes a']!.kill('SIGKILL')
  actors['nodes a'] = await simulate('a')
  // Its actors and nodes wait until it is back.
  servers.a.kill()
  servers.a = await serve('a')
  await progress('a')

  // The leaders have only b: they give way to those of a.
  const [second, third] = [await holder(LEASES.controllers), await holder(LEASES.scheduler)]
  servers.b.kill()
  await Promise.all([takesOver('controllers', second), takesOver('scheduler', third)])
  servers.b = await serve('b')
  await progress('b')

  evening.abort(new Error('home'))
  await scaling
  await until('all deployments as they were scaled last', async () => {
    const { items } = await either((client) => client.list(Deployment, { namespace }))
    return items.every(({ metadata, spec, status }) => {
      const replicas = wanted.get(metadata!.name!)
      return spec?.replicas === replicas && status?.availableReplicas === replicas && status?.replicas === replicas
    })
  })
  await until('all jobs done', async () => {
    const { items } = await either((client) => client.list(Job, { namespace }))
    return items.length === JOBS && items.every(({ status }) => status?.succeeded === 1)
  })
  const pods = (await either((client) => client.list(Pod, { namespace }))).items
  const sets = (await either((client) => client.list(ReplicaSet, { namespace }))).items
  assert.equal(sets.length, wanted.size, 'a replica set each')
  for (const set of sets) {
    const own = pods.filter(({ metadata }) => metadata?.ownerReferences?.[0]?.uid === set.metadata?.uid && !metadata?.deletionTimestamp)
    assert.equal(own.length, set.spec?.replicas, set.metadata?.name)
    assert.ok(
      own.every(({ status }) => status?.phase === 'Running'),
      set.metadata?.name,
    )
  }
  const addresses = pods.flatMap(({ status }) => (status?.phase === 'Running' ? (status.podIP ?? []) : []))
  assert.equal(new Set(addresses).size, addresses.length, 'an address each')
  await until('the watch to come to the end', async () => seen.written.has(ticks.at(-1)!))
  stop.abort(new Error('seen enough'))
  assert.deepEqual(seen.moved, [], 'bound once')
  assert.deepEqual(
    [...seen.jobPods.values()].map(({ size }) => size),
    Array.from({ length: JOBS }, () => 1),
    'a pod each for jobs of one',
  )
  assert.deepEqual(
    ticks.filter((tick) => seen.written.get(tick) !== 1),
    [],
    'seen once each',
  )
})

/** Reads from whichever server there is, as behind one address. */
function failingOver(servers: Record<'a' | 'b', ServerProcess>): Client {
  let turn = 0
  const next = () => (turn++ % 2 === 0 ? servers.b : servers.a).client
  const client = servers.b.client
  return {
    ...client,
    list: (kind, options) => next().list(kind, options),
    watch: (kind, options) => next().watch(kind, options),
  }
}

/** It was made, though the answer was lost. */
function ifNew(error: unknown): undefined {
  if (!hasReason(error, 'AlreadyExists')) throw error
  return undefined
}

function deployment(name: string, replicas: number): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'app', resources: { requests: { cpu: '10m' } } }] },
      },
    },
  }
}

function job(name: string): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace },
    spec: {
      completions: 1,
      template: {
        metadata: { annotations: { 'sampan.dev/run-seconds': '30' } },
        spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'app' }] },
      },
    },
  }
}
