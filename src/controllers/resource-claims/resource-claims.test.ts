import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { ResourceResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceClaimTemplate } from '#api/kinds/resource/resource-claim-template.ts'
import { CLAIM_FINALIZER, POD_CLAIM_ANNOTATION } from '#api/pod-resource-claims.ts'
import { hasReason } from '#api/status.ts'
import { startTestCluster, type TestCluster } from '#controllers/testing.ts'
import { generateName } from './pod-claims.ts'

const namespace = 'default'
const only = ['resourceclaim-controller', 'resourceclaim-reservations-controller']
const devices = { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu.example.com' } }] }
const allocation = { devices: { results: [{ request: 'gpu', driver: 'gpu.example.com', pool: 'n1', device: 'gpu-0' }] } }

const addTemplate = ({ client }: TestCluster, name: string) =>
  client.create(ResourceClaimTemplate, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaimTemplate',
    metadata: { namespace, name },
    spec: { metadata: { labels: { team: 'a' }, annotations: { note: 'b' } }, spec: { devices } },
  })
const addClaim = ({ client }: TestCluster, name: string) =>
  client.create(ResourceResourceClaim, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { namespace, name, finalizers: [CLAIM_FINALIZER] },
    spec: { devices },
  })
const addPod = ({ client, eventually }: TestCluster, name: string, resourceClaims: object[], spec: object = {}) =>
  eventually<Pod>(() =>
    client.create(Pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name },
      spec: { containers: [{ name: 'c', image: 'c:1' }], resourceClaims: resourceClaims as { name: string }[], ...spec },
    }),
  )
const podOf = ({ client }: TestCluster, name: string) => client.get(Pod, { namespace, name })
const claimOf = ({ client }: TestCluster, name: string) => client.get(ResourceResourceClaim, { namespace, name })
const allocate = (cluster: TestCluster, name: string, pods: readonly Pod[], more: object[] = []) =>
  cluster.client.patch(
    ResourceResourceClaim,
    { namespace, name },
    {
      type: 'merge',
      patch: {
        status: {
          allocation,
          reservedFor: [...pods.map(({ metadata }) => ({ resource: 'pods', name: metadata!.name!, uid: metadata!.uid! })), ...more],
        },
      },
    },
    { subresource: 'status' },
  )
const gone = (cluster: TestCluster, name: string) =>
  cluster.eventually(() =>
    claimOf(cluster, name).then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
const made = (cluster: TestCluster, pod: string, count: number) =>
  cluster.eventually(async () => {
    const { status } = await podOf(cluster, pod)
    return status?.resourceClaimStatuses?.length === count && status.resourceClaimStatuses
  })

for (const [pod, entry, expected] of [
  ['web-0', 'gpu', 'web-0-gpu-'],
  ['p'.repeat(53), 'g', `${'p'.repeat(53)}-g-`],
  ['p'.repeat(60), 'g'.repeat(20), `${'p'.repeat(41)}-${'g'.repeat(13)}`],
] as const) {
  test(`generateName of a pod of ${pod.length} and an entry of ${entry.length} letters`, () => {
    assert.equal(generateName(pod, entry), expected)
    assert.ok(expected.length <= 57)
  })
}

test('resourceClaimController makes a claim for every template of a pod, once, and names it in the status', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addTemplate(cluster, 'one')
  await addClaim(cluster, 'shared')
  const pod = await addPod(cluster, 'web', [
    { name: 'a', resourceClaimTemplateName: 'one' },
    { name: 'b', resourceClaimTemplateName: 'one' },
    { name: 'c', resourceClaimName: 'shared' },
  ])
  const statuses = await made(cluster, 'web', 2)
  assert.deepEqual(statuses.map(({ name }) => name).sort(), ['a', 'b'])
  for (const { name, resourceClaimName } of statuses) {
    const { metadata, spec } = await claimOf(cluster, resourceClaimName!)
    assert.match(metadata!.name!, new RegExp(`^web-${name}-[a-z0-9]{5}$`))
    assert.deepEqual(metadata?.annotations, { note: 'b', [POD_CLAIM_ANNOTATION]: name })
    assert.deepEqual(metadata?.labels, { team: 'a' })
    assert.deepEqual(metadata?.ownerReferences, [
      { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: pod.metadata!.uid!, controller: true, blockOwnerDeletion: true },
    ])
    assert.equal(spec.devices?.requests?.[0]?.exactly?.deviceClassName, 'gpu.example.com')
  }
  // A claim that went by accident is made again; the other entry keeps its own.
  await cluster.client.delete(ResourceResourceClaim, { namespace, name: statuses[0]!.resourceClaimName! })
  const again = await cluster.eventually(async () => {
    const now = (await podOf(cluster, 'web')).status?.resourceClaimStatuses
    return now?.[0]?.resourceClaimName !== statuses[0]!.resourceClaimName && now
  })
  assert.deepEqual(again[1], statuses[1])
  await cluster.advance(60_000)
  assert.equal((await cluster.client.list(ResourceResourceClaim, { namespace })).items.length, 3)
})

