// The conformance tests of admission webhooks, each written from its description and named after it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AdmissionregistrationV1Api } from '@kubernetes/client-node'
import {
  CONFIGURATIONS,
  configMap,
  define,
  DEFINITIONS,
  type Fixture,
  IN_NAMESPACE,
  type Json,
  NAMESPACE,
  startFixture,
} from './webhook-fixture.ts'

const conformance = (what: string, run: () => Promise<void>) =>
  test(`[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] ${what} [Conformance]`, run)

type Verdict = Json | undefined | Promise<Json | undefined>

/** What the webhooks of these tests do, by path. */
const verdicts: Record<string, (request: Json) => Verdict> = {
  '/deny': () => ({ allowed: false, status: { message: 'this webhook denies all requests' } }),
  '/always-allow': () => ({}),
  '/configmaps': ({ object, oldObject, operation }) => {
    const data = (object ?? oldObject)?.data ?? {}
    return data['webhook-e2e-test'] === 'webhook-disallow' && operation !== 'DELETE'
      ? { allowed: false, status: { reason: 'the configmap contains unwanted key and value' } }
      : {}
  },
  '/pods': ({ object }) =>
    object.spec.containers.some(({ name }: Json) => name === 'webhook-disallow')
      ? { allowed: false, status: { message: 'the pod contains unwanted container name' } }
      : {},
  '/mutating-configmaps': ({ object: { data = {} } }) => {
    const stages = [
      ...(data['mutation-start'] === 'yes' ? [{ op: 'add', path: '/data/mutation-stage-1', value: 'yes' }] : []),
      ...(data['mutation-stage-1'] === 'yes' ? [{ op: 'add', path: '/data/mutation-stage-2', value: 'yes' }] : []),
    ]
    return patch(...stages)
  },
  '/mutating-custom-resource': ({ object: { data = {} } }) =>
    patch(
      ...(data['mutation-start'] === 'yes' ? [{ op: 'add', path: '/data/mutation-stage-1', value: 'yes' }] : []),
      ...(data['mutation-stage-1'] === 'yes' ? [{ op: 'add', path: '/data/mutation-stage-2', value: 'yes' }] : []),
    ),
  '/mutating-pods': () =>
    patch({
      op: 'add',
      path: '/spec/initContainers',
      value: [{ image: 'webhook-added-image', name: 'webhook-added-init-container', resources: {} }],
    }),
  '/custom-resource': ({ object, oldObject }) =>
    (object ?? oldObject).data?.['webhook-e2e-test'] === 'webhook-disallow'
      ? { allowed: false, status: { reason: 'the custom resource contains unwanted data' } }
      : {},
  '/crd': ({ object }) =>
    object.metadata.labels?.['webhook-e2e-test'] === 'webhook-disallow'
      ? { allowed: false, status: { reason: 'the crd contains unwanted label' } }
      : {},
  '/attach': ({ name, object }) =>
    name === 'to-be-attached-pod' && object.kind === 'PodAttachOptions'
      ? { allowed: false, status: { message: `attaching to pod 'to-be-attached-pod' is not allowed` } }
      : {},
  '/mutate-configuration': () => patch({ op: 'add', path: '/metadata/labels', value: { changed: 'yes' } }),
  '/never': () => new Promise<never>(() => {}),
}

function patch(...operations: object[]): Json {
  return operations.length === 0 ? {} : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') }
}

let f: Fixture
before(async () => {
  f = await startFixture(async ({ body, path }) => {
    const { request, apiVersion } = JSON.parse(body) as Json
    const verdict = await verdicts[path.split('?')[0]!]!(request)
    return { apiVersion, kind: 'AdmissionReview', response: { uid: request.uid, allowed: true, ...verdict } }
  })
})
after(() => f[Symbol.asyncDispose]())

type Type = 'mutating' | 'validating'

const configMaps = (...operations: string[]) => ({ operations, apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] })

const hook = (path: string, rule: object, more: object = {}) => ({
  name: `${path.slice(1)}.k8s.io`,
  clientConfig: f.clientConfig(path),
  rules: [rule],
  sideEffects: 'None',
  admissionReviewVersions: ['v1', 'v1beta1'],
  namespaceSelector: { matchLabels: { hooks: 'yes' } },
  ...more,
})

