// Conformance tests of resource quotas, limit ranges and the garbage collector, each written from its description and named after it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CoreV1Api } from '@kubernetes/client-node'
import { type Json, merge, startSuite, type Suite } from './cluster.ts'

let suite: Suite
before(async () => {
  suite = await startSuite()
})
after(() => suite[Symbol.asyncDispose]())

const at = (namespace: string, plural: string, name = '') => `/api/v1/namespaces/${namespace}/${plural}${name ? `/${name}` : ''}`
const apps = (namespace: string, plural: string, name = '') => `/apis/apps/v1/namespaces/${namespace}/${plural}${name ? `/${name}` : ''}`
const pod = (name: string, requests: Json = {}, more: Json = {}): Json => ({
  metadata: { name },
  spec: {
    containers: [{ name: 'pause', image: 'pause', resources: Object.keys(requests).length > 0 ? { requests, limits: requests } : {} }],
    ...more,
  },
})

describe('quotas', { concurrency: 4 }, () => {
  const conformance = (title: string, run: (namespace: string) => Promise<void>) =>
    test(`[sig-api-machinery] ResourceQuota should ${title} [Conformance]`, async () => run(await suite.namespace()))

  const quota = (namespace: string, hard: Json, { name = 'test-quota', scopes }: { name?: string; scopes?: string[] } = {}) =>
    suite.ok('POST', at(namespace, 'resourcequotas'), { body: { metadata: { name }, spec: { hard, ...(scopes ? { scopes } : {}) } } })
  const used = (namespace: string, wanted: Json, name = 'test-quota') =>
    suite.eventually(`${name} to say ${JSON.stringify(wanted)}`, async () => {
      const { status } = await suite.ok('GET', at(namespace, 'resourcequotas', name))
      return Object.entries(wanted).every(([resource, amount]) => status?.used?.[resource] === amount)
    })
  const refused = async (path: string, body: Json) => {
    const answer = await suite.ask('POST', path, { body })
    assert.deepEqual([answer.code, answer.body.reason], [403, 'Forbidden'], answer.text)
    assert.match(answer.body.message, /exceeded quota/)
  }

  conformance('create a ResourceQuota and ensure its status is promptly calculated.', async (namespace) => {
    await quota(namespace, { pods: '5', services: '10', 'count/replicasets.apps': '5', configmaps: '10' })
    await used(namespace, { pods: '0', services: '0', 'count/replicasets.apps': '0', configmaps: '1' })
  })

  conformance('create a ResourceQuota and capture the life of a service.', async (namespace) => {
    await quota(namespace, { services: '3', 'services.nodeports': '1', 'services.loadbalancers': '1' })
    await used(namespace, { services: '0' })
    const service = (name: string, type: string) => ({ metadata: { name }, spec: { type, ports: [{ port: 80 }] } })
    await suite.ok('POST', at(namespace, 'services'), { body: service('cluster', 'ClusterIP') })
    await suite.ok('POST', at(namespace, 'services'), { body: service('node', 'NodePort') })
    await refused(at(namespace, 'services'), service('balanced', 'LoadBalancer'))
    await used(namespace, { services: '2', 'services.nodeports': '1' })
    for (const name of ['cluster', 'node']) await suite.ok('DELETE', at(namespace, 'services', name))
    await used(namespace, { services: '0', 'services.nodeports': '0' })
  })

  for (const [plural, word] of [
    ['secrets', 'secret'],
    ['configmaps', 'configMap'],
  ] as const) {
    conformance(`create a ResourceQuota and capture the life of a ${word}.`, async (namespace) => {
      const there = (await suite.ok('GET', at(namespace, plural))).items.length
      await quota(namespace, { [plural]: String(there + 1) })
      await used(namespace, { [plural]: String(there) })
      await suite.ok('POST', at(namespace, plural), { body: { metadata: { name: 'one' } } })
      await used(namespace, { [plural]: String(there + 1) })
      await refused(at(namespace, plural), { metadata: { name: 'two' } })
      await suite.ok('DELETE', at(namespace, plural, 'one'))
      await used(namespace, { [plural]: String(there) })
    })
  }

  conformance('create a ResourceQuota and capture the life of a pod.', async (namespace) => {
    const extended = 'example.com/dongle'
    await quota(namespace, { pods: '5', cpu: '1', memory: '500Mi', 'ephemeral-storage': '50Gi', [`requests.${extended}`]: '3' })
    const requests = { cpu: '500m', memory: '252Mi', 'ephemeral-storage': '30Gi', [extended]: '2' }
    await used(namespace, { pods: '0' })
    await suite.ok('POST', at(namespace, 'pods'), { body: pod('test-pod', requests) })
    await used(namespace, { pods: '1', cpu: '500m', memory: '252Mi', 'ephemeral-storage': '30Gi', [`requests.${extended}`]: '2' })
    await refused(at(namespace, 'pods'), pod('fail-pod', { ...requests, cpu: '600m' }))
    await refused(at(namespace, 'pods'), pod('fail-pod-extended', { ...requests, cpu: '100m', memory: '1Mi', 'ephemeral-storage': '1Gi' }))
    await suite.ok('PATCH', at(namespace, 'pods', 'test-pod'), { type: merge, body: { metadata: { labels: { updated: 'yes' } } } })
    await used(namespace, { pods: '1', cpu: '500m' })
    await suite.ok('DELETE', `${at(namespace, 'pods', 'test-pod')}?gracePeriodSeconds=0`)
    await used(namespace, { pods: '0', cpu: '0', memory: '0' })
  })

  const controlled = (name: string) => ({
    metadata: { name },
    spec: {
      replicas: 0,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'pause', image: 'pause' }] } },
    },
  })
  conformance('create a ResourceQuota and capture the life of a replica set.', async (namespace) => {
    await quota(namespace, { 'count/replicasets.apps': '1' })
    await used(namespace, { 'count/replicasets.apps': '0' })
    await suite.ok('POST', apps(namespace, 'replicasets'), { body: controlled('test-rs') })
    await used(namespace, { 'count/replicasets.apps': '1' })
    await refused(apps(namespace, 'replicasets'), controlled('test-rs-2'))
    await suite.ok('DELETE', apps(namespace, 'replicasets', 'test-rs'))
    await used(namespace, { 'count/replicasets.apps': '0' })
  })

  conformance('create a ResourceQuota and capture the life of a replication controller.', async (namespace) => {
    const controller = (name: string) => ({ ...controlled(name), spec: { ...controlled(name).spec, selector: { a: 'b' } } })
    await quota(namespace, { replicationcontrollers: '1' })
    await used(namespace, { replicationcontrollers: '0' })
    await suite.ok('POST', at(namespace, 'replicationcontrollers'), { body: controller('test-rc') })
    await used(namespace, { replicationcontrollers: '1' })
    await refused(at(namespace, 'replicationcontrollers'), controller('test-rc-2'))
    await suite.ok('DELETE', at(namespace, 'replicationcontrollers', 'test-rc'))
    await used(namespace, { replicationcontrollers: '0' })
  })

  conformance('verify ResourceQuota with terminating scopes.', async (namespace) => {
    const hard = { pods: '1', 'requests.cpu': '1' }
    await quota(namespace, hard, { name: 'quota-terminating', scopes: ['Terminating'] })
    await quota(namespace, hard, { name: 'quota-not-terminating', scopes: ['NotTerminating'] })
    const requests = { cpu: '500m', memory: '200Mi' }
    for (const [name, more, own, other] of [
      ['long-pod', {}, 'quota-not-terminating', 'quota-terminating'],
      ['terminating-pod', { activeDeadlineSeconds: 3600 }, 'quota-terminating', 'quota-not-terminating'],
    ] as const) {
      await used(namespace, { pods: '0' }, own)
      await suite.ok('POST', at(namespace, 'pods'), { body: pod(name, requests, more) })
      await used(namespace, { pods: '1', 'requests.cpu': '500m' }, own)
      await used(namespace, { pods: '0', 'requests.cpu': '0' }, other)
      await suite.ok('DELETE', `${at(namespace, 'pods', name)}?gracePeriodSeconds=0`)
      await used(namespace, { pods: '0', 'requests.cpu': '0' }, own)
    }
  })

  conformance('verify ResourceQuota with best effort scope.', async (namespace) => {
    await quota(namespace, { pods: '5' }, { name: 'quota-besteffort', scopes: ['BestEffort'] })
    await quota(namespace, { pods: '5' }, { name: 'quota-not-besteffort', scopes: ['NotBestEffort'] })
    for (const [requests, own, other] of [
      [{}, 'quota-besteffort', 'quota-not-besteffort'],
      [{ cpu: '500m', memory: '200Mi' }, 'quota-not-besteffort', 'quota-besteffort'],
    ] as const) {
      await used(namespace, { pods: '0' }, own)
      await suite.ok('POST', at(namespace, 'pods'), { body: pod('a-pod', requests) })
      await used(namespace, { pods: '1' }, own)
      await used(namespace, { pods: '0' }, other)
      await suite.ok('DELETE', `${at(namespace, 'pods', 'a-pod')}?gracePeriodSeconds=0`)
      await used(namespace, { pods: '0' }, own)
    }
  })

  conformance('be able to update and delete ResourceQuota.', async (namespace) => {
    const core = suite.kubeconfig.makeApiClient(CoreV1Api)
    const name = 'test-quota'
    const made = await core.createNamespacedResourceQuota({
      namespace,
      body: { metadata: { name }, spec: { hard: { cpu: '1', memory: '500Mi' } } },
    })
    assert.deepEqual(made.spec?.hard, { cpu: '1', memory: '500Mi' })
    const current = await core.readNamespacedResourceQuota({ namespace, name })
    const changed = await core.replaceNamespacedResourceQuota({
      namespace,
      name,
      body: { ...current, spec: { hard: { cpu: '2', memory: '1Gi' } } },
    })
    assert.deepEqual(changed.spec?.hard, { cpu: '2', memory: '1Gi' })
    await core.deleteNamespacedResourceQuota({ namespace, name })
    await suite.gone(at(namespace, 'resourcequotas', name))
  })

  conformance('manage the lifecycle of a ResourceQuota', async (namespace) => {
    const labels = { 'e2e-lifecycle': namespace }
    await suite.ok('POST', at(namespace, 'resourcequotas'), {
      body: { metadata: { name: 'e2e', labels }, spec: { hard: { cpu: '500m', memory: '100Mi' } } },
    })
    const all = await suite.ok('GET', `/api/v1/resourcequotas?labelSelector=e2e-lifecycle%3D${namespace}`)
    assert.equal(all.items.length, 1)
    const patched = await suite.ok('PATCH', at(namespace, 'resourcequotas', 'e2e'), {
      type: 'application/strategic-merge-patch+json',
      body: { metadata: { labels: { patched: 'yes' } }, spec: { hard: { memory: '750Mi' } } },
    })
    assert.deepEqual([patched.metadata.labels.patched, patched.spec.hard.memory], ['yes', '750Mi'])
    await suite.ok('DELETE', `${at(namespace, 'resourcequotas')}?labelSelector=e2e-lifecycle%3D${namespace}`)
    await suite.gone(at(namespace, 'resourcequotas', 'e2e'))
  })

  conformance('apply changes to a resourcequota status', async (namespace) => {
    await quota(namespace, { cpu: '500m', memory: '500Mi' })
    await used(namespace, { cpu: '0', memory: '0' })
    const path = `${at(namespace, 'resourcequotas', 'test-quota')}/status`
    using told = await suite.watch(at(namespace, 'resourcequotas'), { fieldSelector: 'metadata.name=test-quota' })
    const present = await suite.ok('GET', path)
    present.status.hard.cpu = '1'
    const updated = await suite.ok('PUT', path, { body: present })
    assert.equal(updated.status.hard.cpu, '1')
    await told.until((events) => events.some(({ object }) => object.status?.hard?.cpu === '1'))
    // The controller says again what is so.
    await suite.eventually('the status to be set right', async () => (await suite.ok('GET', path)).status.hard.cpu === '500m')
    const patched = await suite.ok('PATCH', path, { type: merge, body: { status: { hard: { memory: '1Gi' } } } })
    assert.equal(patched.status.hard.memory, '1Gi')
    assert.equal(patched.spec.hard.memory, '500Mi')
  })
})

