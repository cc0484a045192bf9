import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configMap, deployment, IN_DEFAULT, pod } from '#server/engine/requests.ts'
import type { AdmissionPlugin } from '#server/request.ts'
import { type PolicyServer, rules, startPolicies } from './testing.ts'

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const MAPS = `${IN_DEFAULT}/configmaps`

const apply = (expression: string) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } })
const patch = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } })

async function enforce(server: PolicyServer, policy: object, { binding = {}, name = 'p' }: { binding?: object; name?: string } = {}) {
  const spec = { matchConstraints: rules('configmaps'), reinvocationPolicy: 'Never', ...policy }
  await server.make('MutatingAdmissionPolicy', name, spec)
  await server.make('MutatingAdmissionPolicyBinding', `${name}-b`, { policyName: name, ...binding })
}

test('MutatingAdmissionPolicy applies a configuration: what it does not name stays', async () => {
  await using server = await startPolicies()
  await enforce(server, {
    matchConstraints: rules('apps/deployments'),
    mutations: [
      apply('Object{spec: Object.spec{replicas: object.spec.replicas + 2}}'),
      apply(
        "Object{metadata: Object.metadata{labels: {'env': 'test'}}, spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: 'side', image: 'side:1'}]}}}}",
      ),
    ],
  })
  const { status, json } = await server.send('POST', DEPLOYMENTS, deployment('web', { replicas: 1 }))
  assert.equal(status, 201, json.message)
  assert.equal(json.spec.replicas, 3)
  assert.deepEqual(json.metadata.labels, { env: 'test' })
  const { containers } = json.spec.template.spec
  assert.deepEqual(
    containers.map((one: any) => [one.name, one.image, one.imagePullPolicy]),
    [
      ['c', 'busybox:1', 'IfNotPresent'],
      ['side', 'side:1', 'IfNotPresent'],
    ],
  )
  assert.ok(json.metadata.managedFields.every(({ manager }: any) => manager !== 'p'))
})

test('MutatingAdmissionPolicy patches, with escaped keys and values of every type', async () => {
  await using server = await startPolicies()
  const expression = `[
    JSONPatch{op: "test", path: "/metadata/name", value: "x"},
    JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("example.com/b"), value: string(size(object.data))},
    JSONPatch{op: "add", path: "/metadata/labels", value: {"env": "test"}},
    JSONPatch{op: "remove", path: "/data/a"},
  ]`
  await enforce(server, { mutations: [patch(expression)] })
  const { json } = await server.send('POST', MAPS, configMap('x', { a: 'b', c: 'd' }, { annotations: { own: 'x' } }))
  assert.deepEqual(json.data, { c: 'd' })
  assert.deepEqual(json.metadata.annotations, { own: 'x', 'example.com/b': '2' })
  assert.deepEqual(json.metadata.labels, { env: 'test' })
  const { json: other } = await server.send('POST', MAPS, configMap('y', { a: 'b' }))
  assert.deepEqual(other.data, { a: 'b' }, 'a test that fails leaves the object alone')
})

test('MutatingAdmissionPolicy patches with typed values', async () => {
  await using server = await startPolicies()
  const expression =
    '[JSONPatch{op: "add", path: "/spec/containers/-", value: Object.spec.containers{name: "side", image: "side:1", ports: [Object.spec.containers.ports{containerPort: 80}]}}]'
  await enforce(server, { matchConstraints: rules('pods'), mutations: [patch(expression)] })
  const { json } = await server.send('POST', `${IN_DEFAULT}/pods`, pod('x'))
  assert.deepEqual(json.spec.containers[1].ports, [{ containerPort: 80, protocol: 'TCP' }])
})

test('MutatingAdmissionPolicy uses variables, conditions and parameters', async () => {
  await using server = await startPolicies()
  await server.send('POST', `${IN_DEFAULT}/secrets`, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'one', labels: { team: 'a' } } })
  await enforce(
    server,
    {
      paramKind: { apiVersion: 'v1', kind: 'Secret' },
      matchConditions: [{ name: 'c', expression: "!('skip' in object.data)" }],
      variables: [{ name: 'team', expression: 'params.metadata.labels.team' }],
      mutations: [apply("Object{metadata: Object.metadata{annotations: {'team': variables.team}}}")],
    },
    { binding: { paramRef: { name: 'one', parameterNotFoundAction: 'Deny' } } },
  )
  const dry = async (data: Record<string, string>) => (await server.send('POST', `${MAPS}?dryRun=All`, configMap('x', data))).json
  assert.deepEqual((await dry({ a: 'b' })).metadata.annotations, { team: 'a' })
  assert.equal((await dry({ skip: 'b' })).metadata.annotations, undefined)
  await server.send('DELETE', `${IN_DEFAULT}/secrets/one`)
  const refused = await dry({ a: 'b' })
  assert.equal(
    refused.message,
    "policy 'p' with binding 'p-b' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
  )
  assert.deepEqual([refused.code, refused.reason], [403, 'Forbidden'])
})

