import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { conditionOf } from '#api/conditions.ts'
import { startTestCluster, type TestCluster } from '#controllers/testing.ts'
import { REVISION } from './annotations.ts'

const namespace = 'default'
const key = { namespace, name: 'web' }
const only = ['replicaset-controller', 'deployment-controller']

function deployment(replicas: number, spec: object = {}, image = 'web:1', annotations: Record<string, string> = {}): Deployment {
  const labels = { app: 'web' }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...key },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations }, spec: { containers: [{ name: 'web', image }] } },
      ...spec,
    },
  }
}

const setImage = ({ client }: TestCluster, image: string) =>
  client.patch(Deployment, key, { type: 'strategic', patch: { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } } })

async function complete(cluster: TestCluster, replicas: number): Promise<Deployment> {
  return cluster.eventually(async () => {
    const current = await cluster.client.get(Deployment, key)
    const { status = {}, metadata } = current
    const settled =
      status.observedGeneration === metadata?.generation && status.updatedReplicas === replicas && status.replicas === replicas
    return (
      settled &&
      status.availableReplicas === replicas &&
      conditionOf(status.conditions, 'Progressing')?.reason === 'NewReplicaSetAvailable' &&
      current
    )
  })
}

async function setsByImage({ client }: TestCluster): Promise<Record<string, ReplicaSet>> {
  const { items } = await client.list(ReplicaSet, { namespace })
  return Object.fromEntries(items.map((set) => [set.spec!.template!.spec!.containers[0]!.image!, set]))
}

test('deploymentController makes a replica set named by the hash of its template', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(Deployment, deployment(3))
  const current = await complete(cluster, 3)
  const [set, ...more] = (await cluster.client.list(ReplicaSet, { namespace })).items
  assert.equal(more.length, 0)
  const hash = set!.metadata!.labels!['pod-template-hash']!
  assert.equal(set!.metadata!.name, `web-${hash}`)
  assert.equal(set!.spec!.selector.matchLabels!['pod-template-hash'], hash)
  assert.deepEqual(
    ['revision', 'desired-replicas', 'max-replicas'].map((name) => set!.metadata!.annotations![`deployment.kubernetes.io/${name}`]),
    ['1', '3', '4'],
  )
  assert.equal(current.metadata!.annotations!['deployment.kubernetes.io/revision'], '1')
  const available = conditionOf(current.status?.conditions, 'Available')
  assert.deepEqual([available?.status, available?.reason], ['True', 'MinimumReplicasAvailable'])
  await cluster.eventually(async () =>
    (await cluster.events('web')).includes(`ScalingReplicaSet: Scaled up replica set web-${hash} from 0 to 3`),
  )
})

test('deploymentController goes on from the revision of a set it adopts, however large', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { apiVersion, metadata, spec } = deployment(1)
  const { replicas, selector, template } = spec!
  await cluster.client.create(ReplicaSet, {
    apiVersion,
    kind: 'ReplicaSet',
    metadata: { namespace, name: 'web-before', labels: template.metadata!.labels!, annotations: { [REVISION]: '3546343826724305832' } },
    spec: { replicas: replicas!, selector, template },
  } as ReplicaSet)
  await cluster.client.create(Deployment, { ...deployment(1, {}, 'web:2'), metadata: metadata! })
  const current = await complete(cluster, 1)
  assert.equal(current.metadata!.annotations![REVISION], '3546343826724305833')
})

test('deploymentController rolls out within surge and availability, keeps history, and goes back', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(Deployment, deployment(4))
  await complete(cluster, 4)
  const pods = cluster.informers.of(Pod)
  let most = 0
  let least = Infinity
  const watching = pods.subscribe(() => {
    const ready = pods
      .list(namespace)
      .filter(({ status }) => status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'))
    most = Math.max(most, pods.list(namespace).length)
    least = Math.min(least, ready.length)
  })
  least = Infinity
  await setImage(cluster, 'web:2')
  await complete(cluster, 4)
  watching[Symbol.dispose]()
  assert.equal(most, 5)
  assert.ok(least >= 3, `${least} were ready at the worst moment`)
  let sets = await setsByImage(cluster)
  assert.deepEqual([sets['web:1']!.spec!.replicas, sets['web:2']!.spec!.replicas], [0, 4])

  await setImage(cluster, 'web:1')
  const back = await complete(cluster, 4)
  sets = await setsByImage(cluster)
  assert.equal(back.metadata!.annotations!['deployment.kubernetes.io/revision'], '3')
  assert.equal(sets['web:1']!.metadata!.annotations!['deployment.kubernetes.io/revision'], '3')
  assert.equal(sets['web:1']!.metadata!.annotations!['deployment.kubernetes.io/revision-history'], '1')
  assert.deepEqual([sets['web:1']!.spec!.replicas, sets['web:2']!.spec!.replicas], [4, 0])
})

