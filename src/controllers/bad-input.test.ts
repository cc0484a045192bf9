// What users and programs ask for without meaning it: work stays bounded, something says why, and then there is silence.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customKind } from '#api/custom/custom-kind.ts'
import { MutatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/mutating-admission-policy-binding.ts'
import { MutatingAdmissionPolicy } from '#api/kinds/admissionregistration/mutating-admission-policy.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { HorizontalPodAutoscalerV2 } from '#api/kinds/autoscaling/horizontal-pod-autoscaler-v2.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { Service } from '#api/kinds/core/service.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import type { Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import type { KubeObject, OwnerReference } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import { inScope, usageOf } from '#server/admission/quota-usage.ts'
import { conditionOf } from '#api/conditions.ts'
import { customDefinition } from '#api/custom/testing.ts'
import { createNamespace, gone, startTestCluster, type TestCluster } from './testing.ts'

const namespace = 'default'
const labels = { app: 'web' }
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'c:1' }] } }

/** Nothing is written, and hardly anything looked at, in ten minutes in which nobody asks for anything. */
async function assertQuiet({ client, advance, reconciles }: TestCluster): Promise<void> {
  const kinds = builtinKinds.filter((kind) => !kind.virtual && kind.verbs.includes('list') && kind.kind !== 'Lease')
  const versions = async () => {
    const lists = await Promise.all(kinds.map((kind) => client.list<KubeObject>(kind)))
    return lists.flatMap(({ items }) => items.map(({ kind, metadata }) => `${kind} ${metadata?.name} ${metadata?.resourceVersion}`))
  }
  const before = { versions: await versions(), reconciles: reconciles() }
  await advance(600_000)
  assert.deepEqual(await versions(), before.versions)
  assert.ok(reconciles() - before.reconciles < 100, `${reconciles() - before.reconciles} reconciles in ten minutes`)
}

const pod = (name: string, more: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace, name, labels },
  spec: { ...template.spec, ...more },
})

test('workloads whose selectors match nothing of their own, or everything, are refused by name', async (t) => {
  const { client } = await startTestCluster(t, { only: [] })
  const refused = (kind: Kind<any>, object: KubeObject & { spec: unknown }, message: RegExp) =>
    assert.rejects(client.create(kind, object), (error: Error) => hasReason(error, 'Invalid') && message.test(error.message))
  for (const [kind, spec] of [
    [Deployment, {}],
    [ReplicaSet, {}],
    [DaemonSet, {}],
  ] as const) {
    const object = { apiVersion: 'apps/v1', kind: kind.kind, metadata: { namespace, name: 'all' } }
    await refused(kind, { ...object, spec: { ...spec, selector: {}, template } }, /empty selector is invalid/)
    await refused(
      kind,
      { ...object, spec: { ...spec, selector: { matchLabels: { app: 'other' } }, template } },
      /`selector` does not match template `labels`/,
    )
  }
})

test('a budget for everything, one for nothing and a service without pods come to rest and say what they found', async (t) => {
  const cluster = await startTestCluster(t, {
    only: ['disruption-controller', 'endpointslice-controller', 'endpoints-controller', 'replicaset-controller'],
    runPods: true,
  })
  const { client, eventually } = cluster
  const budget = (name: string, selector: object) =>
    client.create(PodDisruptionBudget, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { namespace, name },
      spec: { minAvailable: 1, selector },
    })
  await client.create(ReplicaSet, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { namespace, name: 'web' },
    spec: { replicas: 3, selector: { matchLabels: labels }, template },
  })
  await budget('everything', {})
  await budget('nothing', { matchLabels: { app: 'nobody' } })
  await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: 'nobody' },
    spec: { selector: { app: 'nobody' }, ports: [{ port: 80 }] },
  })
  await eventually(async () => (await client.get(PodDisruptionBudget, { namespace, name: 'everything' })).status?.disruptionsAllowed === 2)
  const nothing = await client.get(PodDisruptionBudget, { namespace, name: 'nothing' })
  assert.equal(nothing.status?.disruptionsAllowed, 0)
  assert.deepEqual([conditionOf(nothing.status?.conditions, 'DisruptionAllowed')?.status, nothing.status?.expectedPods], ['False', 0])
  await eventually(async () => (await cluster.events('nothing')).includes('NoPods: No matching pods found'))
  const { items } = await eventually(async () => {
    const list = await client.list(EndpointSlice, { namespace, labelSelector: 'kubernetes.io/service-name=nobody' })
    return list.items.length === 1 && list
  })
  assert.deepEqual(items[0]?.endpoints ?? [], [])
  await assertQuiet(cluster)
})

