// Conformance tests of controllers and accounts, each written from its description and named after it. Cron jobs run on time that is moved.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  AuthenticationV1Api,
  AuthorizationV1Api,
  BatchV1Api,
  CertificatesV1Api,
  CoreV1Api,
  EventsV1Api,
  PolicyV1Api,
} from '@kubernetes/client-node'
import { virtual } from '#main/testing.ts'
import { type Json, merge, startSuite, type Suite } from './cluster.ts'

let suite: Suite
before(async () => {
  suite = await startSuite()
})
after(() => suite[Symbol.asyncDispose]())

const at =
  (root: string) =>
  (namespace: string, plural: string, name = '') =>
    `${root}/namespaces/${namespace}/${plural}${name ? `/${name}` : ''}`
const core = at('/api/v1')
const batch = at('/apis/batch/v1')
const policy = at('/apis/policy/v1')
const template = (spec: Json = {}, annotations: Json = {}) => ({
  metadata: { labels: { app: 'a' }, annotations },
  spec: { containers: [{ name: 'main', image: 'app' }], ...spec },
})

describe('cron jobs', () => {
  const cronJob = (name: string, { runs = 300, ...spec }: Json) => ({
    metadata: { name },
    spec: {
      schedule: '*/1 * * * *',
      jobTemplate: { spec: { template: template({ restartPolicy: 'OnFailure' }, { 'sampan.dev/run-seconds': String(runs) }) } },
      ...spec,
    },
  })
  const conformance = (title: string, spec: Json, run: (moved: Suite, jobs: () => Promise<Json[]>) => Promise<void>) =>
    test(`[sig-apps] CronJob should ${title} [Conformance]`, async () => {
      await using moved = await startSuite({ nodes: 1, clock: virtual() })
      await moved.cluster.idle()
      await moved.ok('POST', batch('default', 'cronjobs'), { body: cronJob('cron', spec) })
      await moved.cluster.idle()
      await run(moved, async () => (await moved.ok('GET', batch('default', 'jobs'))).items)
    })
  const active = (jobs: Json[]) => jobs.filter(({ status }) => (status.active ?? 0) > 0)

  conformance('schedule multiple jobs concurrently', { concurrencyPolicy: 'Allow' }, async ({ cluster }, jobs) => {
    await cluster.advance('3m')
    assert.ok(active(await jobs()).length >= 2)
  })
  conformance('not schedule jobs when suspended [Slow]', { suspend: true }, async ({ cluster }, jobs) => {
    await cluster.advance('5m')
    assert.deepEqual(await jobs(), [])
  })
  conformance('not schedule new jobs when ForbidConcurrent [Slow]', { concurrencyPolicy: 'Forbid' }, async ({ cluster }, jobs) => {
    await cluster.advance('1m')
    const [first] = await jobs()
    await cluster.advance('3m')
    assert.deepEqual(
      (await jobs()).map(({ metadata }) => metadata.name),
      [first!.metadata.name],
    )
  })
  conformance('replace jobs when ReplaceConcurrent', { concurrencyPolicy: 'Replace' }, async ({ cluster }, jobs) => {
    await cluster.advance('1m')
    const [first] = await jobs()
    await cluster.advance('1m')
    await cluster.idle()
    const now = await jobs()
    assert.equal(now.length, 1)
    assert.notEqual(now[0]!.metadata.name, first!.metadata.name)
  })
})

