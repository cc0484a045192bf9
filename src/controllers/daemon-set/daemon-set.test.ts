import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControllerRevision } from '#api/kinds/apps/controller-revision.ts'
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { startTestCluster, type TestCluster } from '#controllers/testing.ts'
import { nodeOf } from './daemon-pods.ts'

const namespace = 'default'
const key = { namespace, name: 'agent' }
const only = ['daemonset-controller']

function daemonSet(spec: object = {}, podSpec: object = {}): DaemonSet {
  const labels = { app: 'agent' }
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'agent:1' }], ...podSpec } }
  return { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { ...key }, spec: { selector: { matchLabels: labels }, template, ...spec } }
}

/** The server marks new nodes as not ready; a daemon waits for that to go. */
async function addNode(
  { client }: TestCluster,
  name: string,
  node: { labels?: Record<string, string>; taints?: { key: string; effect: string }[] } = {},
): Promise<void> {
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name, ...(node.labels ? { labels: node.labels } : {}) } })
  await client.patch(Node, { name }, { type: 'merge', patch: { spec: { taints: node.taints ?? null } } })
}

const nodes = async ({ client }: TestCluster) =>
  (await client.list(Pod, { namespace })).items
    .map((pod) => nodeOf(pod))
    .sort()
    .join()
const images = async ({ client }: TestCluster) =>
  (await client.list(Pod, { namespace })).items
    .map(({ spec }) => spec!.containers[0]!.image)
    .sort()
    .join()

test('daemonSetController runs one pod on every node that fits, and follows nodes as they come and go', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1', { labels: { disk: 'ssd' } })
  await addNode(cluster, 'n2')
  await addNode(cluster, 'n3', { labels: { disk: 'ssd' }, taints: [{ key: 'dedicated', effect: 'NoSchedule' }] })
  await client.create(DaemonSet, daemonSet({}, { nodeSelector: { disk: 'ssd' } }))
  await eventually(async () => (await nodes(cluster)) === 'n1')
  const { status } = await eventually(async () => {
    const current = await client.get(DaemonSet, key)
    return current.status?.numberAvailable === 1 && current
  })
  assert.deepEqual(
    [status?.desiredNumberScheduled, status?.currentNumberScheduled, status?.numberReady, status?.updatedNumberScheduled],
    [1, 1, 1, 1],
  )
  const [pod] = (await client.list(Pod, { namespace })).items
  assert.ok(
    pod!.spec!.tolerations!.some(({ key: taint, effect }) => taint === 'node.kubernetes.io/unschedulable' && effect === 'NoSchedule'),
  )
  assert.ok(pod!.metadata!.labels!['controller-revision-hash'])

  await client.patch(Node, { name: 'n2' }, { type: 'merge', patch: { metadata: { labels: { disk: 'ssd' } } } })
  await eventually(async () => (await nodes(cluster)) === 'n1,n2')
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { metadata: { labels: { disk: null } } } })
  await eventually(async () => (await nodes(cluster)) === 'n2')
})

test('daemonSetController updates node by node within maxUnavailable', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  for (const name of ['n1', 'n2', 'n3']) await addNode(cluster, name)
  await client.create(DaemonSet, daemonSet())
  await eventually(async () => (await client.get(DaemonSet, key)).status?.numberAvailable === 3)
  const pods = cluster.informers.of(Pod)
  let least = 3
  using watching = pods.subscribe(() => {
    const ready = pods
      .list(namespace)
      .filter(({ status }) => status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'))
    least = Math.min(least, ready.length)
  })
  void watching
  least = 3
  await client.patch(DaemonSet, key, {
    type: 'strategic',
    patch: { spec: { template: { spec: { containers: [{ name: 'c', image: 'agent:2' }] } } } },
  })
  await eventually(async () => (await images(cluster)) === 'agent:2,agent:2,agent:2')
  await eventually(async () => (await client.get(DaemonSet, key)).status?.numberAvailable === 3)
  assert.equal(least, 2)
})

test('daemonSetController with surge starts the new pod before it stops the old one', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  for (const name of ['n1', 'n2']) await addNode(cluster, name)
  await client.create(
    DaemonSet,
    daemonSet({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }),
  )
  await eventually(async () => (await client.get(DaemonSet, key)).status?.numberAvailable === 2)
  const pods = cluster.informers.of(Pod)
  let least = 2
  let most = 2
  using watching = pods.subscribe(() => {
    const ready = pods
      .list(namespace)
      .filter(({ status }) => status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'))
    least = Math.min(least, ready.length)
    most = Math.max(most, pods.list(namespace).length)
  })
  void watching
  ;[least, most] = [2, 2]
  await client.patch(DaemonSet, key, {
    type: 'strategic',
    patch: { spec: { template: { spec: { containers: [{ name: 'c', image: 'agent:2' }] } } } },
  })
  await eventually(async () => (await images(cluster)) === 'agent:2,agent:2')
  assert.deepEqual([least, most], [2, 3])
})