test('deploymentController holds a rollout whose pods do not get ready, reports the deadline, and recovers', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(Deployment, deployment(4, { progressDeadlineSeconds: 60 }))
  await complete(cluster, 4)
  const stuck = { spec: { template: { metadata: { annotations: { 'test/phase': 'Pending' } } } } }
  await cluster.client.patch(Deployment, key, { type: 'merge', patch: stuck })
  await cluster.eventually(async () => (await cluster.client.get(Deployment, key)).status?.unavailableReplicas === 2)
  assert.equal((await cluster.client.get(Deployment, key)).status?.availableReplicas, 3)
  await cluster.advance(62_000)
  const progressing = await cluster.eventually(async () => {
    const condition = conditionOf((await cluster.client.get(Deployment, key)).status?.conditions, 'Progressing')
    return condition?.status === 'False' && condition
  })
  assert.equal(progressing.reason, 'ProgressDeadlineExceeded')
  assert.match(progressing.message!, /^ReplicaSet "web-.*" has timed out progressing\.$/)
  await cluster.client.patch(Deployment, key, {
    type: 'merge',
    patch: { spec: { template: { metadata: { annotations: { 'test/phase': null } } } } },
  })
  await complete(cluster, 4)
})

test('deploymentController scales without a rollout, in proportion while one is under way', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(
    Deployment,
    deployment(10, { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } }),
  )
  await complete(cluster, 10)
  const stuck = { spec: { template: { metadata: { annotations: { 'test/phase': 'Pending' } } } } }
  await cluster.client.patch(Deployment, key, { type: 'merge', patch: stuck })
  const sizes = async () => {
    const { items } = await cluster.client.list(ReplicaSet, { namespace })
    return items
      .map(({ spec }) => spec!.replicas!)
      .sort((a, b) => b - a)
      .join()
  }
  await cluster.eventually(async () => (await sizes()) === '8,5')
  await cluster.client.patch(Deployment, key, { type: 'merge', patch: { spec: { replicas: 30 } } })
  await cluster.eventually(async () => (await sizes()) === '20,13')
})

test('deploymentController with strategy Recreate starts new pods when the old ones are gone', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(Deployment, deployment(3, { strategy: { type: 'Recreate' } }))
  await complete(cluster, 3)
  const pods = cluster.informers.of(Pod)
  let mixed = false
  const watching = pods.subscribe(() => {
    const images = new Set(pods.list(namespace).map(({ spec }) => spec!.containers[0]!.image))
    mixed ||= images.size > 1
  })
  await setImage(cluster, 'web:2')
  await complete(cluster, 3)
  watching[Symbol.dispose]()
  assert.equal(mixed, false)
})

test('deploymentController does nothing with a new template while paused', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(Deployment, deployment(2))
  await complete(cluster, 2)
  await cluster.client.patch(Deployment, key, { type: 'merge', patch: { spec: { paused: true } } })
  await setImage(cluster, 'web:2')
  await cluster.eventually(
    async () => conditionOf((await cluster.client.get(Deployment, key)).status?.conditions, 'Progressing')?.reason === 'DeploymentPaused',
  )
  await cluster.advance(5000)
  assert.deepEqual(Object.keys(await setsByImage(cluster)), ['web:1'])
  await cluster.client.patch(Deployment, key, { type: 'merge', patch: { spec: { paused: null } } })
  await complete(cluster, 2)
  assert.equal((await setsByImage(cluster))['web:2']!.spec!.replicas, 2)
})

test('deploymentController keeps as many old replica sets as its history limit says', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(Deployment, deployment(1, { revisionHistoryLimit: 2 }))
  for (let version = 2; version <= 5; version++) {
    await complete(cluster, 1)
    await setImage(cluster, `web:${version}`)
  }
  await complete(cluster, 1)
  await cluster.eventually(
    async () =>
      Object.keys(await setsByImage(cluster))
        .sort()
        .join() === 'web:3,web:4,web:5',
  )
})

test('deploymentController makes sets that somebody deletes, and those it goes back to, at once however often', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, clock } = cluster
  await client.create(Deployment, deployment(1, { revisionHistoryLimit: 0 }))
  await complete(cluster, 1)
  const since = clock.now()
  for (let round = 0; round < 6; round++) {
    const { metadata } = Object.values(await setsByImage(cluster))[0]!
    await client.delete(ReplicaSet, { namespace, name: metadata!.name! })
    await cluster.eventually(async () => {
      const set = Object.values(await setsByImage(cluster))[0]
      return set && set.metadata?.uid !== metadata!.uid
    })
  }
  for (let round = 0; round < 12; round++) {
    await setImage(cluster, `web:${round % 2}`)
    await complete(cluster, 1)
    await cluster.eventually(async () => Object.keys(await setsByImage(cluster)).length === 1)
  }
  assert.ok(clock.now() - since < 1000, `${clock.now() - since} ms`)
})