const pathOf = (type: Type, name = '') => `${CONFIGURATIONS}/${type}webhookconfigurations${name && `/${name}`}`

const configuration = (type: Type, name: string, webhooks: object[], labels: object = {}) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: `${type === 'mutating' ? 'Mutating' : 'Validating'}WebhookConfiguration`,
  metadata: { name, labels },
  webhooks,
})

/** While it is there. */
async function configured(type: Type, name: string, webhooks: object[]): Promise<AsyncDisposable> {
  await f.ok('POST', pathOf(type), configuration(type, name, webhooks))
  return { [Symbol.asyncDispose]: async () => void (await f.ok('DELETE', pathOf(type, name))) }
}

let count = 0
/** Creates a configmap and says what came of it. */
async function created(data: Json = { 'mutation-start': 'yes' }) {
  return f.ask('POST', `${IN_NAMESPACE}/configmaps`, configMap(`map-${count++}`, data))
}

const UNWANTED = { 'webhook-e2e-test': 'webhook-disallow' }

for (const type of ['mutating', 'validating'] as const) {
  const path = type === 'mutating' ? '/mutating-configmaps' : '/configmaps'
  const data = type === 'mutating' ? { 'mutation-start': 'yes' } : UNWANTED
  /** Whether the webhook had its say. */
  const acts = async () => {
    const { code, body } = await created(data)
    return type === 'mutating' ? body['data']['mutation-stage-1'] === 'yes' : code === 400
  }

  conformance(`listing ${type} webhooks should work`, async () => {
    const api = f.config.makeApiClient(AdmissionregistrationV1Api)
    const labelSelector = 'e2e-list=yes'
    for (let i = 0; i < 3; i++)
      await f.ok('POST', pathOf(type), configuration(type, `${type}-${i}`, [hook(path, configMaps('CREATE'))], { 'e2e-list': 'yes' }))
    const list =
      type === 'mutating'
        ? await api.listMutatingWebhookConfiguration({ labelSelector })
        : await api.listValidatingWebhookConfiguration({ labelSelector })
    assert.equal(list.items.length, 3)
    assert.equal(await acts(), true)
    if (type === 'mutating') await api.deleteCollectionMutatingWebhookConfiguration({ labelSelector })
    else await api.deleteCollectionValidatingWebhookConfiguration({ labelSelector })
    assert.equal(await acts(), false)
  })

  conformance(`patching/updating a ${type} webhook should work`, async () => {
    await using _configured = await configured(type, 'changing', [hook(path, configMaps('CREATE'))])
    assert.equal(await acts(), true)
    const present = await f.ok('GET', pathOf(type, 'changing'))
    present['webhooks'][0].rules[0].operations = ['UPDATE']
    await f.ok('PUT', pathOf(type, 'changing'), present)
    assert.equal(await acts(), false)
    await f.ok('PATCH json-patch+json', pathOf(type, 'changing'), [
      { op: 'replace', path: '/webhooks/0/rules/0/operations', value: ['CREATE'] },
    ])
    assert.equal(await acts(), true)
  })

  conformance(`should be able to create and update ${type} webhook configurations with match conditions`, async () => {
    const matchConditions = [{ name: 'expression-1', expression: "object.metadata.namespace == 'production'" }]
    await using _configured = await configured(type, 'conditional', [hook(path, configMaps('CREATE'), { matchConditions })])
    const present = await f.ok('GET', pathOf(type, 'conditional'))
    assert.deepEqual(present['webhooks'][0].matchConditions, matchConditions)
    assert.equal(await acts(), false)
    const changed = [{ name: 'expression-1', expression: `object.metadata.namespace == '${NAMESPACE}'` }]
    present['webhooks'][0].matchConditions = changed
    await f.ok('PUT', pathOf(type, 'conditional'), present)
    assert.deepEqual((await f.ok('GET', pathOf(type, 'conditional')))['webhooks'][0].matchConditions, changed)
    assert.equal(await acts(), true)
  })

  conformance(`should reject ${type} webhook configurations with invalid match conditions`, async () => {
    const matchConditions = [{ name: 'invalid-expression-1', expression: '... [] bad expression' }]
    const { code, body } = await f.ask(
      'POST',
      pathOf(type),
      configuration(type, 'invalid', [hook(path, configMaps('CREATE'), { matchConditions })]),
    )
    assert.equal(code, 422)
    assert.match(body['message'], /webhooks\[0\]\.matchConditions\[0\]\.expression: Invalid value: .*compilation failed/s)
  })
}