describe('controllers', { concurrency: 4 }, () => {
  const budget = (name: string, minAvailable: number | string, labels: Json = {}) => ({
    metadata: { name, labels },
    spec: { minAvailable, selector: { matchLabels: { app: 'a' } } },
  })

  test('[sig-apps] DisruptionController should create a PodDisruptionBudget [Conformance]', async () => {
    const namespace = await suite.namespace()
    const api = suite.kubeconfig.makeApiClient(PolicyV1Api)
    await api.createNamespacedPodDisruptionBudget({ namespace, body: budget('foo', '1%') as any })
    await suite.eventually(
      'the budget to be observed',
      async () => (await suite.ok('GET', policy(namespace, 'poddisruptionbudgets', 'foo'))).status.observedGeneration === 1,
    )
    const updated = await suite.ok('PATCH', policy(namespace, 'poddisruptionbudgets', 'foo'), {
      type: merge,
      body: { spec: { minAvailable: '2%' } },
    })
    assert.equal(updated.spec.minAvailable, '2%')
    await suite.eventually(
      'the change to be observed',
      async () => (await suite.ok('GET', policy(namespace, 'poddisruptionbudgets', 'foo'))).status.observedGeneration === 2,
    )
    await api.deleteNamespacedPodDisruptionBudget({ namespace, name: 'foo' })
    await suite.gone(policy(namespace, 'poddisruptionbudgets', 'foo'))
  })

  test('[sig-apps] DisruptionController should update/patch PodDisruptionBudget status [Conformance]', async () => {
    const namespace = await suite.namespace()
    const path = policy(namespace, 'poddisruptionbudgets', 'foo')
    await suite.ok('POST', policy(namespace, 'poddisruptionbudgets'), { body: budget('foo', 1) })
    await suite.eventually('the budget to be observed', async () => (await suite.ok('GET', path)).status.observedGeneration === 1)
    const present = await suite.ok('GET', `${path}/status`)
    present.status.disruptedPods = { pod: new Date().toISOString() }
    const updated = await suite.ok('PUT', `${path}/status`, { body: present })
    assert.ok(updated.status.disruptedPods.pod)
    const patched = await suite.ok('PATCH', `${path}/status`, {
      type: merge,
      body: { metadata: { annotations: { patched: 'yes' } }, status: { disruptedPods: null } },
    })
    assert.equal(patched.status.disruptedPods, undefined)
  })

  test('[sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets [Conformance]', async () => {
    const [one, two] = [await suite.namespace(), await suite.namespace()]
    const labels = { 'e2e-budgets': one }
    for (const name of ['foo', 'foo2']) await suite.ok('POST', policy(one, 'poddisruptionbudgets'), { body: budget(name, '1%', labels) })
    await suite.ok('POST', policy(two, 'poddisruptionbudgets'), { body: budget('foo3', '1%', labels) })
    const selector = `labelSelector=e2e-budgets%3D${one}`
    assert.equal((await suite.ok('GET', `/apis/policy/v1/poddisruptionbudgets?${selector}`)).items.length, 3)
    await suite.ok('DELETE', `${policy(one, 'poddisruptionbudgets')}?${selector}`)
    await suite.eventually(
      'only one to be left',
      async () => (await suite.ok('GET', `/apis/policy/v1/poddisruptionbudgets?${selector}`)).items.length === 1,
    )
  })

  test('[sig-apps] Job should apply changes to a job status [Conformance]', async () => {
    const namespace = await suite.namespace()
    const path = batch(namespace, 'jobs', 'suspended')
    await suite.ok('POST', batch(namespace, 'jobs'), {
      body: {
        metadata: { name: 'suspended' },
        spec: { suspend: true, completions: 2, parallelism: 2, template: template({ restartPolicy: 'Never' }) },
      },
    })
    await suite.eventually('the job to be suspended', async () =>
      (await suite.ok('GET', path)).status.conditions?.some(({ type }: Json) => type === 'Suspended'),
    )
    const startTime = '2026-01-01T00:00:00Z'
    const patched = await suite.ok('PATCH', `${path}/status`, {
      type: merge,
      body: {
        metadata: { annotations: { patchedstatus: 'true' } },
        status: { conditions: [{ type: 'CustomConditionType', status: 'True' }] },
      },
    })
    assert.deepEqual([patched.metadata.annotations.patchedstatus, patched.status.conditions[0].type], ['true', 'CustomConditionType'])
    const fresh = await suite.ok('GET', `${path}/status`)
    const updated = await suite.ok('PUT', `${path}/status`, {
      body: { ...fresh, metadata: { ...fresh.metadata, annotations: { updatedstatus: 'true' } } },
    })
    assert.equal(updated.metadata.annotations.updatedstatus, 'true')
    assert.notEqual(updated.status.startTime, startTime)
    const job = await suite.kubeconfig.makeApiClient(BatchV1Api).readNamespacedJobStatus({ namespace, name: 'suspended' })
    assert.equal(job.metadata?.uid, updated.metadata.uid)
  })

  test('[sig-apps] ReplicationController should surface a failure condition on a common issue like exceeded quota [Conformance]', async () => {
    const namespace = await suite.namespace()
    const path = core(namespace, 'replicationcontrollers', 'condition-test')
    await suite.ok('POST', core(namespace, 'resourcequotas'), {
      body: { metadata: { name: 'condition-test' }, spec: { hard: { pods: '2' } } },
    })
    await suite.eventually(
      'the quota to be counted',
      async () => (await suite.ok('GET', core(namespace, 'resourcequotas', 'condition-test'))).status.hard?.pods === '2',
    )
    await suite.ok('POST', core(namespace, 'replicationcontrollers'), {
      body: { metadata: { name: 'condition-test' }, spec: { replicas: 3, selector: { app: 'a' }, template: template() } },
    })
    const failing = async () => ((await suite.ok('GET', path)).status.conditions ?? []).find(({ type }: Json) => type === 'ReplicaFailure')
    const condition = await suite.eventually('the failure condition', failing)
    assert.match(condition.message, /exceeded quota/)
    const { spec } = await suite.ok('GET', `${path}/scale`)
    await suite.ok('PATCH', `${path}/scale`, { type: merge, body: { spec: { ...spec, replicas: 2 } } })
    await suite.eventually('the condition to go', async () => (await failing()) === undefined)
  })
})