test('two replica sets of one selector leave each other alone', async (t) => {
  const cluster = await startTestCluster(t, { only: ['replicaset-controller'], runPods: true })
  const { client, eventually } = cluster
  await eventually(() => client.get(ServiceAccount, { namespace, name: 'default' }))
  await client.create(Pod, pod('orphan'))
  for (const name of ['one', 'two'])
    await client.create(ReplicaSet, {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { namespace, name },
      spec: { replicas: 2, selector: { matchLabels: labels }, template },
    })
  const ready = async (name: string) => (await client.get(ReplicaSet, { namespace, name })).status?.readyReplicas === 2
  await eventually(async () => (await ready('one')) && (await ready('two')))
  assert.equal((await client.list(Pod, { namespace })).items.length, 4)
  await assertQuiet(cluster)
})

test('objects that own themselves, or each other, stay, and can be deleted in the foreground', async (t) => {
  const cluster = await startTestCluster(t, { only: ['garbage-collector-controller'] })
  const { client, eventually } = cluster
  const create = (name: string) => client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name } })
  const own = (name: string, owners: readonly ConfigMap[]) => {
    const ownerReferences: OwnerReference[] = owners.map(({ metadata }) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: metadata!.name!,
      uid: metadata!.uid!,
      blockOwnerDeletion: true,
    }))
    return client.patch(ConfigMap, { namespace, name }, { type: 'merge', patch: { metadata: { ownerReferences } } })
  }
  const [self, a, b] = [await create('self'), await create('a'), await create('b')]
  await own('self', [self])
  await own('a', [b])
  await own('b', [a])
  await cluster.advance(60_000)
  assert.equal((await client.list(ConfigMap, { namespace })).items.length, 3)
  await assertQuiet(cluster)
  // Both of the ring at once: neither may wait for the other.
  for (const name of ['self', 'a', 'b']) await client.delete(ConfigMap, { namespace, name }, { propagationPolicy: 'Foreground' })
  await eventually(async () => (await client.list(ConfigMap, { namespace })).items.length === 0)
})

test('a definition deleted under its objects takes them and what they own along; who scales them says so, then is quiet', async (t) => {
  const only = ['garbage-collector-controller', 'horizontal-pod-autoscaler-controller', 'namespace-controller', 'disruption-controller']
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, events } = cluster
  const definition = customDefinition('Widget', { group: 'shop.example.com' })
  const Widget = customKind(definition, definition.spec.versions[0]!)
  const key = { name: definition.metadata!.name! }
  await client.create(CustomResourceDefinition, definition)
  await eventually(
    async () => conditionOf((await client.get(CustomResourceDefinition, key)).status?.conditions, 'Established')?.status === 'True',
  )
  const owner: KubeObject = await client.create(Widget, {
    apiVersion: 'shop.example.com/v1',
    kind: 'Widget',
    metadata: { namespace, name: 'owner', finalizers: ['example.com/hold'] },
  })
  const ownerReferences = [{ apiVersion: 'shop.example.com/v1', kind: 'Widget', name: 'owner', uid: owner.metadata!.uid! }]
  await client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: 'owned', ownerReferences } })
  await client.create(HorizontalPodAutoscalerV2, {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { namespace, name: 'scaler' },
    spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'shop.example.com/v1', kind: 'Widget', name: 'owner' } },
  })
  await client.delete(CustomResourceDefinition, key)
  // Held by an object's finalizer: said in a condition, not tried again and again.
  await eventually(
    async () => conditionOf((await client.get(CustomResourceDefinition, key)).status?.conditions, 'Terminating')?.status === 'True',
  )
  await client.patch(Widget, { namespace, name: 'owner' }, { type: 'merge', patch: { metadata: { finalizers: null } } })
  await eventually(() => client.get(CustomResourceDefinition, key).then(() => false, gone))
  await eventually(() => client.get(ConfigMap, { namespace, name: 'owned' }).then(() => false, gone))
  await cluster.advance(20_000)
  await eventually(async () => {
    const { status } = await client.get(HorizontalPodAutoscalerV2, { namespace, name: 'scaler' })
    return conditionOf(status?.conditions, 'AbleToScale')?.reason === 'FailedGetScale'
  })
  assert.ok((await events('scaler')).some((text) => text.startsWith('FailedGetScale: ')))
  const before = cluster.reconciles()
  await cluster.advance(600_000)
  // Every fifteen seconds the autoscaler looks again, and nobody else does.
  assert.ok(cluster.reconciles() - before < 100, `${cluster.reconciles() - before} reconciles`)
})

