// Conformance tests of the API machinery, each written from its description and named after it: discovery, chunking, watches, namespaces, policies.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { AppsV1Api, CoreV1Api, VersionApi } from '@kubernetes/client-node'
import { type Json, merge, startSuite, type Suite } from './cluster.ts'

let suite: Suite
before(async () => {
  // Little history, so that versions expire.
  suite = await startSuite({ history: 2000 })
})
after(() => suite[Symbol.asyncDispose]())

const conformance = (title: string, run: () => Promise<void>) => test(`[sig-api-machinery] ${title} [Conformance]`, run)
const V2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
const V2BETA = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList'

const definition = (group: string, plural: string, versions: Json[] = [{ name: 'v1', served: true, storage: true }]) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: {
      plural,
      singular: plural.slice(0, -1),
      kind: plural[0]!.toUpperCase() + plural.slice(1, -1),
      listKind: `${plural.slice(0, -1)}List`,
    },
    versions: versions.map((version) => ({
      schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      ...version,
    })),
  },
})

async function define(body: ReturnType<typeof definition>): Promise<void> {
  await suite.ok('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { body })
  for (const { name, served } of body.spec.versions as Json[])
    if (served)
      await suite.eventually(
        `${body.metadata.name} ${name}`,
        async () => (await suite.ask('GET', `/apis/${body.spec.group}/${name}/${body.spec.names.plural}`)).code === 200,
      )
}

const deployment = (name: string, more: Json = {}): any => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, labels: { app: name } },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'app' }] } },
    ...more,
  },
})

