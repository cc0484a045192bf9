import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Pod } from '#api/generated/types.ts'
import { silentLogger } from '#lib/log.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { startTestServer } from '#server/testing.ts'
import { Eviction } from './eviction.ts'
import { podsOverLimit } from './local-storage.ts'
import type { Container } from './runtime.ts'
import { startTestNode } from './testing.ts'

test('Eviction ends a pod whose volume is over its limit, at once and with an event', async () => {
  const behaviour = () => ({ stopMs: 600_000 })
  await using node = await startTestNode({ connect: (clock) => startTestServer({ clock }), runtime: { behaviour } })
  const { metadata } = await node.create('full', {
    containers: [{ name: 'main', image: 'app', volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] }],
    volumes: [{ name: 'scratch', emptyDir: { sizeLimit: '64Ki' } }],
  })
  await node.pod('full', ({ status }) => status?.phase === 'Running')
  const volume = join(node.directory, 'pods', metadata?.uid ?? '', 'volumes', 'kubernetes.io~empty-dir', 'scratch')
  await writeFile(join(volume, 'file'), Buffer.alloc(100_000))
  await node.clock.advance(10_000)
  const message = 'Usage of EmptyDir volume "scratch" exceeds the limit "64Ki". '
  await node.until(async () => (await node.events('full')).some((event) => event.reason === 'Evicted' && event.message === message))
  await node.until(async () => node.runtime.calls.includes('stopContainer main 2'))
  await node.clock.advance(2000)
  const pod = await node.pod('full', ({ status }) => status?.containerStatuses?.[0]?.state?.terminated)
  assert.deepEqual([pod.status?.phase, pod.status?.reason, pod.status?.message], ['Failed', 'Evicted', message])
  assert.equal(
    pod.status?.conditions?.some(({ type }) => type === 'DisruptionTarget'),
    false,
  )
  assert.deepEqual(
    (await node.events('full')).filter(({ reason }) => reason === 'Evicted').map(({ type, count }) => [type, count]),
    [['Warning', 1]],
  )
})

const pod = (limits: Record<string, string | undefined>): Pod => ({
  metadata: { name: 'web', namespace: 'default', uid: 'u' },
  spec: {
    containers: Object.entries(limits).map(([name, limit]) => ({
      name,
      image: 'app',
      ...(limit ? { resources: { limits: { 'ephemeral-storage': limit } } } : {}),
    })),
  },
})
const cases: [name: string, limits: Record<string, string | undefined>, used: Record<string, number>, message: string | undefined][] = [
  ['none has a limit', { a: undefined }, { a: 1e9 }, undefined],
  ['all keep to it', { a: '1Mi', b: '1Mi' }, { a: 1000, b: 1000 }, undefined],
  [
    'one is over its own',
    { a: '1Mi', b: '3Mi' },
    { a: 2 * 1024 ** 2, b: 0 },
    'Container a exceeded its local ephemeral storage limit "1Mi". ',
  ],
  [
    'together they are over',
    { a: '1Mi', b: undefined },
    { a: 0, b: 2 * 1024 ** 2 },
    'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ',
  ],
]
for (const [name, limits, used, message] of cases) {
  test(`podsOverLimit of containers, where ${name}`, async () => {
    const containers = Object.keys(used).map((id) => ({ id, name: id, labels: {}, state: 'running' }) as unknown as Container)
    const stats = Object.entries(used).map(([containerId, writableLayerBytes]) => ({
      containerId,
      writableLayerBytes,
      timestamp: 0,
      cpuUsageNanoSeconds: 0,
      memoryWorkingSetBytes: 0,
      memoryUsageBytes: 0,
      memoryRssBytes: 0,
    }))
    const over = await podsOverLimit([pod(limits)], {
      volumes: { podDirectory: () => '/nowhere' },
      view: { pod: () => ({ sandboxes: [], containers }) },
      runtime: { containerStats: async () => stats },
      logDirectory: '/nowhere',
    })
    assert.deepEqual(
      over.map(([, text]) => text),
      message ? [message] : [],
    )
  })
}

test('Eviction spares critical pods, and says of the victim of a shortage that the node disrupts it', async () => {
  const clock = createVirtualClock()
  const evicted: [string, boolean][] = []
  const eviction = new Eviction({
    clock,
    log: silentLogger,
    agent: {
      activePods: () => [
        { ...pod({ a: undefined }), metadata: { uid: 'critical' }, spec: { priority: 2_000_001_000, containers: [] } },
        pod({ a: undefined }),
      ],
      evict: (uid, { pressure }) => evicted.push([uid, pressure]),
    },
    storage: {
      volumes: { podDirectory: () => '/nowhere' },
      view: { pod: () => ({ sandboxes: [], containers: [] }) },
      runtime: { containerStats: async () => [] },
      logDirectory: '/nowhere',
    },
    availableMemory: () => 0,
    directory: '/',
  })
  using _ = eviction.start()
  await clock.advance(10_000)
  while (evicted.length === 0) await new Promise(setImmediate)
  assert.deepEqual(evicted, [['u', true]])
})