describe('limit ranges', { concurrency: 2 }, () => {
  const limits = (name: string, labels: Json = {}) => ({
    metadata: { name, labels },
    spec: {
      limits: [
        {
          type: 'Container',
          min: { cpu: '50m', memory: '100Mi' },
          max: { cpu: '500m', memory: '500Mi' },
          default: { cpu: '500m', memory: '500Mi' },
          defaultRequest: { cpu: '100m', memory: '200Mi' },
        },
      ],
    },
  })

  test('[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied. [Conformance]', async () => {
    const namespace = await suite.namespace()
    using told = await suite.watch(at(namespace, 'limitranges'))
    await suite.ok('POST', at(namespace, 'limitranges'), { body: limits('limit-range') })
    await told.until(['ADDED'])
    const made = await suite.ok('POST', at(namespace, 'pods'), { body: pod('defaults') })
    assert.deepEqual(made.spec.containers[0].resources, {
      requests: { cpu: '100m', memory: '200Mi' },
      limits: { cpu: '500m', memory: '500Mi' },
    })
    const partial = pod('partial')
    partial.spec.containers[0].resources = { requests: { cpu: '100m' }, limits: { cpu: '300m' } }
    const filled = await suite.ok('POST', at(namespace, 'pods'), { body: partial })
    assert.deepEqual(filled.spec.containers[0].resources, {
      requests: { cpu: '100m', memory: '200Mi' },
      limits: { cpu: '300m', memory: '500Mi' },
    })
    for (const requests of [
      { cpu: '10m', memory: '50Mi' },
      { cpu: '600m', memory: '600Mi' },
    ]) {
      const refused = await suite.ask('POST', at(namespace, 'pods'), { body: pod('out', requests) })
      assert.equal(refused.code, 403, refused.text)
    }
    await suite.ok('PATCH', at(namespace, 'limitranges', 'limit-range'), {
      type: 'application/json-patch+json',
      body: [{ op: 'replace', path: '/spec/limits/0/min', value: { cpu: '9m', memory: '49Mi' } }],
    })
    await told.until((events) => events.at(-1)?.object.spec.limits[0].min.cpu === '9m')
    await suite.ok('POST', at(namespace, 'pods'), { body: pod('less', { cpu: '10m', memory: '50Mi' }) })
    await suite.ok('DELETE', at(namespace, 'limitranges', 'limit-range'))
    await suite.gone(at(namespace, 'limitranges', 'limit-range'))
    await suite.ok('POST', at(namespace, 'pods'), { body: pod('more', { cpu: '600m', memory: '600Mi' }) })
  })

  test('[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection [Conformance]', async () => {
    const [one, two] = [await suite.namespace(), await suite.namespace()]
    const labels = { 'e2e-limits': one }
    for (const namespace of [one, two]) await suite.ok('POST', at(namespace, 'limitranges'), { body: limits('e2e', labels) })
    const selector = `labelSelector=e2e-limits%3D${one}`
    assert.equal((await suite.ok('GET', `/api/v1/limitranges?${selector}`)).items.length, 2)
    const patched = await suite.ok('PATCH', at(one, 'limitranges', 'e2e'), {
      type: 'application/strategic-merge-patch+json',
      body: { metadata: { labels: { patched: 'yes' } } },
    })
    assert.equal(patched.metadata.labels.patched, 'yes')
    await suite.ok('DELETE', `${at(one, 'limitranges')}?labelSelector=patched%3Dyes`)
    await suite.gone(at(one, 'limitranges', 'e2e'))
    assert.equal((await suite.ok('GET', `/api/v1/limitranges?${selector}`)).items.length, 1)
  })
})

