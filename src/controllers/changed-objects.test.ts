// What admission changes of the objects that controllers make: they are not made again and again, something says why, and then there is silence.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MutatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/mutating-admission-policy-binding.ts'
import { MutatingAdmissionPolicy } from '#api/kinds/admissionregistration/mutating-admission-policy.ts'
import { ControllerRevision } from '#api/kinds/apps/controller-revision.ts'
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { ResourceClaimTemplate } from '#api/kinds/resource/resource-claim-template.ts'
import { ResourceResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { startTestCluster, type TestCluster } from './testing.ts'

const namespace = 'default'
const QUARTER_MS = 900_000
const metadata = (name: string) => ({ namespace, name })
const containers = [{ name: 'c', image: 'c:1' }]
const specOf = (app: string) => ({
  selector: { matchLabels: { app } },
  template: { metadata: { labels: { app } }, spec: { containers, terminationGracePeriodSeconds: 0 } },
})

/** From now on every object of this resource is changed as it is made, or with other operations, too. */
async function change(
  { client, advance }: TestCluster,
  resource: { group: string; name: string; operations?: ('CREATE' | 'UPDATE')[]; where?: string },
  patch: string,
): Promise<void> {
  const { group, name, operations = ['CREATE'], where = 'true' } = resource
  await client.create(MutatingAdmissionPolicy, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicy',
    metadata: { name },
    spec: {
      reinvocationPolicy: 'Never',
      matchConstraints: { resourceRules: [{ apiGroups: [group], apiVersions: ['*'], operations, resources: [name] }] },
      matchConditions: [{ name: 'where', expression: where }],
      mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: `[JSONPatch{${patch}}]` } }],
    },
  })
  await client.create(MutatingAdmissionPolicyBinding, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: { name },
    spec: { policyName: name },
  })
  await addNode(client, 'n1')
  await advance(1000)
}

async function addNode(client: TestCluster['client'], name: string): Promise<void> {
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name } })
  await client.patch(Node, { name }, { type: 'merge', patch: { spec: { taints: null } } })
}

/** How many objects of a kind there were or came within a quarter of an hour. */
async function madeMeanwhile<T extends KubeObject>({ informers, advance }: TestCluster, kind: Kind<T>): Promise<number> {
  let made = 0
  using _counting = informers.of(kind).subscribe(({ object, previous }) => {
    if (object && !previous) made++
  })
  await advance(QUARTER_MS)
  return made
}

async function assertSays({ events }: TestCluster, about: string, text: RegExp): Promise<void> {
  const said = await events(about)
  assert.ok(
    said.some((line) => text.test(line)),
    `${about}: ${said.join('\n')}`,
  )
}

for (const [what, patch, why] of [
  ['another template', 'op: "replace", path: "/spec/template/spec/containers/0/image", value: "other"', 'it has another template'],
  ['other labels', 'op: "replace", path: "/metadata/labels", value: {"app": "other"}', 'it is not controlled by the deployment'],
] as const)
  test(`replica sets that are given ${what} as they are made come later each time, and their deployment says why`, async (t) => {
    const cluster = await startTestCluster(t, { only: ['deployment-controller', 'replicaset-controller'], runPods: true })
    await change(cluster, { group: 'apps', name: 'replicasets' }, patch)
    const { client } = cluster
    await client.create(Deployment, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata('web'),
      spec: { replicas: 2, ...specOf('web') },
    })
    const made = await madeMeanwhile(cluster, ReplicaSet)
    assert.ok(made >= 5 && made <= 16, `${made} sets`)
    await assertSays(cluster, 'web', new RegExp(`^ReplicaSetsChanged: .* the next has to wait. The last was web-\\w+: ${why}$`))
    // Whoever asks for something else need not wait.
    await client.delete(MutatingAdmissionPolicyBinding, { name: 'replicasets' })
    await cluster.advance(1000)
    await client.patch(Deployment, metadata('web'), { type: 'merge', patch: { spec: { template: { metadata: { labels: { v: '2' } } } } } })
    await cluster.eventually(async () => (await client.get(Deployment, metadata('web'))).status?.updatedReplicas === 2)
  })

