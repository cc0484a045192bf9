// Conformance tests of deployments, each named after its original.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { AppsV1Api, CoreV1Api, type V1Deployment, type V1DeploymentSpec, type V1ReplicaSet } from '@kubernetes/client-node'
import { type Json, merge, NEW, OLD, startSuite, strategic, type Suite } from './cluster.ts'

const BAD = 'registry.invalid/webserver:404'
const REVISION = 'deployment.kubernetes.io/revision'

let suite: Suite
let core: CoreV1Api
let apps: AppsV1Api
before(async () => {
  suite = await startSuite({ nodes: 2 })
  core = suite.kubeconfig.makeApiClient(CoreV1Api)
  apps = suite.kubeconfig.makeApiClient(AppsV1Api)
})
after(() => suite[Symbol.asyncDispose]())

const template = (labels: Record<string, string>, image: string) => ({
  metadata: { labels },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image }] },
})
const deployment = (
  name: string,
  labels: Record<string, string>,
  more: Partial<V1DeploymentSpec> & { image?: string } = {},
): V1Deployment => {
  const { image = OLD, ...spec } = more
  return {
    metadata: { name, labels },
    spec: { replicas: 1, selector: { matchLabels: labels }, template: template(labels, image), ...spec },
  }
}
const replicaSet = (name: string, labels: Record<string, string>, replicas: number): V1ReplicaSet => ({
  metadata: { name, labels },
  spec: { replicas, selector: { matchLabels: labels }, template: template(labels, OLD) },
})
const pathOf = (namespace: string, name: string, subresource = '') =>
  `/apis/apps/v1/namespaces/${namespace}/deployments/${name}${subresource}`
const setsOf = async (namespace: string): Promise<Json[]> =>
  (await suite.ok('GET', `/apis/apps/v1/namespaces/${namespace}/replicasets`)).items
const ofImage = (sets: readonly Json[], image: string) => sets.find(({ spec }) => spec.template.spec.containers[0].image === image)!
const setImage = (namespace: string, name: string, image: string) =>
  suite.ok('PATCH', pathOf(namespace, name), {
    type: strategic,
    body: { spec: { template: { spec: { containers: [{ name: 'main', image }] } } } },
  })

const complete = (namespace: string, name: string) =>
  suite.eventually(`deployment ${name} complete`, async () => {
    const object = await suite.ok('GET', pathOf(namespace, name))
    const { metadata, spec, status = {} } = object
    const whole = [status.replicas, status.updatedReplicas, status.availableReplicas].every((count) => count === spec.replicas)
    return whole && status.observedGeneration >= metadata.generation && object
  })
const readySet = (namespace: string, name: string, replicas: number) =>
  suite.eventually(`${replicas} ready replicas of ${name}`, async () => {
    const { status } = await suite.ok('GET', `/apis/apps/v1/namespaces/${namespace}/replicasets/${name}`)
    return status.readyReplicas === replicas
  })