test('resourceClaimController tells of a template that is missing, and goes on when it comes', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addPod(cluster, 'early', [{ name: 'a', resourceClaimTemplateName: 'late' }])
  const text =
    'FailedResourceClaimCreation: PodResourceClaim a: resource claim template "late": resourceclaimtemplate.resource.k8s.io "late" not found'
  await cluster.eventually(async () => (await cluster.events('early')).includes(text))
  await addTemplate(cluster, 'late')
  await made(cluster, 'early', 1)
})

test('resourceClaimController reserves an allocated claim for a pod that was bound past the scheduler', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addClaim(cluster, 'shared')
  const first = await addPod(cluster, 'first', [{ name: 'c', resourceClaimName: 'shared' }], { nodeName: 'n1' })
  await allocate(cluster, 'shared', [first])
  const second = await addPod(cluster, 'second', [{ name: 'c', resourceClaimName: 'shared' }], { nodeName: 'n1' })
  await addPod(cluster, 'waiting', [{ name: 'c', resourceClaimName: 'shared' }])
  const uids = await cluster.eventually(async () => {
    const { status } = await claimOf(cluster, 'shared')
    return status?.reservedFor?.length === 2 && status.reservedFor.map(({ uid }) => uid)
  })
  assert.deepEqual(uids, [first.metadata!.uid, second.metadata!.uid])
  await cluster.advance(10_000)
  assert.equal((await claimOf(cluster, 'shared')).status?.reservedFor?.length, 2)
})

test('resourceClaimReservations releases pods that are done, and deallocates with the last', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addClaim(cluster, 'shared')
  const pods: Pod[] = []
  for (const name of ['ends', 'stays']) pods.push(await addPod(cluster, name, [{ name: 'c', resourceClaimName: 'shared' }]))
  await allocate(cluster, 'shared', pods)
  const end = (name: string) =>
    cluster.client.patch(Pod, { namespace, name }, { type: 'merge', patch: { status: { phase: 'Succeeded' } } }, { subresource: 'status' })
  await end('ends')
  await cluster.eventually(async () => (await claimOf(cluster, 'shared')).status?.reservedFor?.length === 1)
  const { status, metadata } = await claimOf(cluster, 'shared')
  assert.deepEqual([status?.reservedFor?.[0]?.name, metadata?.finalizers], ['stays', [CLAIM_FINALIZER]])
  assert.ok(status?.allocation)
  await cluster.client.delete(Pod, { namespace, name: 'stays' }, { gracePeriodSeconds: 0 })
  const free = await cluster.eventually(async () => {
    const claim = await claimOf(cluster, 'shared')
    return !claim.metadata?.finalizers?.length && claim
  })
  assert.deepEqual([free.status?.allocation, free.status?.reservedFor], [undefined, undefined])
})

test('resourceClaimReservations leaves consumers it does not know, and devices with them', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addClaim(cluster, 'shared')
  const pod = await addPod(cluster, 'p', [{ name: 'c', resourceClaimName: 'shared' }])
  await allocate(cluster, 'shared', [pod], [{ apiGroup: 'example.com', resource: 'things', name: 't', uid: 'u' }])
  await cluster.client.delete(Pod, { namespace, name: 'p' }, { gracePeriodSeconds: 0 })
  await cluster.eventually(async () => (await claimOf(cluster, 'shared')).status?.reservedFor?.length === 1)
  await cluster.advance(10_000)
  const { status } = await claimOf(cluster, 'shared')
  assert.deepEqual([status?.reservedFor?.[0]?.resource, status?.allocation?.devices?.results?.length], ['things', 1])
})

test('resourceClaimReservations deletes the claim of a finished pod and lets a deleted claim go', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addTemplate(cluster, 'one')
  await addPod(cluster, 'job', [{ name: 'a', resourceClaimTemplateName: 'one' }])
  const [{ resourceClaimName: own = '' } = {}] = await made(cluster, 'job', 1)
  const phase = { type: 'merge', patch: { status: { phase: 'Failed' } } } as const
  await cluster.client.patch(Pod, { namespace, name: 'job' }, phase, { subresource: 'status' })
  await gone(cluster, own)
  await addClaim(cluster, 'idle')
  await allocate(cluster, 'idle', [])
  await cluster.client.delete(ResourceResourceClaim, { namespace, name: 'idle' })
  await gone(cluster, 'idle')
})

test('resourceClaimController says that a claim could not be created, and why', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, events } = cluster
  const hard = { 'count/resourceclaims.resource.k8s.io': '0' }
  const key = { namespace, name: 'none' }
  await client.create(ResourceQuota, { apiVersion: 'v1', kind: 'ResourceQuota', metadata: key, spec: { hard } })
  await client.patch(ResourceQuota, key, { type: 'merge', patch: { status: { hard, used: hard } } }, { subresource: 'status' })
  await addTemplate(cluster, 'one')
  await addPod(cluster, 'p', [{ name: 'a', resourceClaimTemplateName: 'one' }])
  const [event] = await eventually(async () => {
    const said = await events('p')
    return said.length > 0 && said
  })
  assert.match(
    event!,
    /^FailedResourceClaimCreation: PodResourceClaim a: create ResourceClaim : resourceclaims\.resource\.k8s\.io "p-a-\w*" is forbidden: exceeded quota: none,/,
  )
})