conformance('should be able to deny attaching pod', async () => {
  await f.ok('POST', `${IN_NAMESPACE}/pods`, {
    metadata: { name: 'to-be-attached-pod' },
    spec: { containers: [{ name: 'container1', image: 'pause' }] },
  })
  const rule = { operations: ['CONNECT'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods/attach'] }
  await using _configured = await configured('validating', 'attaching', [hook('/attach', rule)])
  const { code, body } = await f.ask('POST', `${IN_NAMESPACE}/pods/to-be-attached-pod/attach?stdout=true&container=container1`)
  assert.equal(code, 400)
  assert.match(body['message'], /attaching to pod 'to-be-attached-pod' is not allowed/)
})

conformance('should be able to deny custom resource creation, update and deletion', async () => {
  const { path, object, group, remove } = await define(f, { plural: 'deniables' })
  const rule = { operations: ['CREATE', 'UPDATE', 'DELETE'], apiGroups: [group], apiVersions: ['*'], resources: ['deniables'] }
  const configuredHook = await configured('validating', 'custom', [hook('/custom-resource', rule)])
  const denied = async (method: string, at: string, body?: object) => {
    const answer = await f.ask(method, at, body)
    assert.equal(answer.code, 400, JSON.stringify(answer.body))
    assert.match(answer.body['message'], /the custom resource contains unwanted data/)
  }
  await denied('POST', path(), object('bad', { data: UNWANTED }))
  await f.ok('POST', path(), object('good', { data: { fine: 'yes' } }))
  await denied('PATCH merge-patch+json', path('v1', 'good'), { data: UNWANTED })
  await configuredHook[Symbol.asyncDispose]()
  await f.ok('PATCH merge-patch+json', path('v1', 'good'), { data: UNWANTED })
  {
    await using _again = await configured('validating', 'custom', [hook('/custom-resource', rule)])
    await denied('DELETE', path('v1', 'good'))
    await f.ok('GET', path('v1', 'good'))
  }
  await f.ok('DELETE', path('v1', 'good'))
  await remove()
})

conformance('should be able to deny pod and configmap creation', async () => {
  const pods = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }
  await using _configured = await configured('validating', 'denying', [
    hook('/pods', pods),
    hook('/configmaps', configMaps('CREATE', 'UPDATE', 'DELETE'), {
      namespaceSelector: { matchExpressions: [{ key: 'skip', operator: 'DoesNotExist' }] },
    }),
    hook('/never', pods, { timeoutSeconds: 1, objectSelector: { matchLabels: { hang: 'yes' } } }),
  ])
  const pod = (name: string, container: string, labels: object = {}) => ({
    metadata: { name, labels },
    spec: { containers: [{ name: container, image: 'pause' }] },
  })
  const unwanted = await f.ask('POST', `${IN_NAMESPACE}/pods`, pod('disallowed-pod', 'webhook-disallow'))
  assert.deepEqual(
    [unwanted.code, unwanted.body['message']],
    [400, 'admission webhook "pods.k8s.io" denied the request: the pod contains unwanted container name'],
  )
  const hanging = await f.ask('POST', `${IN_NAMESPACE}/pods`, pod('hanging-pod', 'c', { hang: 'yes' }))
  assert.match(
    hanging.body['message'],
    /failed calling webhook "never.k8s.io": failed to call webhook: Post ".*timeout=1s": context deadline exceeded/,
  )
  assert.equal((await f.ask('GET', `${IN_NAMESPACE}/pods/hanging-pod`)).code, 404)
  assert.match((await created(UNWANTED)).body['message'], /the configmap contains unwanted key and value/)
  await f.ok('POST', `${IN_NAMESPACE}/configmaps`, configMap('allowed'))
  const refusals = [
    await f.ask('PUT', `${IN_NAMESPACE}/configmaps/allowed`, configMap('allowed', UNWANTED)),
    await f.ask('PATCH merge-patch+json', `${IN_NAMESPACE}/configmaps/allowed`, { data: UNWANTED }),
  ]
  for (const { body } of refusals) assert.match(body['message'], /the configmap contains unwanted key and value/)
  await f.ok('POST', '/api/v1/namespaces', { metadata: { name: 'exempted', labels: { skip: 'yes' } } })
  await f.ok('POST', '/api/v1/namespaces/exempted/configmaps', configMap('unchecked', UNWANTED))
})

conformance('should deny crd creation', async () => {
  const rule = { operations: ['CREATE'], apiGroups: ['apiextensions.k8s.io'], apiVersions: ['*'], resources: ['customresourcedefinitions'] }
  await using _configured = await configured('validating', 'definitions', [
    hook('/crd', rule, { objectSelector: { matchLabels: UNWANTED } }),
  ])
  const labelled = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'unwanteds.stable.example.com', labels: UNWANTED },
  }
  const schema = { openAPIV3Schema: { type: 'object' } }
  const spec = {
    group: 'stable.example.com',
    scope: 'Cluster',
    names: { plural: 'unwanteds', kind: 'Unwanted' },
    versions: [{ name: 'v1', served: true, storage: true, schema }],
  }
  const { code, body } = await f.ask('POST', DEFINITIONS, { ...labelled, spec })
  assert.equal(code, 400)
  assert.match(body['message'], /the crd contains unwanted label/)
})