describe('API machinery', { concurrency: 4 }, () => {
  conformance('AggregatedDiscovery should support aggregated discovery interface', async () => {
    const core = await suite.ok('GET', '/api', { accept: V2 })
    const named = await suite.ok('GET', '/apis', { accept: V2 })
    const resources = [...core.items, ...named.items].flatMap(({ metadata, versions }: Json) =>
      versions.flatMap(({ version, resources: all }: Json) =>
        all.map(({ resource }: Json) => `${metadata.name ?? ''}/${version}/${resource}`),
      ),
    )
    for (const expected of [
      '/v1/namespaces',
      'admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
      'apiextensions.k8s.io/v1/customresourcedefinitions',
      'apiregistration.k8s.io/v1/apiservices',
      'apps/v1/deployments',
      'rbac.authorization.k8s.io/v1/roles',
    ])
      assert.ok(resources.includes(expected), expected)
  })

  conformance('AggregatedDiscovery should support aggregated discovery interface for CRDs', async () => {
    await define(definition('aggregated.example.com', 'foos'))
    await suite.eventually('the group in discovery', async () => {
      const { items } = await suite.ok('GET', '/apis', { accept: V2 })
      return items.some(
        ({ metadata, versions }: Json) => metadata.name === 'aggregated.example.com' && versions[0].resources[0].resource === 'foos',
      )
    })
  })

  conformance('AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers', async () => {
    for (const path of ['/api', '/apis']) {
      const { kind, apiVersion } = await suite.ok('GET', path, { accept: `${V2},${V2BETA},application/json` })
      assert.deepEqual([kind, apiVersion], ['APIGroupDiscoveryList', 'apidiscovery.k8s.io/v2'])
      const plain = await suite.ok('GET', path, { accept: 'application/json' })
      assert.equal(plain.kind, path === '/api' ? 'APIVersions' : 'APIGroupList')
    }
  })

  conformance('AggregatedDiscovery should support raw aggregated discovery request for CRDs', async () => {
    await define(
      definition('raw.example.com', 'bars', [
        { name: 'v1', served: true, storage: true },
        { name: 'v2', served: true, storage: false },
      ]),
    )
    await suite.eventually('both versions in discovery', async () => {
      const { items } = await suite.ok('GET', '/apis', { accept: V2 })
      const group = items.find(({ metadata }: Json) => metadata.name === 'raw.example.com')
      return (
        group?.versions.map(({ version }: Json) => version).join() === 'v2,v1' &&
        group.versions.every(({ resources }: Json) => resources[0].responseKind.kind === 'Bar')
      )
    })
  })

  conformance('Discovery should locate the groupVersion and a resource within each APIGroup', async () => {
    for (const [group, version, resource] of [
      ['admissionregistration.k8s.io', 'v1', 'validatingwebhookconfigurations'],
      ['apiextensions.k8s.io', 'v1', 'customresourcedefinitions'],
      ['apiregistration.k8s.io', 'v1', 'apiservices'],
      ['apps', 'v1', 'deployments'],
      ['authentication.k8s.io', 'v1', 'tokenreviews'],
      ['authorization.k8s.io', 'v1', 'selfsubjectaccessreviews'],
      ['autoscaling', 'v1', 'horizontalpodautoscalers'],
      ['autoscaling', 'v2', 'horizontalpodautoscalers'],
      ['batch', 'v1', 'jobs'],
      ['certificates.k8s.io', 'v1', 'certificatesigningrequests'],
      ['coordination.k8s.io', 'v1', 'leases'],
      ['discovery.k8s.io', 'v1', 'endpointslices'],
      ['events.k8s.io', 'v1', 'events'],
      ['networking.k8s.io', 'v1', 'ingresses'],
      ['node.k8s.io', 'v1', 'runtimeclasses'],
      ['policy', 'v1', 'poddisruptionbudgets'],
      ['scheduling.k8s.io', 'v1', 'priorityclasses'],
      ['storage.k8s.io', 'v1', 'csinodes'],
    ]) {
      const { groupVersion, resources } = await suite.ok('GET', `/apis/${group}/${version}`)
      assert.equal(groupVersion, `${group}/${version}`)
      assert.ok(
        resources.some(({ name }: Json) => name === resource),
        `${resource} in ${groupVersion}`,
      )
    }
  })

  conformance('Discovery should validate PreferredVersion for each APIGroup', async () => {
    const { groups } = await suite.ok('GET', '/apis')
    for (const { name } of groups) {
      const { preferredVersion, versions } = await suite.ok('GET', `/apis/${name}`)
      assert.ok(
        versions.some(({ version }: Json) => version === preferredVersion.version),
        name,
      )
      assert.equal(preferredVersion.groupVersion, `${name}/${preferredVersion.version}`)
    }
  })

  conformance('server version should find the server version', async () => {
    const { major, minor } = await suite.kubeconfig.makeApiClient(VersionApi).getCode()
    assert.match(major, /^\d+$/)
    assert.match(minor, /^\d+\+?$/)
  })

  conformance(
    'Servers with support for Table transformation should return a 406 for a backend which does not implement metadata',
    async () => {
      const body = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb: 'get', resource: 'pods' } },
      }
      const answer = await suite.ask('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        body,
        accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
      })
      assert.deepEqual([answer.code, answer.body.reason], [406, 'NotAcceptable'])
    },
  )

  conformance('Servers with support for API chunking should return chunks of results for list calls', async () => {
    const namespace = await suite.namespace()
    const names = Array.from({ length: 40 }, (_, n) => `template-${String(n).padStart(4, '0')}`)
    await templates(namespace, names)
    const core = suite.kubeconfig.makeApiClient(CoreV1Api)
    for (const limit of [13, 40, 7]) {
      const seen: string[] = []
      let version: string | undefined
      for (let _continue: string | undefined; ; ) {
        const page = await core.listNamespacedPodTemplate({ namespace, limit, ...(_continue ? { _continue } : {}) })
        assert.ok(page.items.length <= limit)
        version ??= page.metadata!.resourceVersion!
        assert.equal(page.metadata!.resourceVersion, version)
        seen.push(...page.items.map(({ metadata }) => metadata!.name!))
        if (page.metadata!._continue) assert.equal(page.metadata!.remainingItemCount, names.length - seen.length)
        _continue = page.metadata!._continue
        if (!_continue) break
      }
      assert.deepEqual(seen, names)
    }
  })

  conformance(
    'Servers with support for API chunking should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent [Slow]',
    async () => {
      const namespace = await suite.namespace()
      await templates(namespace, ['a', 'b', 'c', 'd'])
      const path = `/api/v1/namespaces/${namespace}/podtemplates`
      const first = await suite.ok('GET', `${path}?limit=2`)
      // History is bounded: enough writes and the first page's version is gone.
      for (
        let round = 0;
        (await suite.ask('GET', `${path}?limit=2&continue=${encodeURIComponent(first.metadata.continue)}`)).code === 200;
        round++
      ) {
        assert.ok(round < 60, 'the version never goes')
        await Promise.all(
          Array.from({ length: 100 }, (_, n) =>
            suite.ok('PATCH', `${path}/${'abcd'[n % 4]}`, { type: merge, body: { metadata: { annotations: { turn: `${round}-${n}` } } } }),
          ),
        )
      }
      const expired = await suite.ask('GET', `${path}?limit=2&continue=${encodeURIComponent(first.metadata.continue)}`)
      assert.deepEqual([expired.code, expired.body.reason], [410, 'Expired'])
      const rest = await suite.ok('GET', `${path}?continue=${encodeURIComponent(expired.body.metadata.continue)}`)
      assert.deepEqual(
        rest.items.map(({ metadata }: Json) => metadata.name),
        ['c', 'd'],
      )
      assert.notEqual(rest.metadata.resourceVersion, first.metadata.resourceVersion)
    },
  )

  const configMap = (name: string, data: Json = {}, labels: Json = {}) => ({ metadata: { name, labels }, data })
  const LABEL = 'watch-this-configmap'

  conformance('Watchers should observe add, update, and delete watch notifications on configmaps', async () => {
    const path = `/api/v1/namespaces/${await suite.namespace()}/configmaps`
    using a = await suite.watch(path, { labelSelector: `${LABEL}=a` })
    using b = await suite.watch(path, { labelSelector: `${LABEL}=b` })
    using both = await suite.watch(path, { labelSelector: `${LABEL} in (a,b)` })
    await suite.ok('POST', path, { body: configMap('a', {}, { [LABEL]: 'a' }) })
    for (const turn of ['1', '2']) await suite.ok('PATCH', `${path}/a`, { type: merge, body: { data: { mutation: turn } } })
    await suite.ok('DELETE', `${path}/a`)
    await a.until(['ADDED', 'MODIFIED', 'MODIFIED', 'DELETED'])
    await suite.ok('POST', path, { body: configMap('b', {}, { [LABEL]: 'b' }) })
    await suite.ok('DELETE', `${path}/b`)
    await b.until(['ADDED', 'DELETED'])
    await both.until(['ADDED', 'MODIFIED', 'MODIFIED', 'DELETED', 'ADDED', 'DELETED'])
    assert.equal(a.events.length, 4)
  })

  conformance('Watchers should be able to start watching from a specific resource version', async () => {
    const path = `/api/v1/namespaces/${await suite.namespace()}/configmaps`
    await suite.ok('POST', path, { body: configMap('a', {}, { [LABEL]: 'from' }) })
    const { metadata } = await suite.ok('PATCH', `${path}/a`, { type: merge, body: { data: { mutation: '1' } } })
    await suite.ok('PATCH', `${path}/a`, { type: merge, body: { data: { mutation: '2' } } })
    await suite.ok('DELETE', `${path}/a`)
    using told = await suite.watch(path, { labelSelector: `${LABEL}=from`, resourceVersion: metadata.resourceVersion })
    await told.until(['MODIFIED', 'DELETED'])
    assert.equal(told.events[0]!.object.data.mutation, '2')
  })

  conformance('Watchers should be able to restart watching from the last resource version observed by the previous watch', async () => {
    const path = `/api/v1/namespaces/${await suite.namespace()}/configmaps`
    const selection = { labelSelector: `${LABEL}=closed` }
    let last: string
    {
      using first = await suite.watch(path, selection)
      await suite.ok('POST', path, { body: configMap('a', {}, { [LABEL]: 'closed' }) })
      await suite.ok('PATCH', `${path}/a`, { type: merge, body: { data: { mutation: '1' } } })
      await first.until(['ADDED', 'MODIFIED'])
      last = first.events.at(-1)!.object.metadata.resourceVersion
    }
    await suite.ok('PATCH', `${path}/a`, { type: merge, body: { data: { mutation: '2' } } })
    await suite.ok('DELETE', `${path}/a`)
    using second = await suite.watch(path, { ...selection, resourceVersion: last })
    await second.until(['MODIFIED', 'DELETED'])
  })

  conformance('Watchers should observe an object deletion if it stops meeting the requirements of the selector', async () => {
    const path = `/api/v1/namespaces/${await suite.namespace()}/configmaps`
    using told = await suite.watch(path, { labelSelector: `${LABEL}=restored` })
    const label = (value: string, mutation: string) =>
      suite.ok('PATCH', `${path}/a`, { type: merge, body: { metadata: { labels: { [LABEL]: value } }, data: { mutation } } })
    await suite.ok('POST', path, { body: configMap('a', {}, { [LABEL]: 'restored' }) })
    await label('restored', '1')
    await label('wrong', '1')
    await told.until(['ADDED', 'MODIFIED', 'DELETED'])
    await label('wrong', '2')
    await label('restored', '2')
    await label('restored', '3')
    await suite.ok('DELETE', `${path}/a`)
    await told.until(['ADDED', 'MODIFIED', 'DELETED', 'ADDED', 'MODIFIED', 'DELETED'])
    assert.deepEqual(
      told.events.map(({ object }) => object.data?.mutation),
      [undefined, '1', '1', '2', '3', '3'],
    )
  })

  conformance('Watchers should receive events on concurrent watches in same order', async () => {
    const path = `/api/v1/namespaces/${await suite.namespace()}/configmaps`
    const { metadata } = await suite.ok('GET', path)
    const busy = (async () => {
      for (let n = 0; n < 40; n++) {
        await suite.ok('POST', path, { body: configMap(`cm-${n}`) })
        if (n % 2) await suite.ok('PATCH', `${path}/cm-${n}`, { type: merge, body: { data: { a: 'b' } } })
        if (n % 3 === 0) await suite.ok('DELETE', `${path}/cm-${n}`)
      }
    })()
    using all = new DisposableStack()
    const watches = [all.use(await suite.watch(path, { resourceVersion: metadata.resourceVersion }))]
    const [first] = watches
    for (let n = 0; n < 10; n++) {
      await first!.until((events) => events.length > n * 3)
      watches.push(all.use(await suite.watch(path, { resourceVersion: first!.events[n * 3]!.object.metadata.resourceVersion })))
    }
    await busy
    const total = 40 + 20 + 14
    await first!.until((events) => events.length === total)
    const order = first!.events.map(({ object }) => object.metadata.resourceVersion)
    for (const [n, watch] of watches.slice(1).entries()) {
      await watch.until((events) => events.length === total - n * 3 - 1)
      assert.deepEqual(
        watch.events.map(({ object }) => object.metadata.resourceVersion),
        order.slice(n * 3 + 1),
      )
    }
  })

  conformance('Namespaces [Serial] should patch a Namespace', async () => {
    const name = await suite.namespace()
    await suite.ok('PATCH', `/api/v1/namespaces/${name}`, {
      type: 'application/strategic-merge-patch+json',
      body: { metadata: { labels: { testLabel: 'testValue' } } },
    })
    assert.equal((await suite.ok('GET', `/api/v1/namespaces/${name}`)).metadata.labels.testLabel, 'testValue')
  })

  conformance('Namespaces [Serial] should apply an update to a Namespace', async () => {
    const path = `/api/v1/namespaces/${await suite.namespace()}`
    const present = await suite.ok('GET', path)
    present.metadata.labels.updated = 'yes'
    const updated = await suite.ok('PUT', path, { body: present })
    assert.equal(updated.metadata.labels.updated, 'yes')
  })

  conformance('Namespaces [Serial] should apply changes to a namespace status', async () => {
    const name = await suite.namespace()
    const path = `/api/v1/namespaces/${name}/status`
    const condition = { type: 'StatusPatch', status: 'True', reason: 'E2E', message: 'Patched by an e2e test' }
    const { status } = await suite.ok('GET', path)
    const patched = await suite.ok('PATCH', path, {
      type: merge,
      body: { status: { conditions: [...(status.conditions ?? []), condition] } },
    })
    assert.ok(patched.status.conditions.some(({ type }: Json) => type === 'StatusPatch'))
    patched.status.conditions.push({ type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Updated by an e2e test' })
    const updated = await suite.ok('PUT', path, { body: patched })
    assert.ok(updated.status.conditions.some(({ type }: Json) => type === 'StatusUpdate'))
  })

  conformance('Namespaces [Serial] should apply a finalizer to a Namespace', async () => {
    const name = await suite.namespace()
    const path = `/api/v1/namespaces/${name}/finalize`
    const present = await suite.ok('GET', `/api/v1/namespaces/${name}`)
    const finalizer = 'e2e.example.com/fakeFinalizer'
    const kept = await suite.ok('PUT', path, { body: { ...present, spec: { finalizers: [...present.spec.finalizers, finalizer] } } })
    assert.deepEqual(kept.spec.finalizers, ['kubernetes', finalizer])
    const fresh = await suite.ok('GET', `/api/v1/namespaces/${name}`)
    const freed = await suite.ok('PUT', path, { body: { ...fresh, spec: { finalizers: ['kubernetes'] } } })
    assert.deepEqual(freed.spec.finalizers, ['kubernetes'])
  })

  conformance('Namespaces [Serial] should ensure that all services are removed when a namespace is deleted', async () => {
    const name = await suite.namespace()
    await suite.ok('POST', `/api/v1/namespaces/${name}/services`, {
      body: { metadata: { name: 'test-service' }, spec: { ports: [{ port: 80, targetPort: 80 }] } },
    })
    await suite.ok('DELETE', `/api/v1/namespaces/${name}`)
    await suite.gone(`/api/v1/namespaces/${name}`)
    await suite.ok('POST', '/api/v1/namespaces', { body: { metadata: { name } } })
    assert.deepEqual((await suite.ok('GET', `/api/v1/namespaces/${name}/services`)).items, [])
  })

  conformance('OrderedNamespaceDeletion namespace deletion should delete pod first', async () => {
    const name = await suite.namespace()
    const path = `/api/v1/namespaces/${name}`
    const finalizers = ['e2e.example.com/finalizer']
    await suite.ok('POST', `${path}/pods`, {
      body: { metadata: { name: 'pod', finalizers }, spec: { containers: [{ name: 'main', image: 'app' }] } },
    })
    await suite.ok('POST', `${path}/configmaps`, { body: { metadata: { name: 'cm', finalizers } } })
    await suite.ok('DELETE', path)
    await suite.eventually('the pod on its way out', async () => (await suite.ok('GET', `${path}/pods/pod`)).metadata.deletionTimestamp)
    await suite.eventually('a condition that says what is waited for', async () =>
      (await suite.ok('GET', path)).status.conditions?.some(
        ({ type, status }: Json) => type === 'NamespaceContentRemaining' && status === 'True',
      ),
    )
    assert.equal((await suite.ok('GET', `${path}/configmaps/cm`)).metadata.deletionTimestamp, undefined)
    await suite.ok('PATCH', `${path}/pods/pod`, { type: merge, body: { metadata: { finalizers: null } } })
    await suite.eventually(
      'the config map on its way out',
      async () => (await suite.ok('GET', `${path}/configmaps/cm`)).metadata.deletionTimestamp,
    )
    await suite.ok('PATCH', `${path}/configmaps/cm`, { type: merge, body: { metadata: { finalizers: null } } })
    await suite.gone(path)
  })

  const policy = async (name: string, { spec, validates = true }: { spec: Json; validates?: boolean }, namespace: string) => {
    const root = '/apis/admissionregistration.k8s.io/v1'
    const family = validates ? 'validatingadmissionpolic' : 'mutatingadmissionpolic'
    const matchConstraints = {
      resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] }],
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    }
    await suite.ok('POST', `${root}/${family}ies`, {
      body: { metadata: { name }, spec: { failurePolicy: 'Fail', matchConstraints, ...spec } },
    })
    const binding = { policyName: name, ...(validates ? { validationActions: ['Deny'] } : {}) }
    await suite.ok('POST', `${root}/${family}ybindings`, { body: { metadata: { name }, spec: binding } })
  }

  for (const [what, spec] of [
    [
      'validate against a Deployment',
      {
        validations: [
          { expression: 'object.spec.replicas > 1', messageExpression: "'wants replicas > 1, got ' + string(object.spec.replicas)" },
        ],
      },
    ],
    [
      'allow expressions to refer variables.',
      {
        variables: [
          { name: 'replicas', expression: 'object.spec.replicas' },
          { name: 'oddReplicas', expression: 'variables.replicas % 2 == 1' },
        ],
        validations: [{ expression: 'variables.replicas > 1' }, { expression: 'variables.oddReplicas' }],
      },
    ],
  ] as const) {
    conformance(`ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should ${what}`, async () => {
      const namespace = await suite.namespace()
      await policy(namespace, { spec }, namespace)
      const apps = suite.kubeconfig.makeApiClient(AppsV1Api)
      const create = (replicas: number) =>
        apps.createNamespacedDeployment({ namespace, body: deployment(`replicas-${replicas}`, { replicas }) })
      await create(3)
      await assert.rejects(
        create(1),
        (error: any) =>
          error.code === 422 &&
          JSON.parse(error.body).message.includes(`ValidatingAdmissionPolicy '${namespace}' with binding '${namespace}' denied request`),
      )
      if (what.startsWith('allow')) await assert.rejects(create(4), /variables.oddReplicas/)
    })
  }

  for (const [what, expression, shows] of [
    ['mutate a Deployment', 'Object{spec: Object.spec{replicas: object.spec.replicas + 100}}', ({ spec }: Json) => spec.replicas === 101],
    [
      'mutate a Deployment with annotations',
      'Object{metadata: Object.metadata{annotations: {"my-foo-annotation": "myAnnotationValue"}}}',
      ({ metadata }: Json) => metadata.annotations['my-foo-annotation'] === 'myAnnotationValue',
    ],
  ] as const) {
    conformance(`MutatingAdmissionPolicy [Privileged:ClusterAdmin] should ${what}`, async () => {
      const namespace = await suite.namespace()
      await policy(
        namespace,
        {
          validates: false,
          spec: { reinvocationPolicy: 'Never', mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }] },
        },
        namespace,
      )
      const created = await suite.kubeconfig.makeApiClient(AppsV1Api).createNamespacedDeployment({ namespace, body: deployment('web') })
      assert.ok(shows(created as Json))
    })
  }
})

async function templates(namespace: string, names: readonly string[]): Promise<void> {
  const template = { spec: { containers: [{ name: 'test', image: 'test' }] } }
  await Promise.all(
    names.map((name) => suite.ok('POST', `/api/v1/namespaces/${namespace}/podtemplates`, { body: { metadata: { name }, template } })),
  )
}