test('deploymentController goes back to a revision an annotation asks for, with the annotations of its time', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const first = deployment(1)
  await cluster.client.create(Deployment, {
    ...first,
    metadata: { ...first.metadata, annotations: { 'kubernetes.io/change-cause': 'first' } },
  })
  await complete(cluster, 1)
  const cause = (text: string) => ({ metadata: { annotations: { 'kubernetes.io/change-cause': text } } })
  await cluster.client.patch(Deployment, key, {
    type: 'strategic',
    patch: { ...cause('second'), spec: { template: { spec: { containers: [{ name: 'web', image: 'web:2' }] } } } },
  })
  await complete(cluster, 1)
  const ask = (revision: string) =>
    cluster.client.patch(Deployment, key, {
      type: 'merge',
      patch: { metadata: { annotations: { 'deprecated.deployment.rollback.to': revision } } },
    })
  const told = (text: string) => cluster.eventually(async () => (await cluster.events('web')).includes(text))
  await ask('7')
  await told('DeploymentRollbackRevisionNotFound: Unable to find the revision to rollback to.')
  await ask('2')
  await told('DeploymentRollbackTemplateUnchanged: The rollback revision contains the same template as current deployment "web"')
  await ask('0')
  await told('DeploymentRollback: Rolled back deployment "web" to revision 1')
  const back = await cluster.eventually(async () => {
    const current = await cluster.client.get(Deployment, key)
    return current.metadata?.annotations?.[REVISION] === '3' && current
  })
  assert.equal(back.spec?.template.spec?.containers[0]?.image, 'web:1')
  assert.equal(back.metadata?.annotations?.['kubernetes.io/change-cause'], 'first')
  assert.equal(back.metadata?.annotations?.['deprecated.deployment.rollback.to'], undefined)
})

test('deploymentController makes nothing new of a template that only spells the same otherwise', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(Deployment, deployment(1))
  await complete(cluster, 1)
  const patch = (container: object) =>
    cluster.client.patch(Deployment, key, {
      type: 'strategic',
      patch: { spec: { template: { spec: { containers: [{ name: 'web', ...container }] } } } },
    })
  await patch({ env: [], command: [], resources: { requests: { cpu: '1000m' } } })
  await complete(cluster, 1)
  const sets = async () => (await cluster.client.list(ReplicaSet, { namespace })).items.length
  assert.equal(await sets(), 2)
  await patch({ env: null, resources: { requests: { cpu: '1' } } })
  await cluster.advance(5000)
  assert.equal(await sets(), 2)
})

test('deploymentController finds another name where that of its set is taken, and counts that', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client } = cluster
  await client.create(Deployment, deployment(2))
  await complete(cluster, 2)
  const [first] = (await client.list(ReplicaSet, { namespace })).items
  // Nobody collects here: the set stays behind and is another's.
  await client.delete(Deployment, key)
  await client.create(Deployment, deployment(2))
  const { status } = await complete(cluster, 2)
  assert.equal(status?.collisionCount, 1)
  const names = (await client.list(ReplicaSet, { namespace })).items.map(({ metadata }) => metadata!.name!)
  assert.equal(names.length, 2)
  assert.ok(names.includes(first!.metadata!.name!))
})

test('deploymentController counts pods on their way out', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await client.create(Deployment, deployment(3))
  const pods = await eventually(async () => {
    const { items } = await client.list(Pod, { namespace })
    return items.length === 3 && items
  })
  const finalizers = ['example.com/held']
  for (const { metadata } of pods) {
    const pod = { namespace, name: metadata!.name! }
    await client.patch(Pod, pod, { type: 'merge', patch: { metadata: { finalizers } } })
  }
  await client.patch(Deployment, key, { type: 'merge', patch: { spec: { replicas: 1 } } })
  await eventually(async () => {
    const { status } = await client.get(Deployment, key)
    const [set] = (await client.list(ReplicaSet, { namespace })).items
    return status?.terminatingReplicas === 2 && status.replicas === 1 && set?.status?.terminatingReplicas === 2
  })
})

test('deploymentController tells of a rollout whose sets together want more than a number holds', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only: ['deployment-controller'] })
  const most = 2_147_483_647
  await client.create(Deployment, deployment(most, { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '100%' } } }))
  for (const [generation, image] of ['web:1', 'web:2'].entries()) {
    const patch = { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } }
    await client.patch(Deployment, key, { type: 'strategic', patch })
    await eventually(async () => {
      const { status } = await client.get(Deployment, key)
      return status?.observedGeneration === generation + 1 && status.unavailableReplicas === most
    })
  }
})