test('daemonSetController replaces failed pods, more slowly each time', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  await client.create(DaemonSet, daemonSet())
  const fail = async () => {
    const [pod] = await eventually(async () => {
      const { items } = await client.list(Pod, { namespace })
      return items.length === 1 && items[0]!.status?.phase !== 'Failed' && items
    })
    await client.patch(
      Pod,
      { namespace, name: pod!.metadata!.name! },
      { type: 'merge', patch: { status: { phase: 'Failed' } } },
      { subresource: 'status' },
    )
    return cluster.clock.now()
  }
  const times = [await fail(), await fail(), await fail(), await fail()]
  const gaps = times.slice(1).map((time, i) => time - times[i]!)
  assert.ok(gaps[2]! >= 1900 && gaps[1]! >= 900, `gaps were ${gaps.join(', ')}`)
  await eventually(async () =>
    (await cluster.events('agent')).some((text) =>
      /^FailedDaemonPod: Found failed daemon pod default\/agent-\w+ on node n1, will try to kill it$/.test(text),
    ),
  )
})

test('daemonSetController with surge counts the old pod until the new one has taken over', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  await client.create(
    DaemonSet,
    daemonSet({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }),
  )
  const setReady = async (image: string, ready: string) => {
    const pod = await eventually(async () =>
      (await client.list(Pod, { namespace })).items.find(({ spec }) => spec?.containers[0]?.image === image),
    )
    const lastTransitionTime = '2026-01-01T00:00:00Z'
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: ready, lastTransitionTime }] }
    await client.patch(Pod, keyOf(pod), { type: 'merge', patch: { status } }, { subresource: 'status' })
  }
  const change = (image: string) =>
    client.patch(DaemonSet, key, { type: 'strategic', patch: { spec: { template: { spec: { containers: [{ name: 'c', image }] } } } } })
  await setReady('agent:1', 'True')
  await eventually(async () => (await client.get(DaemonSet, key)).status?.numberAvailable === 1)
  await cluster.advance(1000)
  await change('agent:2')
  await setReady('agent:2', 'False')
  await cluster.advance(2000)
  const { status } = await client.get(DaemonSet, key)
  assert.deepEqual([status?.updatedNumberScheduled, status?.numberAvailable], [undefined, 1])
  // A third template takes the place of the second, not of the one that serves.
  await change('agent:3')
  await eventually(async () => (await images(cluster)) === 'agent:1,agent:3')
  // Without the one that serves nothing is lost any more by letting it go.
  await setReady('agent:1', 'False')
  await eventually(async () => (await images(cluster)) === 'agent:3')
})

test('daemonSetController takes away what waits for a node that is gone, and is not held up by what cannot end', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  for (const name of ['n1', 'n2']) await addNode(cluster, name)
  await client.create(DaemonSet, daemonSet())
  await eventually(async () => (await nodes(cluster)) === 'n1,n2')
  await client.delete(Node, { name: 'n2' })
  await eventually(async () => (await nodes(cluster)) === 'n1')
  const [pod] = (await client.list(Pod, { namespace })).items
  await client.patch(Pod, keyOf(pod!), { type: 'merge', patch: { metadata: { finalizers: ['example.com/held'] } } })
  await client.patch(Pod, keyOf(pod!), { type: 'merge', patch: { status: { phase: 'Failed' } } }, { subresource: 'status' })
  await eventually(async () => (await nodes(cluster)) === 'n1,n1')
})

test('daemonSetController notes template generations on pods and causes of changes on revisions', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  const set = daemonSet()
  await client.create(DaemonSet, { ...set, metadata: { ...set.metadata, annotations: { 'kubernetes.io/change-cause': 'why not' } } })
  const [pod] = await eventually(async () => {
    const { items } = await client.list(Pod, { namespace })
    return items.length > 0 && items
  })
  assert.equal(pod!.metadata!.labels!['pod-template-generation'], '1')
  const [revision] = (await client.list(ControllerRevision, { namespace })).items
  assert.equal(revision!.metadata!.annotations!['kubernetes.io/change-cause'], 'why not')
  assert.equal(revision!.metadata!.labels!['controller-revision-hash'], pod!.metadata!.labels!['controller-revision-hash'])
})