describe('deployments', { concurrency: 4 }, () => {
  test('[sig-apps] Deployment RollingUpdateDeployment should delete old pods and create new ones [Conformance]', async () => {
    const namespace = await suite.namespace()
    const labels = { name: 'sample-pod', pod: 'httpd' }
    const old = replicaSet('test-rolling-update-controller', labels, 1)
    old.metadata!.annotations = { [REVISION]: '3546343826724305832' }
    await apps.createNamespacedReplicaSet({ namespace, body: old })
    await readySet(namespace, 'test-rolling-update-controller', 1)
    const name = 'test-rolling-update-deployment'
    await apps.createNamespacedDeployment({ namespace, body: deployment(name, labels, { image: NEW }) })
    const done = await complete(namespace, name)
    // Revisions go on from what was adopted, however large.
    assert.equal(done.metadata.annotations[REVISION], '3546343826724305833')
    const sets = await setsOf(namespace)
    assert.deepEqual([sets.length, ofImage(sets, NEW).metadata.annotations[REVISION]], [2, '3546343826724305833'])
    assert.deepEqual([ofImage(sets, OLD).spec.replicas, ofImage(sets, OLD).metadata.ownerReferences[0].name], [0, name])
    await suite.eventually('new pods alone', async () => {
      const { items } = await core.listNamespacedPod({ namespace })
      return items.length === 1 && items[0]!.spec?.containers[0]?.image === NEW
    })
  })

  test('[sig-apps] Deployment RecreateDeployment should delete old pods and create new ones [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'test-recreate-deployment'
    await apps.createNamespacedDeployment({
      namespace,
      body: deployment(name, { name: 'sample-pod-3' }, { image: NEW, strategy: { type: 'Recreate' } }),
    })
    await complete(namespace, name)
    using told = await suite.watch(`/api/v1/namespaces/${namespace}/pods`)
    await told.until((events) => events.length > 0)
    await setImage(namespace, name, OLD)
    await complete(namespace, name)
    // No pod of the new template was there before the last of the old one had gone.
    const imageOf = ({ object }: { object: Json }) => object.spec.containers[0].image as string
    await told.until((events) => events.some((event) => imageOf(event) === OLD))
    const firstNew = told.events.findIndex((event) => imageOf(event) === OLD)
    const lastOld = told.events.findLastIndex((event) => imageOf(event) === NEW)
    assert.ok(lastOld < firstNew && ['DELETED', 'MODIFIED'].includes(told.events[lastOld]!.type))
    assert.ok(told.events[lastOld]!.object.metadata.deletionTimestamp ?? told.events[lastOld]!.type === 'DELETED')
  })

  test('[sig-apps] Deployment deployment should delete old replica sets [Conformance]', async () => {
    const namespace = await suite.namespace()
    const labels = { name: 'cleanup-pod', pod: 'httpd' }
    await apps.createNamespacedReplicaSet({ namespace, body: replicaSet('test-cleanup-controller', labels, 1) })
    await readySet(namespace, 'test-cleanup-controller', 1)
    const name = 'test-cleanup-deployment'
    await apps.createNamespacedDeployment({ namespace, body: deployment(name, labels, { image: NEW, revisionHistoryLimit: 0 }) })
    await complete(namespace, name)
    await suite.eventually('one replica set', async () => {
      const sets = await setsOf(namespace)
      return sets.length === 1 && ofImage(sets, NEW)
    })
  })

  test('[sig-apps] Deployment deployment should support rollover [Conformance]', async () => {
    const namespace = await suite.namespace()
    const labels = { name: 'rollover-pod', pod: 'httpd' }
    await apps.createNamespacedReplicaSet({ namespace, body: replicaSet('test-rollover-controller', labels, 1) })
    await readySet(namespace, 'test-rollover-controller', 1)
    const name = 'test-rollover-deployment'
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
    const body = deployment(name, labels, { image: BAD, strategy, minReadySeconds: 10 })
    await apps.createNamespacedDeployment({ namespace, body })
    await suite.eventually('a pod that cannot start', async () => {
      const { metadata, status = {} } = await suite.ok('GET', pathOf(namespace, name))
      return status.updatedReplicas === 1 && status.observedGeneration === metadata.generation && status.unavailableReplicas === 1
    })
    // Before that ever came up, the next is asked for.
    await setImage(namespace, name, NEW)
    const done = await complete(namespace, name)
    assert.equal(done.metadata.annotations[REVISION], '2')
    const sets = await setsOf(namespace)
    assert.deepEqual(
      [OLD, BAD, NEW].map((image) => ofImage(sets, image).spec.replicas),
      [0, 0, 1],
    )
    assert.deepEqual(
      [OLD, BAD].map((image) => ofImage(sets, image).status.replicas),
      [0, 0],
    )
  })

  test('[sig-apps] Deployment deployment should support proportional scaling [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'webserver-deployment'
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } }
    await apps.createNamespacedDeployment({ namespace, body: deployment(name, { name: 'httpd' }, { replicas: 10, strategy }) })
    await complete(namespace, name)
    await setImage(namespace, name, BAD)
    const replicas = (first: number, second: number) =>
      suite.eventually(`${first} and ${second} replicas`, async () => {
        const sets = await setsOf(namespace)
        const [old, next] = [ofImage(sets, OLD), ofImage(sets, BAD)]
        return old?.spec.replicas === first && next?.spec.replicas === second && old.status.availableReplicas === Math.min(first, 8) && next
      })
    const next = await replicas(8, 5)
    assert.equal(next.status.availableReplicas ?? 0, 0)
    await suite.eventually('8 available', async () => (await suite.ok('GET', pathOf(namespace, name))).status.availableReplicas === 8)
    await suite.ok('PATCH', pathOf(namespace, name), { type: merge, body: { spec: { replicas: 30 } } })
    await suite.eventually('20 and 13 replicas', async () => {
      const sets = await setsOf(namespace)
      return ofImage(sets, OLD).spec.replicas === 20 && ofImage(sets, BAD).spec.replicas === 13
    })
  })

  test('[sig-apps] Deployment should run the lifecycle of a Deployment [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'test-deployment'
    const labelSelector = 'test-deployment-static=true'
    using told = await suite.watch(`/apis/apps/v1/namespaces/${namespace}/deployments`, { labelSelector })
    const seen = (what: string, check: (object: Json) => boolean) =>
      suite.eventually(what, () => told.events.some(({ type, object }) => type !== 'DELETED' && check(object)))
    await apps.createNamespacedDeployment({ namespace, body: deployment(name, { 'test-deployment-static': 'true' }, { replicas: 2 }) })
    await told.until((events) => events[0]?.type === 'ADDED')
    await seen('two ready', ({ status }) => status.readyReplicas === 2)
    await suite.ok('PATCH', pathOf(namespace, name), {
      type: strategic,
      body: {
        metadata: { labels: { 'test-deployment': 'patched' } },
        spec: { replicas: 1, template: { spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: NEW }] } } },
      },
    })
    await seen('the patch', ({ metadata, spec }) => metadata.labels['test-deployment'] === 'patched' && spec.replicas === 1)
    await complete(namespace, name)
    const { items } = await apps.listDeploymentForAllNamespaces({ labelSelector })
    assert.ok(items.some(({ metadata }) => metadata?.namespace === namespace && metadata.labels?.['test-deployment'] === 'patched'))

    await suite.updated(pathOf(namespace, name), ({ metadata, spec }) => {
      metadata.labels['test-deployment'] = 'updated'
      spec.replicas = 2
    })
    await seen('the update', ({ metadata, status }) => metadata.labels['test-deployment'] === 'updated' && status.readyReplicas === 2)
    const read = await suite.ok('GET', pathOf(namespace, name, '/status'))
    assert.equal(read.status.readyReplicas, 2)
    await suite.ok('PATCH', pathOf(namespace, name, '/status'), {
      type: strategic,
      body: { status: { readyReplicas: 0, availableReplicas: 0 } },
    })
    await seen(
      'what the status was patched to',
      ({ status }) => !status.readyReplicas && status.observedGeneration === read.metadata.generation,
    )
    // Its controller sets it right.
    await complete(namespace, name)
    await apps.deleteCollectionNamespacedDeployment({ namespace, labelSelector })
    await told.until((events) => events.at(-1)?.type === 'DELETED')
  })

  test('[sig-apps] Deployment Deployment should have a working scale subresource [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'test-new-deployment'
    await apps.createNamespacedDeployment({ namespace, body: deployment(name, { name: 'sample-pod' }) })
    await complete(namespace, name)
    const scale = await apps.readNamespacedDeploymentScale({ namespace, name })
    assert.deepEqual([scale.spec?.replicas, scale.status?.replicas, scale.status?.selector], [1, 1, 'name=sample-pod'])
    const updated = await apps.replaceNamespacedDeploymentScale({ namespace, name, body: { ...scale, spec: { replicas: 2 } } })
    assert.equal(updated.spec?.replicas, 2)
    assert.equal((await apps.readNamespacedDeployment({ namespace, name })).spec?.replicas, 2)
    await suite.ok('PATCH', pathOf(namespace, name, '/scale'), { type: merge, body: { spec: { replicas: 4 } } })
    assert.equal((await apps.readNamespacedDeployment({ namespace, name })).spec?.replicas, 4)
    await complete(namespace, name)
  })

  test('[sig-apps] Deployment should validate Deployment Status endpoints [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'test-deployment-status'
    using told = await suite.watch(`/apis/apps/v1/namespaces/${namespace}/deployments`)
    await apps.createNamespacedDeployment({ namespace, body: deployment(name, { e2e: 'testing' }) })
    await complete(namespace, name)
    const condition = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from e2e test' }
    await suite.updated(pathOf(namespace, name, '/status'), ({ status }) => status.conditions.push(condition))
    await told.until((events) =>
      events.some(({ object }) => object.status.conditions?.some((one: Json) => one.type === 'StatusUpdate' && one.reason === 'E2E')),
    )
    await suite.ok('PATCH', pathOf(namespace, name, '/status'), {
      type: merge,
      body: { status: { conditions: [{ type: 'StatusPatched', status: 'True' }] } },
    })
    await told.until((events) => events.some(({ object }) => object.status.conditions?.some(({ type }: Json) => type === 'StatusPatched')))
    await apps.deleteNamespacedDeployment({ namespace, name })
    await told.until((events) => events.at(-1)?.type === 'DELETED')
  })
})