test('a job and a daemon set whose pods a node refuses come later each time, and the job fails for it', async (t) => {
  const cluster = await startTestCluster(t, { only: ['job-controller', 'daemonset-controller'], runPods: true })
  const { client, advance, informers, eventually } = cluster
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } })
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { spec: { taints: null } } })
  const refusing = (app: string) => ({ metadata: { labels: { app }, annotations: { 'test/phase': 'Failed' } }, spec: template.spec })
  const job = refusing('job')
  await client.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name: 'refused' },
    spec: { backoffLimit: 3, template: { ...job, spec: { ...job.spec, restartPolicy: 'Never' } } },
  })
  await client.create(DaemonSet, {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { namespace, name: 'refused-too' },
    spec: { selector: { matchLabels: { app: 'daemon' } }, template: refusing('daemon') },
  })
  await advance(600_000)
  const failed = await client.get(Job, { namespace, name: 'refused' })
  assert.equal(conditionOf(failed.status?.conditions, 'Failed')?.reason, 'BackoffLimitExceeded')
  assert.equal(informers.of(Pod).ownedBy(failed.metadata!.uid!).length, 4)
  await eventually(async () => (await cluster.events('refused-too')).some((text) => text.startsWith('FailedDaemonPod: ')))
  const made = (await cluster.events('refused-too')).filter((text) => text.startsWith('SuccessfulCreate'))
  // One, two, four ... seconds apart: some ten in ten minutes.
  assert.ok(made.length >= 5 && made.length <= 15, `${made.length} pods`)
})

for (const [where, nodeName, mostPods] of [
  ['a node with a taint they do not tolerate', 'tainted', 20],
  ['a node that is not there', 'no-such-node', 15],
] as const) {
  test(`pods made for ${where} come later each time, and their sets say why`, async (t) => {
    const only = ['replicaset-controller', 'statefulset-controller', 'taint-eviction-controller', 'pod-garbage-collector-controller']
    const cluster = await startTestCluster(t, { only, runPods: true })
    const { client, advance, events, informers } = cluster
    await client.create(Node, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'tainted' },
      spec: { taints: [{ key: 'example.com/busy', effect: 'NoExecute' }] },
    })
    const sent = { ...template, spec: { ...template.spec, nodeName, terminationGracePeriodSeconds: 0 } }
    const shared = { replicas: 1, selector: { matchLabels: labels }, template: sent }
    await client.create(ReplicaSet, { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { namespace, name: 'set' }, spec: shared })
    await client.create(StatefulSet, {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { namespace, name: 'ordered' },
      spec: { ...shared, selector: { matchLabels: { app: 'ordered' } }, template: { ...sent, metadata: { labels: { app: 'ordered' } } } },
    })
    let made = 0
    using _counting = informers.of(Pod).subscribe(({ object, previous }) => {
      if (object && !previous) made++
    })
    await advance(900_000)
    assert.ok(made >= 8 && made <= 2 * mostPods, `${made} pods in a quarter of an hour`)
    for (const name of ['set', 'ordered'])
      assert.ok(
        (await events(name)).some((text) =>
          text.startsWith('PodsRefused: Pods are taken away as they come, the next has to wait. The last was'),
        ),
        name,
      )
  })
}