test('pods that are given another owner as they are made come later each time, and who made them says why', async (t) => {
  const names = ['replicaset', 'statefulset', 'daemonset', 'job'].map((name) => `${name}-controller`)
  const cluster = await startTestCluster(t, { only: [...names, 'garbage-collector-controller'], runPods: true })
  await change(cluster, { group: '', name: 'pods' }, 'op: "replace", path: "/metadata/ownerReferences/0/uid", value: "nobody"')
  const { client } = cluster
  const apps = (kind: string, name: string) => ({ apiVersion: 'apps/v1', kind, metadata: metadata(name), spec: specOf(name) })
  await client.create(ReplicaSet, apps('ReplicaSet', 'set'))
  await client.create(StatefulSet, { ...apps('StatefulSet', 'ordered'), spec: { ...specOf('ordered'), serviceName: 'ordered' } })
  await client.create(DaemonSet, apps('DaemonSet', 'daemons'))
  await client.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: metadata('job'),
    spec: { template: { spec: { containers, restartPolicy: 'Never' } } },
  })
  const made = await madeMeanwhile(cluster, Pod)
  assert.ok(made >= 20 && made <= 80, `${made} pods`)
  for (const owner of ['set', 'ordered', 'daemons', 'job'])
    await assertSays(cluster, owner, new RegExp(`^PodsRefused: .* its owner is \\w+ ${owner} with the uid nobody$`))
})

test('pods of ordered sets that are given another revision as they are made come later each time', async (t) => {
  const cluster = await startTestCluster(t, { only: ['statefulset-controller'], runPods: true })
  await change(cluster, { group: '', name: 'pods' }, 'op: "replace", path: "/metadata/labels/controller-revision-hash", value: "other"')
  const spec = { ...specOf('ordered'), serviceName: 'ordered' }
  await cluster.client.create(StatefulSet, { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: metadata('ordered'), spec })
  const made = await madeMeanwhile(cluster, Pod)
  assert.ok(made >= 5 && made <= 16, `${made} pods`)
  await assertSays(cluster, 'ordered', /^PodsRefused: .* ordered-0: its labels are not those of the present revision$/)
})

test('a pod of a parallel set that is given another owner as it is made holds back no other', async (t) => {
  const cluster = await startTestCluster(t, { only: ['statefulset-controller', 'garbage-collector-controller'], runPods: true })
  const patch = 'op: "replace", path: "/metadata/ownerReferences/0/uid", value: "nobody"'
  await change(cluster, { group: '', name: 'pods', where: 'object.metadata.name == "all-0"' }, patch)
  const { client, eventually, clock } = cluster
  const spec = { ...specOf('all'), serviceName: 'all', podManagementPolicy: 'Parallel', replicas: 2 }
  await client.create(StatefulSet, { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: metadata('all'), spec })
  const made = await madeMeanwhile(cluster, Pod)
  assert.ok(made >= 6 && made <= 17, `${made} pods`)
  const since = clock.now()
  const { uid } = (await client.get(Pod, metadata('all-1'))).metadata!
  await client.delete(Pod, metadata('all-1'))
  await eventually(async () => (await client.get(Pod, metadata('all-1'))).metadata?.uid !== uid)
  assert.ok(clock.now() - since < 2000, `${clock.now() - since} ms`)
})

test('daemons that are sent elsewhere as they are made come later each time', async (t) => {
  const cluster = await startTestCluster(t, { only: ['daemonset-controller'], runPods: true })
  await change(cluster, { group: '', name: 'pods' }, 'op: "add", path: "/spec/nodeName", value: "nowhere"')
  const { client } = cluster
  await client.create(DaemonSet, { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: metadata('daemons'), spec: specOf('daemons') })
  const made = await madeMeanwhile(cluster, Pod)
  assert.ok(made >= 5 && made <= 16, `${made} pods`)
  await assertSays(cluster, 'daemons', /^PodsRefused: .* it was made for n1 and sent to nowhere$/)
})

/** A pod in the making is for node n1. */
const FOR_N1 =
  'object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].values[0] == "n1"'