describe('accounts', { concurrency: 4 }, () => {
  const conformance = (title: string, run: (namespace: string) => Promise<void>) =>
    test(`[sig-auth] ServiceAccounts should ${title} [Conformance]`, async () => run(await suite.namespace()))

  conformance('allow opting out of API token automount', async (namespace) => {
    for (const [name, automountServiceAccountToken] of [
      ['mount', true],
      ['nomount', false],
    ] as const) {
      await suite.ok('POST', core(namespace, 'serviceaccounts'), { body: { metadata: { name }, automountServiceAccountToken } })
    }
    for (const [account, wish, mounted] of [
      ['default', undefined, true],
      ['mount', undefined, true],
      ['nomount', undefined, false],
      ['mount', true, true],
      ['nomount', true, true],
      ['mount', false, false],
      ['nomount', false, false],
    ] as const) {
      const name = `pod-${account}-${wish ?? 'default'}`
      const spec = {
        serviceAccountName: account,
        ...(wish === undefined ? {} : { automountServiceAccountToken: wish }),
        containers: [{ name: 'main', image: 'app' }],
      }
      const pod = await suite.ok('POST', core(namespace, 'pods'), { body: { metadata: { name }, spec } })
      const mounts =
        pod.spec.containers[0].volumeMounts?.some(({ mountPath }: Json) => mountPath === '/var/run/secrets/kubernetes.io/serviceaccount') ??
        false
      assert.equal(mounts, mounted, name)
    }
  })

  conformance('guarantee kube-root-ca.crt exist in any namespace', async (namespace) => {
    const path = core(namespace, 'configmaps', 'kube-root-ca.crt')
    const { data } = await suite.ok('GET', path)
    assert.match(data['ca.crt'], /BEGIN CERTIFICATE/)
    await suite.ok('DELETE', path)
    await suite.eventually('it to be published again', () => suite.found(path))
    const fresh = await suite.ok('GET', path)
    await suite.ok('PUT', path, { body: { ...fresh, data: { 'ca.crt': '' } } })
    await suite.eventually('it to be set right', async () => (await suite.ok('GET', path)).data['ca.crt'] === data['ca.crt'])
  })

  conformance('run through the lifecycle of a ServiceAccount', async (namespace) => {
    using told = await suite.watch(core(namespace, 'serviceaccounts'), { labelSelector: 'test-serviceaccount-static=true' })
    const client = suite.kubeconfig.makeApiClient(CoreV1Api)
    await client.createNamespacedServiceAccount({
      namespace,
      body: { metadata: { name: 'testserviceaccount', labels: { 'test-serviceaccount-static': 'true' } } },
    })
    await suite.ok('PATCH', core(namespace, 'serviceaccounts', 'testserviceaccount'), {
      type: 'application/strategic-merge-patch+json',
      body: { automountServiceAccountToken: false },
    })
    const { items } = await suite.ok('GET', '/api/v1/serviceaccounts?labelSelector=test-serviceaccount-static%3Dtrue')
    assert.deepEqual(
      items.map(({ metadata, automountServiceAccountToken }: Json) => [metadata.name, automountServiceAccountToken]),
      [['testserviceaccount', false]],
    )
    await suite.ok('DELETE', `${core(namespace, 'serviceaccounts')}?labelSelector=test-serviceaccount-static%3Dtrue`)
    await told.until(['ADDED', 'MODIFIED', 'DELETED'])
  })

  conformance('update a ServiceAccount', async (namespace) => {
    const made = await suite.ok('POST', core(namespace, 'serviceaccounts'), { body: { metadata: { name: 'e2e-sa' } } })
    assert.equal(made.automountServiceAccountToken, undefined)
    const updated = await suite.ok('PUT', core(namespace, 'serviceaccounts', 'e2e-sa'), {
      body: { ...made, automountServiceAccountToken: true },
    })
    assert.equal(updated.automountServiceAccountToken, true)
  })

  conformance('create a serviceAccountToken and ensure a successful TokenReview', async (namespace) => {
    const made = await suite.ok('POST', core(namespace, 'serviceaccounts'), { body: { metadata: { name: 'e2e-sa' } } })
    const client = suite.kubeconfig.makeApiClient(CoreV1Api)
    const { status } = await client.createNamespacedServiceAccountToken({
      namespace,
      name: 'e2e-sa',
      body: { spec: { audiences: [], expirationSeconds: 3600 } } as any,
    })
    const review = await suite.kubeconfig
      .makeApiClient(AuthenticationV1Api)
      .createTokenReview({ body: { spec: { token: status!.token! } } })
    assert.deepEqual(
      [review.status?.authenticated, review.status?.error, review.status?.user?.username, review.status?.user?.uid],
      [true, undefined, `system:serviceaccount:${namespace}:e2e-sa`, made.metadata.uid],
    )
  })

  test('[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]', async () => {
    const namespace = await suite.namespace()
    const api = suite.kubeconfig.makeApiClient(AuthorizationV1Api)
    const user = `system:serviceaccount:${namespace}:e2e`
    const spec = {
      user,
      groups: ['system:authenticated'],
      resourceAttributes: { verb: 'list', resource: 'configmaps', version: 'v1', namespace },
    }
    const everywhere = await api.createSubjectAccessReview({ body: { spec } })
    const here = await api.createNamespacedLocalSubjectAccessReview({ namespace, body: { metadata: { namespace }, spec } as any })
    assert.equal(everywhere.status?.allowed, false)
    assert.equal(here.status?.allowed, false)
    const answer = await suite.ask('GET', core(namespace, 'configmaps'), { headers: { 'impersonate-user': user } })
    assert.equal(answer.code, 403)
  })

  test('[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations [Conformance]', async () => {
    const root = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
    await import('reflect-metadata')
    const { Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509')
    const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
    const pem = (
      await Pkcs10CertificateRequestGenerator.create({
        name: 'CN=e2e-user, O=e2e',
        keys,
        signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      })
    ).toString('pem')
    const request = {
      metadata: { generateName: 'e2e-example-csr-' },
      spec: {
        request: Buffer.from(pem).toString('base64'),
        signerName: 'example.com/e2e',
        usages: ['digital signature', 'key encipherment', 'server auth'],
      },
    }
    const api = suite.kubeconfig.makeApiClient(CertificatesV1Api)
    const made = await api.createCertificateSigningRequest({ body: request as any })
    const name = made.metadata!.name!
    using told = await suite.watch(root, { fieldSelector: `metadata.name=${name}`, resourceVersion: made.metadata!.resourceVersion! })
    assert.equal((await api.readCertificateSigningRequest({ name })).spec.signerName, 'example.com/e2e')
    assert.ok((await api.listCertificateSigningRequest({ fieldSelector: 'spec.signerName=example.com/e2e' })).items.length >= 1)
    const patched = await suite.ok('PATCH', `${root}/${name}`, { type: merge, body: { metadata: { annotations: { patched: 'true' } } } })
    assert.equal(patched.metadata.annotations.patched, 'true')
    const updated = await suite.ok('PUT', `${root}/${name}`, {
      body: { ...patched, metadata: { ...patched.metadata, annotations: { ...patched.metadata.annotations, updated: 'true' } } },
    })
    await told.until((events) => events.some(({ object }) => object.metadata.annotations?.updated === 'true'))
    const approval = await suite.ok('PUT', `${root}/${name}/approval`, {
      body: { ...updated, status: { conditions: [{ type: 'ApprovalPatch', status: 'True', reason: 'e2e' }] } },
    })
    assert.equal(approval.status.conditions[0].type, 'ApprovalPatch')
    const approved = await suite.ok('PATCH', `${root}/${name}/approval`, {
      type: merge,
      body: { status: { conditions: [...approval.status.conditions, { type: 'Approved', status: 'True', reason: 'E2E' }] } },
    })
    assert.ok(approved.status.conditions.some(({ type }: Json) => type === 'Approved'))
    const status = await suite.ok('PATCH', `${root}/${name}/status`, {
      type: merge,
      body: {
        metadata: { annotations: { patchedstatus: 'true' } },
        status: { certificate: Buffer.from(await certificateFor(pem)).toString('base64') },
      },
    })
    assert.equal(status.metadata.annotations.patchedstatus, 'true')
    await suite.ok('DELETE', `${root}/${name}`)
    await told.until((events) => events.at(-1)?.type === 'DELETED')
    await suite.ok('POST', root, { body: request })
    await suite.ok('DELETE', `${root}?fieldSelector=${encodeURIComponent('spec.signerName=example.com/e2e')}`)
    assert.deepEqual((await suite.ok('GET', `${root}?fieldSelector=${encodeURIComponent('spec.signerName=example.com/e2e')}`)).items, [])
  })
})

/** Any certificate will do: the status takes PEM and looks no further. */
async function certificateFor(_request: string): Promise<string> {
  return (await suite.ok('GET', core('default', 'configmaps', 'kube-root-ca.crt'))).data['ca.crt'] as string
}

describe('events', { concurrency: 4 }, () => {
  const coreEvent = (name: string, namespace: string, labels: Json = {}) => ({
    metadata: { name, namespace, labels },
    message: 'This is a test event',
    reason: 'Test',
    type: 'Normal',
    count: 1,
    involvedObject: { namespace, kind: 'Pod', name: 'pod' },
  })

  test('[sig-instrumentation] Events should manage the lifecycle of an event [Conformance]', async () => {
    const namespace = await suite.namespace()
    const client = suite.kubeconfig.makeApiClient(CoreV1Api)
    await client.createNamespacedEvent({ namespace, body: coreEvent('event-test', namespace, { 'testevent-constant': 'true' }) as any })
    const { items } = await suite.ok('GET', '/api/v1/events?labelSelector=testevent-constant%3Dtrue')
    assert.deepEqual(
      items.map(({ metadata }: Json) => metadata.name),
      ['event-test'],
    )
    await suite.ok('PATCH', core(namespace, 'events', 'event-test'), {
      type: 'application/strategic-merge-patch+json',
      body: { message: 'This is a test event - patched' },
    })
    const patched = await client.readNamespacedEvent({ namespace, name: 'event-test' })
    assert.equal(patched.message, 'This is a test event - patched')
    const updated = await suite.ok('PUT', core(namespace, 'events', 'event-test'), {
      body: {
        ...(await suite.ok('GET', core(namespace, 'events', 'event-test'))),
        series: { count: 100, lastObservedTime: '2026-01-01T00:00:00.000000Z' },
      },
    })
    assert.equal(updated.series.count, 100)
    await client.deleteNamespacedEvent({ namespace, name: 'event-test' })
    await suite.gone(core(namespace, 'events', 'event-test'))
  })

  test('[sig-instrumentation] Events should delete a collection of events [Conformance]', async () => {
    const namespace = await suite.namespace()
    for (const name of ['a', 'b', 'c'])
      await suite.ok('POST', core(namespace, 'events'), { body: coreEvent(`test-event-${name}`, namespace, { set: 'yes' }) })
    assert.equal((await suite.ok('GET', `${core(namespace, 'events')}?labelSelector=set%3Dyes`)).items.length, 3)
    await suite.ok('DELETE', `${core(namespace, 'events')}?labelSelector=set%3Dyes`)
    await suite.eventually(
      'no events',
      async () => (await suite.ok('GET', `${core(namespace, 'events')}?labelSelector=set%3Dyes`)).items.length === 0,
    )
  })

  const v1 = at('/apis/events.k8s.io/v1')
  const event = (name: string, namespace: string, labels: Json = {}) => ({
    metadata: { name, namespace, labels },
    regarding: { namespace, kind: 'Pod', name: 'pod' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    note: 'This is an event',
    action: 'Do',
    reason: 'Test',
    type: 'Normal',
    reportingController: 'test-controller',
    reportingInstance: 'test-node',
  })

  test('[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed [Conformance]', async () => {
    const namespace = await suite.namespace()
    const client = suite.kubeconfig.makeApiClient(EventsV1Api)
    await suite.ok('POST', v1(namespace, 'events'), { body: event('event-test', namespace, { testevent: 'true' }) })
    for (const path of [v1(namespace, 'events'), '/apis/events.k8s.io/v1/events']) {
      const { items } = await suite.ok('GET', `${path}?labelSelector=testevent%3Dtrue`)
      assert.deepEqual(
        items.map(({ metadata }: Json) => metadata.name),
        ['event-test'],
      )
    }
    assert.equal((await suite.ok('GET', `${core(namespace, 'events')}?fieldSelector=reportingComponent%3Dtest-controller`)).items.length, 1)
    const patched = await suite.ok('PATCH', v1(namespace, 'events', 'event-test'), {
      type: merge,
      body: { series: { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' } },
    })
    assert.equal(patched.series.count, 2)
    const updated = await suite.ok('PUT', v1(namespace, 'events', 'event-test'), {
      body: { ...patched, series: { ...patched.series, count: 100 } },
    })
    assert.equal(updated.series.count, 100)
    assert.equal((await client.readNamespacedEvent({ namespace, name: 'event-test' })).note, 'This is an event')
    await client.deleteNamespacedEvent({ namespace, name: 'event-test' })
    assert.deepEqual((await suite.ok('GET', `${v1(namespace, 'events')}?labelSelector=testevent%3Dtrue`)).items, [])
  })

  test('[sig-instrumentation] Events API should delete a collection of events [Conformance]', async () => {
    const namespace = await suite.namespace()
    for (const name of ['a', 'b', 'c'])
      await suite.ok('POST', v1(namespace, 'events'), { body: event(`test-event-${name}`, namespace, { set: 'yes' }) })
    await suite.ok('DELETE', `${v1(namespace, 'events')}?labelSelector=set%3Dyes`)
    assert.deepEqual((await suite.ok('GET', `${v1(namespace, 'events')}?labelSelector=set%3Dyes`)).items, [])
  })
})