test('pods that are given other labels as they are made come later each time, and their owners say why', async (t) => {
  const cluster = await startTestCluster(t, { only: ['replicaset-controller', 'job-controller', 'daemonset-controller'], runPods: true })
  const { client, advance, events } = cluster
  const name = { name: 'relabel' }
  await client.create(MutatingAdmissionPolicy, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicy',
    metadata: name,
    spec: {
      reinvocationPolicy: 'Never',
      matchConstraints: { resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }] },
      mutations: [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: {
            expression: 'Object{metadata: Object.metadata{labels: {"app": "another", "batch.kubernetes.io/controller-uid": "another"}}}',
          },
        },
      ],
    },
  })
  await client.create(MutatingAdmissionPolicyBinding, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: name,
    spec: { policyName: 'relabel' },
  })
  await advance(1000)
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } })
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { spec: { taints: null } } })
  const selector = { matchLabels: labels }
  const named = (name: string) => ({ namespace, name })
  const spec = { replicas: 2, selector, template }
  await client.create(ReplicaSet, { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: named('set'), spec })
  await client.create(DaemonSet, { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: named('daemons'), spec: { selector, template } })
  const jobTemplate = { ...template, spec: { ...template.spec, restartPolicy: 'Never' } }
  await client.create(Job, { apiVersion: 'batch/v1', kind: 'Job', metadata: named('job'), spec: { template: jobTemplate } })
  await advance(900_000)
  const pods = (await client.list(Pod, { namespace })).items
  for (const owner of ['set', 'daemons', 'job']) {
    const made = pods.filter(({ metadata }) => metadata?.name?.startsWith(`${owner}-`)).length
    assert.ok(made >= 6 && made <= 40, `${made} pods of ${owner} in a quarter of an hour`)
    assert.ok(
      (await events(owner)).some((text) => /^PodsRefused: .* its labels are not those that are selected$/.test(text)),
      owner,
    )
  }
})

test('a quota raced by hundreds of writers lets in as many as it says, and its controller agrees', async (t) => {
  const cluster = await startTestCluster(t, {
    only: ['resourcequota-controller', 'replicaset-controller'],
    controllers: { quotaMeter: { usageOf, inScope } },
  })
  const { client, eventually, advance } = cluster
  await createNamespace(cluster, 'shop')
  const key = { namespace: 'shop', name: 'q' }
  await client.create(ResourceQuota, { apiVersion: 'v1', kind: 'ResourceQuota', metadata: key, spec: { hard: { pods: '10' } } })
  const used = async () => (await client.get(ResourceQuota, key)).status?.used?.['pods']
  await eventually(async () => (await used()) === '0')
  const outcomes = await Promise.allSettled(
    Array.from({ length: 300 }, (_, index) =>
      client.create(Pod, { ...pod(`p${index}`), metadata: { namespace: 'shop', name: `p${index}` } }),
    ),
  )
  const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []))
  assert.equal(outcomes.length - refusals.length, 10)
  for (const error of refusals) assert.match(error.message, /exceeded quota: q, requested: pods=1, used: pods=10, limited: pods=10/)
  assert.equal(await used(), '10')
  // A set that wants far more meets the wall with few, says so, and comes back rarely.
  await client.create(ReplicaSet, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { namespace: 'shop', name: 'greedy' },
    spec: { replicas: 500, selector: { matchLabels: labels }, template },
  })
  await advance(600_000)
  const { status } = await client.get(ReplicaSet, { namespace: 'shop', name: 'greedy' })
  const failure = conditionOf(status?.conditions, 'ReplicaFailure')
  assert.equal(failure?.reason, 'FailedCreate')
  assert.match(failure?.message ?? '', /exceeded quota: q/)
  assert.equal(await used(), '10')
  assert.ok(cluster.reconciles() < 300, `${cluster.reconciles()} reconciles`)
})

test('a job of a million completions runs what parallelism says, and its status stays small', async (t) => {
  const cluster = await startTestCluster(t, { only: ['job-controller'] })
  const { client, eventually } = cluster
  const name = 'endless'
  await client.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name },
    spec: { completions: 1_000_000, parallelism: 5, template: { spec: { ...template.spec, restartPolicy: 'Never' } } },
  })
  await eventually(async () => (await client.get(Job, { namespace, name })).status?.active === 5)
  assert.equal((await client.list(Pod, { namespace })).items.length, 5)
  await assertQuiet(cluster)
  const indexed = { completionMode: 'Indexed', completions: 1_000_000, parallelism: 100_001 }
  await assert.rejects(
    client.create(Job, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { namespace, name: 'indexed' },
      spec: { ...indexed, template: { spec: { ...template.spec, restartPolicy: 'Never' } } },
    }),
    (error: Error) => hasReason(error, 'Invalid') && /parallelism/.test(error.message),
  )
})