for (const [what, patch] of [
  ['given another owner', 'op: "replace", path: "/metadata/ownerReferences/0/uid", value: "nobody"'],
  ['given other labels', 'op: "replace", path: "/metadata/labels", value: {"app": "other"}'],
  ['sent elsewhere', 'op: "add", path: "/spec/nodeName", value: "nowhere"'],
  ['given labels of no template', 'op: "replace", path: "/metadata/labels", value: {"app": "daemons"}'],
] as const)
  test(`daemons that are ${what} on one node hold back none on others`, async (t) => {
    const cluster = await startTestCluster(t, { only: ['daemonset-controller'], runPods: true })
    await change(cluster, { group: '', name: 'pods', where: FOR_N1 }, patch)
    const { client, clock, eventually } = cluster
    await addNode(client, 'n2')
    const spec = { ...specOf('daemons'), updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 2 } } }
    await client.create(DaemonSet, { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: metadata('daemons'), spec })
    const status = async () => (await client.get(DaemonSet, metadata('daemons'))).status
    const made = await madeMeanwhile(cluster, Pod)
    assert.ok(made >= 6 && made <= 17, `${made} pods`)
    await assertSays(cluster, 'daemons', /^PodsRefused: /)
    const came = clock.now()
    await addNode(client, 'n3')
    await eventually(async () => (await status())?.numberReady === 2)
    assert.ok(clock.now() - came < 1000, `${clock.now() - came} ms`)
    // Nor does it hold up an update, as long as one may be missing.
    const another = { spec: { template: { metadata: { labels: { v: '2' } } } } }
    await client.patch(DaemonSet, metadata('daemons'), { type: 'merge', patch: another })
    await eventually(async () => (await status())?.updatedNumberScheduled === 2)
  })

test('an owner that asks for something else does not wait for what became of the pods before', async (t) => {
  const cluster = await startTestCluster(t, { only: ['daemonset-controller', 'statefulset-controller'], runPods: true })
  await change(cluster, { group: '', name: 'pods' }, 'op: "replace", path: "/metadata/ownerReferences/0/uid", value: "nobody"')
  const { client, clock, eventually } = cluster
  const apps = (kind: string, name: string) => ({ apiVersion: 'apps/v1', kind, metadata: metadata(name), spec: specOf(name) })
  await client.create(DaemonSet, apps('DaemonSet', 'daemons'))
  const spec = { ...specOf('ordered'), serviceName: 'ordered' }
  await client.create(StatefulSet, { ...apps('StatefulSet', 'ordered'), spec: { ...spec, podManagementPolicy: 'Parallel' } })
  await cluster.advance(QUARTER_MS)
  await client.delete(MutatingAdmissionPolicyBinding, { name: 'pods' })
  await client.delete(Pod, { namespace, name: 'ordered-0' })
  await cluster.advance(1000)
  const since = clock.now()
  const patch = { spec: { template: { metadata: { labels: { v: '2' } } } } }
  await client.patch(DaemonSet, metadata('daemons'), { type: 'merge', patch })
  await client.patch(StatefulSet, metadata('ordered'), { type: 'merge', patch })
  await eventually(async () => (await client.get(DaemonSet, metadata('daemons'))).status?.numberReady === 1)
  await eventually(async () => (await client.get(StatefulSet, metadata('ordered'))).status?.readyReplicas === 1)
  assert.ok(clock.now() - since < 1000, `${clock.now() - since} ms`)
})

test('pods of a replica set that fail at once come later each time; those that ran do not wait', async (t) => {
  const cluster = await startTestCluster(t, { only: ['replicaset-controller'], runPods: true })
  const { client, informers, advance, eventually } = cluster
  const containerStatuses = [{ name: 'c', image: 'c:1', imageID: 'c:1', ready: false, restartCount: 0 }]
  const fail = ({ metadata }: Pod) =>
    client.patch(
      Pod,
      { namespace, name: metadata!.name! },
      { type: 'merge', patch: { status: { phase: 'Failed', containerStatuses } } },
      { subresource: 'status' },
    )
  await client.create(ReplicaSet, { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: metadata('set'), spec: specOf('set') })
  const running = () =>
    informers
      .of(Pod)
      .list(namespace)
      .find(({ status }) => status?.phase === 'Running')
  for (let round = 0; round < 6; round++) {
    await fail(await eventually(running))
    await eventually(running)
    await advance(10_000)
  }
  assert.equal((await cluster.events('set')).filter((text) => text.startsWith('PodsRefused')).length, 0)
  using _failing = informers.of(Pod).subscribe(({ object, previous }) => {
    if (object?.status?.phase === 'Running' && previous?.status?.phase !== 'Running') void fail(object)
  })
  await fail(running()!)
  const made = await madeMeanwhile(cluster, Pod)
  assert.ok(made >= 5 && made <= 20, `${made} pods`)
  await assertSays(cluster, 'set', /^PodsRefused: .* Failed: it failed at once$/)
})