test('daemonSetController begins to count failures anew with another template', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  await client.create(DaemonSet, daemonSet())
  const fail = async (image: string) => {
    const pod = await eventually(async () => {
      const { items } = await client.list(Pod, { namespace })
      return items.find(({ spec, status }) => spec?.containers[0]?.image === image && status?.phase !== 'Failed')
    })
    await client.patch(Pod, keyOf(pod), { type: 'merge', patch: { status: { phase: 'Failed' } } }, { subresource: 'status' })
  }
  for (let i = 0; i < 4; i++) await fail('agent:1')
  // The next may be replaced after eight seconds.
  await fail('agent:1')
  const since = cluster.clock.now()
  const template = { spec: { containers: [{ name: 'c', image: 'agent:2' }] } }
  await client.patch(DaemonSet, key, { type: 'strategic', patch: { spec: { template } } })
  await eventually(async () => (await images(cluster)) === 'agent:2')
  assert.ok(cluster.clock.now() - since < 1000, `took ${cluster.clock.now() - since} ms`)
})

test('daemonSetController with surge replaces a pod as soon as it is on its way out', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
  await client.create(DaemonSet, daemonSet({ updateStrategy }))
  const [pod] = await eventually(async () => {
    const { items } = await client.list(Pod, { namespace })
    return items.length === 1 && items
  })
  await client.patch(Pod, keyOf(pod!), { type: 'merge', patch: { metadata: { finalizers: ['example.com/held'] } } })
  await client.delete(Pod, keyOf(pod!))
  await eventually(async () => (await nodes(cluster)) === 'n1,n1')
})

test('daemonSetController lets its pods stay for good on nodes in trouble, whatever the template says', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  const tolerations = [
    { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
    { key: 'dedicated', operator: 'Exists' },
  ]
  await client.create(DaemonSet, daemonSet({}, { tolerations }))
  const [pod] = await eventually(async () => {
    const { items } = await client.list(Pod, { namespace })
    return items.length === 1 && items
  })
  assert.deepEqual(pod!.spec!.tolerations!.slice(0, 3), [
    { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
    { key: 'dedicated', operator: 'Exists' },
    { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  ])
})

test('daemonSetController adopts pods and revisions that nobody controls, and keeps one revision of a template', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  await client.create(DaemonSet, daemonSet())
  const [mine] = await eventually(async () => {
    const { items } = await client.list(Pod, { namespace })
    return items.length === 1 && items
  })
  const [revision] = (await client.list(ControllerRevision, { namespace })).items
  const hash = revision!.metadata!.labels!['controller-revision-hash']
  // As if from a backup: the same template under another name, without the label.
  const copy = { ...revision!, metadata: { namespace, name: 'agent-copy', labels: { app: 'agent' } }, revision: 7 }
  await client.create(ControllerRevision, copy)
  const [left] = await eventually(async () => {
    const { items } = await client.list(ControllerRevision, { namespace })
    return items.length === 1 && items[0]!.metadata?.name === 'agent-copy' && items
  })
  assert.equal(left!.metadata!.labels!['controller-revision-hash'], 'agent-copy')
  assert.notEqual(hash, 'agent-copy')
  const relabelled = await eventually(async () => {
    const pod = await client.get(Pod, keyOf(mine!))
    return pod.metadata?.labels?.['controller-revision-hash'] === 'agent-copy' && pod
  })
  assert.equal(relabelled.metadata!.uid, mine!.metadata!.uid)

  await addNode(cluster, 'n2', { taints: [{ key: 'dedicated', effect: 'NoSchedule' }] })
  const spec = { containers: [{ name: 'c', image: 'agent:0' }], nodeName: 'n2' }
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: 'stray', labels: { app: 'agent' } }, spec })
  await eventually(async () => {
    const { metadata } = await client.get(Pod, { namespace, name: 'stray' })
    return metadata?.ownerReferences?.[0]?.kind === 'DaemonSet'
  })
})

test('daemonSetController has nothing to do when a node says that it is well', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  await client.create(DaemonSet, daemonSet())
  await eventually(async () => (await client.get(DaemonSet, key)).status?.numberAvailable === 1)
  await cluster.advance(1000)
  const before = cluster.reconciles()
  const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:00:00Z' }]
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { status: { conditions } } }, { subresource: 'status' })
  await cluster.advance(1000)
  assert.equal(cluster.reconciles(), before)
})

test('daemonSetController looks at a revision that comes with its controller when something else happens', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  await client.create(DaemonSet, daemonSet())
  const revisions = async () => (await client.list(ControllerRevision, { namespace })).items
  const [initial] = await eventually(async () => {
    const found = await revisions()
    return found.length === 1 && found
  })
  await cluster.advance(5000)
  const { name, labels, ownerReferences } = initial!.metadata!
  await client.create(ControllerRevision, {
    ...initial!,
    metadata: { namespace, name: 'copy', labels: labels!, ownerReferences: ownerReferences! },
    revision: 2,
  })
  await cluster.advance(5000)
  assert.equal((await revisions()).length, 2)
  await client.delete(ControllerRevision, { namespace, name: name! })
  await cluster.advance(5000)
  assert.deepEqual(
    (await revisions()).map(({ metadata }) => metadata?.name),
    ['copy'],
  )
})