describe('garbage collection', { concurrency: 4 }, () => {
  const conformance = (title: string, run: (namespace: string) => Promise<void>) =>
    test(`[sig-api-machinery] Garbage collector should ${title} [Conformance]`, async () => run(await suite.namespace()))
  const template = {
    metadata: { labels: { gc: 'yes' } },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'nginx', image: 'nginx' }] },
  }
  const controller = (name: string, replicas: number, labels: Json = { gc: 'yes' }) => ({
    metadata: { name },
    spec: { replicas, selector: labels, template: { ...template, metadata: { labels } } },
  })
  const pods = async (namespace: string) => (await suite.ok('GET', at(namespace, 'pods'))).items as Json[]
  const running = (namespace: string, count: number) =>
    suite.eventually(`${count} pods`, async () => (await pods(namespace)).length === count)
  const remove = (path: string, body: Json) => suite.ok('DELETE', path, { body: { kind: 'DeleteOptions', apiVersion: 'v1', ...body } })
  /** As long as the collector would take, had it something to do. */
  const settled = async (check: () => Promise<void>) => {
    for (let n = 0; n < 10; n++) {
      await check()
      await new Promise((resolve) => setImmediate(resolve))
      await suite.ok('GET', '/api/v1/namespaces')
    }
  }

  conformance('delete pods created by rc when not orphaning', async (namespace) => {
    await suite.ok('POST', at(namespace, 'replicationcontrollers'), { body: controller('rc', 5) })
    await running(namespace, 5)
    await remove(at(namespace, 'replicationcontrollers', 'rc'), { propagationPolicy: 'Background' })
    await running(namespace, 0)
  })

  conformance('orphan pods created by rc if delete options say so [Serial]', async (namespace) => {
    await suite.ok('POST', at(namespace, 'replicationcontrollers'), { body: controller('rc', 20) })
    await running(namespace, 20)
    await remove(at(namespace, 'replicationcontrollers', 'rc'), { propagationPolicy: 'Orphan' })
    await suite.gone(at(namespace, 'replicationcontrollers', 'rc'))
    await settled(async () => assert.equal((await pods(namespace)).length, 20))
    assert.ok((await pods(namespace)).every(({ metadata }) => metadata.ownerReferences === undefined))
  })

  const deployment = { metadata: { name: 'web' }, spec: { replicas: 2, selector: { matchLabels: { gc: 'yes' } }, template } }
  const sets = async (namespace: string) => (await suite.ok('GET', apps(namespace, 'replicasets'))).items as Json[]

  conformance('delete RS created by deployment when not orphaning', async (namespace) => {
    await suite.ok('POST', apps(namespace, 'deployments'), { body: deployment })
    await suite.eventually('a replica set', async () => (await sets(namespace)).length === 1)
    await remove(apps(namespace, 'deployments', 'web'), { propagationPolicy: 'Background' })
    await suite.eventually('no replica set', async () => (await sets(namespace)).length === 0)
  })

  conformance('orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan', async (namespace) => {
    await suite.ok('POST', apps(namespace, 'deployments'), { body: deployment })
    await suite.eventually('a replica set', async () => (await sets(namespace)).length === 1)
    await remove(apps(namespace, 'deployments', 'web'), { propagationPolicy: 'Orphan' })
    await suite.gone(apps(namespace, 'deployments', 'web'))
    await settled(async () => assert.equal((await sets(namespace)).length, 1))
    assert.equal((await sets(namespace))[0]!.metadata.ownerReferences, undefined)
  })

  conformance('keep the rc around until all its pods are deleted if the deleteOptions says so [Serial]', async (namespace) => {
    const held = controller('rc', 3)
    await suite.ok('POST', at(namespace, 'replicationcontrollers'), { body: held })
    await running(namespace, 3)
    const [first] = await pods(namespace)
    await suite.ok('PATCH', at(namespace, 'pods', first!.metadata.name), {
      type: merge,
      body: { metadata: { finalizers: ['e2e.example.com/hold'] } },
    })
    await remove(at(namespace, 'replicationcontrollers', 'rc'), { propagationPolicy: 'Foreground' })
    await running(namespace, 1)
    const kept = await suite.ok('GET', at(namespace, 'replicationcontrollers', 'rc'))
    assert.ok(kept.metadata.deletionTimestamp && kept.metadata.finalizers.includes('foregroundDeletion'))
    await suite.ok('PATCH', at(namespace, 'pods', first!.metadata.name), { type: merge, body: { metadata: { finalizers: null } } })
    await suite.gone(at(namespace, 'replicationcontrollers', 'rc'))
    await running(namespace, 0)
  })

  conformance(
    "not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted [Serial]",
    async (namespace) => {
      await suite.ok('POST', at(namespace, 'replicationcontrollers'), { body: controller('to-be-deleted', 4) })
      const stay = await suite.ok('POST', at(namespace, 'replicationcontrollers'), { body: controller('to-stay', 0, { stays: 'yes' }) })
      await running(namespace, 4)
      const shared = (await pods(namespace)).slice(0, 2)
      for (const { metadata } of shared)
        await suite.ok('PATCH', at(namespace, 'pods', metadata.name), {
          type: merge,
          body: {
            metadata: {
              ownerReferences: [
                ...metadata.ownerReferences,
                { apiVersion: 'v1', kind: 'ReplicationController', name: 'to-stay', uid: stay.metadata.uid },
              ],
            },
          },
        })
      await remove(at(namespace, 'replicationcontrollers', 'to-be-deleted'), { propagationPolicy: 'Foreground' })
      await suite.gone(at(namespace, 'replicationcontrollers', 'to-be-deleted'))
      const left = await pods(namespace)
      assert.deepEqual(left.map(({ metadata }) => metadata.name).sort(), shared.map(({ metadata }) => metadata.name).sort())
      for (const { metadata } of left)
        assert.deepEqual([metadata.deletionTimestamp, metadata.ownerReferences.map(({ name }: Json) => name)], [undefined, ['to-stay']])
    },
  )

  conformance('not be blocked by dependency circle', async (namespace) => {
    const made: Json[] = []
    for (const name of ['pod1', 'pod2', 'pod3'])
      made.push(await suite.ok('POST', at(namespace, 'pods'), { body: pod(name, {}, { terminationGracePeriodSeconds: 0 }) }))
    for (const [index, { metadata }] of made.entries()) {
      const owner = made[(index + 2) % 3]!.metadata
      await suite.ok('PATCH', at(namespace, 'pods', metadata.name), {
        type: merge,
        body: {
          metadata: {
            ownerReferences: [
              { apiVersion: 'v1', kind: 'Pod', name: owner.name, uid: owner.uid, controller: true, blockOwnerDeletion: true },
            ],
          },
        },
      })
    }
    await remove(at(namespace, 'pods', 'pod1'), { propagationPolicy: 'Foreground' })
    await running(namespace, 0)
  })
})