const failures: { title: string; mutation: object; message: string }[] = [
  {
    title: 'an atomic structure',
    mutation: apply("Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'l': 'v'}}}}"),
    message: 'error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector',
  },
  {
    title: 'a type called otherwise',
    mutation: apply('Object{spec: Object.specx{replicas: 1}}'),
    message:
      'type mismatch: unexpected type name "Object.specx", expected "Object.spec", which matches field name path from root Object type',
  },
  {
    title: 'a field nobody knows',
    mutation: apply('Object{spec: Object.spec{replicasx: 1}}'),
    message: 'error applying patch: failed to convert patch object to typed object: .spec.replicasx: field not declared in schema',
  },
  {
    title: 'an expression that fails',
    mutation: apply('Object{spec: Object.spec{replicas: object.spec.missing}}'),
    message: "expression 'Object{spec: Object.spec{replicas: object.spec.missing}}' resulted in error: no such key: missing",
  },
  {
    title: 'a patched field nobody knows',
    mutation: patch('[JSONPatch{op: "add", path: "/spec/whatever", value: 1}]'),
    message: 'strict decoding error: unknown field "spec.whatever"',
  },
]

for (const { title, mutation, message } of failures)
  test(`MutatingAdmissionPolicy refuses ${title}, or lets it pass`, async () => {
    await using server = await startPolicies()
    await enforce(server, { matchConstraints: rules('apps/deployments'), mutations: [mutation] })
    const { json } = await server.send('POST', DEPLOYMENTS, deployment('web'))
    const text = `policy 'p' with binding 'p-b' denied request: ${message}`
    assert.deepEqual([json.message, json.code, json.reason], [text, 403, 'Invalid'])
    assert.deepEqual(json.details, { name: 'web', group: 'apps', kind: 'deployments', causes: [{ message: text }] })
    const at = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies/p'
    assert.equal((await server.send('PATCH merge', at, { spec: { failurePolicy: 'Ignore' } })).status, 200)
    assert.equal((await server.send('POST', DEPLOYMENTS, deployment('web'))).status, 201)
  })

test('MutatingAdmissionPolicy patches with lists and maps of objects, by whatever name', async () => {
  await using server = await startPolicies()
  const expression = `[
    JSONPatch{op: "add", path: "/spec/volumes", value: [Object.spec.volumes{name: "v", emptyDir: Object.spec.volumes.emptyDir{}}]},
    JSONPatch{op: "add", path: "/spec/securityContext", value: {"seccompProfile": Object.anything{type: "RuntimeDefault"}}},
  ]`
  await enforce(server, { matchConstraints: rules('pods'), mutations: [patch(expression)] })
  const { json } = await server.send('POST', `${IN_DEFAULT}/pods`, pod('p'))
  assert.deepEqual(
    [json.spec.volumes, json.spec.securityContext],
    [[{ name: 'v', emptyDir: {} }], { seccompProfile: { type: 'RuntimeDefault' } }],
    json.message,
  )
})

test('MutatingAdmissionPolicy stops what costs too much', async () => {
  await using server = await startPolicies()
  const list = `[${Array.from({ length: 100 }, (_, index) => index).join()}]`
  const expression = `Object{data: {"n": string(${list}.map(a, ${list}.map(b, ${list}.map(c, a + b + c))).size())}}`
  await enforce(server, { mutations: [apply(expression)] })
  assert.match(
    (await server.send('POST', MAPS, configMap('x'))).json.message,
    /^policy 'p' with binding 'p-b' denied request: .* actual cost limit exceeded$/,
  )
})

test('MutatingAdmissionPolicy stops what is small to say and endless to hold', async () => {
  await using server = await startPolicies()
  const doubled = Array.from({ length: 40 }, (_, n) => ({
    name: `v${n}`,
    expression: n === 0 ? "['x']" : `variables.v${n - 1} + variables.v${n - 1}`,
  }))
  for (const mutation of [
    apply('Object{data: {"n": variables.v39}}'),
    patch('variables.v39.map(x, JSONPatch{op: "remove", path: "/data"})'),
    patch('[JSONPatch{op: "add", path: "/data/x", value: variables.v39}]'),
  ]) {
    await enforce(server, { variables: doubled, mutations: [mutation] })
    const { json } = await server.send('POST', MAPS, configMap('x'))
    assert.match(json.message, /denied request: .*(too large|cost limit exceeded)$/)
    for (const at of ['mutatingadmissionpolicies/p', 'mutatingadmissionpolicybindings/p-b'])
      await server.send('DELETE', `/apis/admissionregistration.k8s.io/v1/${at}`)
  }
})