for (const [what, patch] of [
  ['data', 'op: "add", path: "/data/spec/template/spec/containers/0/image", value: "other"'],
  ['labels', 'op: "add", path: "/metadata/labels", value: {"a": "b"}'],
] as const)
  test(`revisions that are given other ${what} as they are made are what there is of a template`, async (t) => {
    const cluster = await startTestCluster(t, { only: ['statefulset-controller', 'daemonset-controller'], runPods: true })
    await change(cluster, { group: 'apps', name: 'controllerrevisions' }, patch)
    const { client } = cluster
    const spec = { ...specOf('ordered'), serviceName: 'ordered' }
    await client.create(StatefulSet, { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: metadata('ordered'), spec })
    await client.create(DaemonSet, { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: metadata('daemons'), spec: specOf('daemons') })
    assert.equal(await madeMeanwhile(cluster, ControllerRevision), 2)
    assert.equal((await client.get(StatefulSet, metadata('ordered'))).status?.readyReplicas, 1)
    assert.equal((await client.get(DaemonSet, metadata('daemons'))).status?.numberReady, 1)
    const template = { spec: { containers: [{ name: 'c', image: 'c:2' }] } }
    await client.patch(StatefulSet, metadata('ordered'), { type: 'merge', patch: { spec: { template } } })
    await client.patch(DaemonSet, metadata('daemons'), { type: 'merge', patch: { spec: { template } } })
    assert.equal(await madeMeanwhile(cluster, ControllerRevision), 4)
  })

for (const rollingUpdate of [{ maxUnavailable: 1 }, { maxSurge: 1, maxUnavailable: 0 }])
  test(`an update (${JSON.stringify(rollingUpdate)}) goes on while the daemons of one node are given labels of no template`, async (t) => {
    const cluster = await startTestCluster(t, { only: ['daemonset-controller'], runPods: true })
    await change(cluster, { group: '', name: 'pods', where: FOR_N1 }, 'op: "replace", path: "/metadata/labels", value: {"app": "daemons"}')
    const { client } = cluster
    for (const name of ['n2', 'n3']) await addNode(client, name)
    const spec = { ...specOf('daemons'), updateStrategy: { type: 'RollingUpdate', rollingUpdate } }
    await client.create(DaemonSet, { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: metadata('daemons'), spec })
    await cluster.advance(QUARTER_MS)
    const another = { spec: { template: { metadata: { labels: { v: '2' } } } } }
    await client.patch(DaemonSet, metadata('daemons'), { type: 'merge', patch: another })
    const made = await madeMeanwhile(cluster, Pod)
    assert.ok(made >= 8 && made <= 22, `${made} pods`)
    assert.equal((await client.get(DaemonSet, metadata('daemons'))).status?.updatedNumberScheduled, 2)
    await assertSays(cluster, 'daemons', /^PodsRefused: /)
  })

/** The pod `one`, which asks for a claim by template. */
async function podWithClaim({ client }: TestCluster): Promise<void> {
  await client.create(ResourceClaimTemplate, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaimTemplate',
    metadata: metadata('gpu'),
    spec: { spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'none' } }] } } },
  })
  const spec = { containers, resourceClaims: [{ name: 'r', resourceClaimTemplateName: 'gpu' }] }
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: metadata('one'), spec })
}