conformance('should honor timeout', async () => {
  const slow = (more: object) => [hook('/never', configMaps('CREATE'), more)]
  {
    await using _configured = await configured('validating', 'slow', slow({ timeoutSeconds: 1, failurePolicy: 'Fail' }))
    assert.match((await created()).body['message'], /context deadline exceeded/)
  }
  {
    await using _configured = await configured('validating', 'slow', slow({ timeoutSeconds: 1, failurePolicy: 'Ignore' }))
    assert.equal((await created()).code, 201)
  }
  // Ten seconds where nothing is said, and no longer than it takes.
  await using _configured = await configured('validating', 'slow', [hook('/always-allow', configMaps('CREATE'))])
  assert.equal((await f.ok('GET', pathOf('validating', 'slow')))['webhooks'][0].timeoutSeconds, 10)
  assert.equal((await created()).code, 201)
  assert.match(f.stranger.calls.at(-1)!.path, /\?timeout=10s$/)
})

conformance('should include webhook resources in discovery documents', async () => {
  const { groups } = await f.ok('GET', '/apis')
  const group = groups.find(({ name }: Json) => name === 'admissionregistration.k8s.io')
  assert.ok(group.versions.some(({ groupVersion }: Json) => groupVersion === 'admissionregistration.k8s.io/v1'))
  assert.deepEqual((await f.ok('GET', '/apis/admissionregistration.k8s.io'))['versions'], group.versions)
  const { resources } = await f.ok('GET', CONFIGURATIONS)
  for (const name of ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'])
    assert.ok(resources.some((one: Json) => one['name'] === name && one['namespaced'] === false))
})

conformance('should mutate configmap', async () => {
  const first = hook('/mutating-configmaps', configMaps('CREATE'), { name: 'stage-1.k8s.io' })
  await using _configured = await configured('mutating', 'stages', [first, { ...first, name: 'stage-2.k8s.io' }])
  assert.deepEqual((await created()).body['data'], { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' })
})

conformance("should mutate everything except 'skip-me' configmaps", async () => {
  const matchConditions = [{ name: 'skip-me', expression: "object.metadata.name != 'skip-me'" }]
  await using _configured = await configured('mutating', 'skipping', [
    hook('/mutating-configmaps', configMaps('CREATE'), { matchConditions }),
  ])
  assert.equal((await created()).body['data']['mutation-stage-1'], 'yes')
  const skipped = await f.ok('POST', `${IN_NAMESPACE}/configmaps`, configMap('skip-me', { 'mutation-start': 'yes' }))
  assert.deepEqual(skipped['data'], { 'mutation-start': 'yes' })
})

conformance('should mutate pod and apply defaults after mutation', async () => {
  const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }
  await using _configured = await configured('mutating', 'pods', [hook('/mutating-pods', rule)])
  const { spec } = await f.ok('POST', `${IN_NAMESPACE}/pods`, {
    metadata: { name: 'defaulted' },
    spec: { containers: [{ name: 'c', image: 'pause' }] },
  })
  const [{ name, terminationMessagePolicy }] = spec.initContainers
  assert.deepEqual([spec.initContainers.length, name, terminationMessagePolicy], [1, 'webhook-added-init-container', 'File'])
})

for (const pruned of [false, true])
  conformance(`should mutate custom resource${pruned ? ' with pruning' : ''}`, async () => {
    const field = { type: 'string' }
    const properties = { data: { type: 'object', properties: { 'mutation-start': field, 'mutation-stage-1': field } } }
    const plural = pruned ? 'pruneds' : 'mutables'
    const { path, object, group, remove } = await define(f, {
      plural,
      ...(pruned ? { versions: [{ name: 'v1', storage: true, schema: { type: 'object', properties } }] } : {}),
    })
    const first = hook(
      '/mutating-custom-resource',
      { operations: ['CREATE'], apiGroups: [group], apiVersions: ['*'], resources: [plural] },
      { name: 'cr-1.k8s.io' },
    )
    await using _configured = await configured('mutating', 'customs', [first, { ...first, name: 'cr-2.k8s.io' }])
    const { data } = await f.ok('POST', path(), object('x', { data: { 'mutation-start': 'yes' } }))
    assert.deepEqual(data, { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', ...(pruned ? {} : { 'mutation-stage-2': 'yes' }) })
    await remove()
  })

conformance('should mutate custom resource with different stored version', async () => {
  const versions = (stored: string) => ['v1', 'v2'].map((name) => ({ name, storage: name === stored }))
  const { path, object, group, definition, remove } = await define(f, { plural: 'restoreds', versions: versions('v1') })
  const rule = { operations: ['CREATE', 'UPDATE'], apiGroups: [group], apiVersions: ['*'], resources: ['restoreds'] }
  await using _configured = await configured('mutating', 'restoring', [hook('/mutating-custom-resource', rule)])
  await f.ok('POST', path(), object('x', { data: { first: 'yes' } }))
  const at = `${DEFINITIONS}/${definition.metadata.name}`
  const change = definition.spec.versions.map((version) => ({ ...version, storage: version.name === 'v2' }))
  const { status } = await f.ok('PATCH merge-patch+json', at, { spec: { versions: change } })
  assert.deepEqual(status.storedVersions, ['v1', 'v2'])
  const patched = await f.ok('PATCH merge-patch+json', path('v1', 'x'), { data: { 'mutation-start': 'yes' } })
  assert.deepEqual(patched['data'], { first: 'yes', 'mutation-start': 'yes', 'mutation-stage-1': 'yes' })
  assert.deepEqual((await f.ok('GET', path('v2', 'x')))['data'], patched['data'])
  await remove()
})

conformance('should not be able to mutate or prevent deletion of webhook configuration objects', async () => {
  const rule = {
    operations: ['*'],
    apiGroups: ['admissionregistration.k8s.io'],
    apiVersions: ['*'],
    resources: ['validatingwebhookconfigurations', 'mutatingwebhookconfigurations'],
  }
  await using _denying = await configured('validating', 'denies-configurations', [hook('/deny', rule, { namespaceSelector: {} })])
  await using _mutating = await configured('mutating', 'mutates-configurations', [
    hook('/mutate-configuration', rule, { namespaceSelector: {} }),
  ])
  for (const type of ['validating', 'mutating'] as const) {
    const made = await f.ok('POST', pathOf(type), configuration(type, 'dummy', [hook('/always-allow', configMaps('CREATE'))]))
    assert.equal(made['metadata'].labels, undefined)
    await f.ok('DELETE', pathOf(type, 'dummy'))
  }
})

conformance('should unconditionally reject operations on fail closed webhook', async () => {
  await f.ok('POST', '/api/v1/namespaces', { metadata: { name: 'closed', labels: { closed: 'yes' } } })
  const unreachable = hook('/configmaps', configMaps('CREATE'), {
    name: 'fail-closed.k8s.io',
    failurePolicy: 'Fail',
    namespaceSelector: { matchLabels: { closed: 'yes' } },
  })
  // Nobody's authority: every call fails.
  const { caBundle: _authority, ...clientConfig } = unreachable.clientConfig
  await using _configured = await configured('validating', 'closed', [{ ...unreachable, clientConfig }])
  const { code, body } = await f.ask('POST', '/api/v1/namespaces/closed/configmaps', configMap('foo'))
  assert.deepEqual([code, body['reason']], [500, 'InternalError'])
  assert.match(body['message'], /failed calling webhook "fail-closed.k8s.io": .*x509: certificate signed by unknown authority/)
})