test('MutatingAdmissionPolicy is asked again after a later change, where it wants to', async () => {
  const late: AdmissionPlugin = {
    name: 'late',
    admit({ object, reinvocation }) {
      const own = reinvocation!.of('late')
      own.begin(object)
      if (own.wants('x')) {
        object!.metadata!.labels = { late: 'yes' }
        own.done('x', { changed: true, ifNeeded: false })
      }
      own.end(object)
    },
  }
  await using server = await startPolicies({ plugins: [late] })
  const mutations = [apply("Object{data: {'seen': has(object.metadata.labels) ? string(size(object.metadata.labels)) : 'none'}}")]
  await enforce(server, { mutations, reinvocationPolicy: 'IfNeeded' })
  await enforce(server, { mutations: [apply("Object{data: {'once': has(object.metadata.labels) ? 'late' : 'early'}}")] }, { name: 'q' })
  const { json } = await server.send('POST', MAPS, configMap('x'))
  assert.deepEqual(json.data, { seen: '1', once: 'early' })
})

test('MutatingAdmissionPolicy comes before ValidatingAdmissionPolicy', async () => {
  await using server = await startPolicies()
  await enforce(server, { mutations: [apply("Object{data: {'set': 'yes'}}")] })
  const validations = [{ expression: "object.data.set == 'yes'" }]
  await server.make('ValidatingAdmissionPolicy', 'v', { matchConstraints: rules('configmaps'), validations })
  await server.make('ValidatingAdmissionPolicyBinding', 'v', { policyName: 'v', validationActions: ['Deny'] })
  assert.equal((await server.send('POST', MAPS, configMap('x'))).status, 201)
})

test('MutatingAdmissionPolicy sees and changes an object in the version its rule names', async () => {
  await using server = await startPolicies()
  const matchConstraints = {
    resourceRules: [{ operations: ['CREATE'], apiGroups: ['autoscaling'], apiVersions: ['v2'], resources: ['horizontalpodautoscalers'] }],
  }
  const expression = 'Object{spec: Object.spec{minReplicas: object.spec.metrics[0].resource.target.averageUtilization}}'
  await enforce(server, { matchConstraints, mutations: [apply(expression)] })
  const { json, status } = await server.send('POST', '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers', {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'x' },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'x' }, maxReplicas: 80, targetCPUUtilizationPercentage: 70 },
  })
  assert.equal(status, 201, json.message)
  assert.deepEqual([json.apiVersion, json.spec.minReplicas, json.spec.targetCPUUtilizationPercentage], ['autoscaling/v1', 70, 70])
})

test('policies see a Scale where somebody scales, and may change it', async () => {
  await using server = await startPolicies()
  await server.send('POST', DEPLOYMENTS, deployment('web', { replicas: 1 }))
  const matchConstraints = rules('apps/deployments/scale')
  await enforce(server, { matchConstraints, mutations: [apply('Object{spec: Object.spec{replicas: object.spec.replicas + 1}}')] })
  const validations = [
    {
      expression:
        "object.kind == 'Scale' && request.kind.group == 'autoscaling' && oldObject.spec.replicas == 1 && object.spec.replicas < 5",
    },
  ]
  await server.make('ValidatingAdmissionPolicy', 'v', { matchConstraints, validations })
  await server.make('ValidatingAdmissionPolicyBinding', 'v', { policyName: 'v', validationActions: ['Deny'] })
  const scale = (replicas: number) => server.send('PATCH merge', `${DEPLOYMENTS}/web/scale`, { spec: { replicas } })
  assert.match((await scale(4)).json.message, /'v' with binding 'v' denied request/)
  assert.equal((await scale(2)).json.spec.replicas, 3)
})

const broken: { mutation: object; message: RegExp }[] = [
  {
    mutation: apply('"teapot"'),
    message: /spec\.mutations\[0\]\.applyConfiguration\.expression: Invalid value: .*: must evaluate to Object but got string$/,
  },
  { mutation: apply('Object.spec{}'), message: /must evaluate to Object but got Object\.spec$/ },
  {
    mutation: patch('[1]'),
    message: /spec\.mutations\[0\]\.jsonPatch\.expression: Invalid value: "\[1\]": must evaluate to list\(JSONPatch\) but got list\(int\)$/,
  },
  { mutation: patch('[JSONPatch{ops: "add"}]'), message: /undefined field 'ops'/ },
  { mutation: apply('Other{}'), message: /undeclared reference to 'Other'/ },
]

for (const { mutation, message } of broken)
  test(`MutatingAdmissionPolicy is refused: ${message.source.slice(-50)}`, async () => {
    await using server = await startPolicies()
    await assert.rejects(enforce(server, { mutations: [mutation] }), (error: Error) => {
      assert.match(error.message.replaceAll('\n', ' '), message)
      return true
    })
  })