test('claims that are given another owner as they are made come later each time, and their pod says why', async (t) => {
  const cluster = await startTestCluster(t, {
    only: ['resourceclaim-controller', 'resourceclaim-reservations-controller', 'garbage-collector-controller'],
  })
  const patch = 'op: "replace", path: "/metadata/ownerReferences/0/uid", value: "nobody"'
  await change(cluster, { group: 'resource.k8s.io', name: 'resourceclaims' }, patch)
  await podWithClaim(cluster)
  const made = await madeMeanwhile(cluster, ResourceResourceClaim)
  assert.ok(made >= 3 && made <= 16, `${made} claims`)
  await assertSays(cluster, 'one', /^FailedResourceClaimCreation: PodResourceClaim r: claims are not the pod's as they are made/)
})

test('claims that lose their pod as they are made are made once', async (t) => {
  const cluster = await startTestCluster(t, { only: ['resourceclaim-controller'] })
  await change(cluster, { group: 'resource.k8s.io', name: 'resourceclaims' }, 'op: "remove", path: "/metadata/ownerReferences"')
  await podWithClaim(cluster)
  assert.equal(await madeMeanwhile(cluster, ResourceResourceClaim), 1)
  assert.ok(
    cluster.warnings.some((line) =>
      /ResourceClaim default\/one-r-\w+ was not created for pod default\/one \(pod is not owner\)/.test(line),
    ),
  )
})

test('revisions that are given another owner as they are made come later each time, and their sets say why', async (t) => {
  const cluster = await startTestCluster(t, { only: ['statefulset-controller', 'daemonset-controller'], runPods: true })
  await change(
    cluster,
    { group: 'apps', name: 'controllerrevisions' },
    'op: "replace", path: "/metadata/ownerReferences/0/uid", value: "nobody"',
  )
  const { client } = cluster
  const spec = { ...specOf('ordered'), serviceName: 'ordered' }
  await client.create(StatefulSet, { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: metadata('ordered'), spec })
  await client.create(DaemonSet, { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: metadata('daemons'), spec: specOf('daemons') })
  const made = await madeMeanwhile(cluster, ControllerRevision)
  assert.ok(made >= 6 && made <= 32, `${made} revisions`)
  for (const name of ['ordered', 'daemons']) await assertSays(cluster, name, /^FailedCreate: Revisions are not the set's as they are made/)
})

test('slices that lose an endpoint with every write are written later each time, but for what is new', async (t) => {
  const cluster = await startTestCluster(t, { only: ['endpointslice-controller'], runPods: true })
  const { client, informers } = cluster
  const slices = { group: 'discovery.k8s.io', name: 'endpointslices', operations: ['CREATE' as const, 'UPDATE' as const] }
  await change(cluster, slices, 'op: "remove", path: "/endpoints/0"')
  const labels = { app: 'web' }
  const pod = (name: string) =>
    client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata(name), labels }, spec: { nodeName: 'n1', containers } })
  for (const name of ['a', 'b', 'c']) await pod(name)
  await cluster.advance(1000)
  const spec = { selector: labels, ports: [{ port: 80 }] }
  await client.create(Service, { apiVersion: 'v1', kind: 'Service', metadata: metadata('web'), spec })
  let writes = 0
  using _counting = informers.of(EndpointSlice).subscribe(() => writes++)
  await cluster.advance(QUARTER_MS)
  assert.ok(writes >= 5 && writes <= 16, `${writes} writes`)
  await assertSays(cluster, 'web', /^FailedToUpdateEndpointSlices: .* slices do not stay as they are made, the last was web-/)
  await pod('d')
  const before = writes
  await cluster.advance(2000)
  assert.ok(writes > before, 'what is new waits')
})

test('slices that are given another owner as they are made come later each time, and their service says why', async (t) => {
  const cluster = await startTestCluster(t, { only: ['endpointslice-controller'], runPods: true })
  await change(
    cluster,
    { group: 'discovery.k8s.io', name: 'endpointslices' },
    'op: "replace", path: "/metadata/ownerReferences/0/uid", value: "nobody"',
  )
  await cluster.client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata('web'),
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  })
  const made = await madeMeanwhile(cluster, EndpointSlice)
  assert.ok(made >= 5 && made <= 16, `${made} slices`)
  await assertSays(cluster, 'web', /^FailedToUpdateEndpointSlices: .* slices do not stay as they are made, the last was web-/)
})
