import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customDefinition } from '#api/custom/testing.ts'
import { configMap, deployment, IN_DEFAULT } from '#server/engine/requests.ts'
import type { Authorizer } from '#server/request.ts'
import { type PolicyServer, rules, startPolicies } from './testing.ts'

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const MAPS = `${IN_DEFAULT}/configmaps`

/** A policy and its binding, both named `p` unless said. */
async function enforce(server: PolicyServer, policy: object, { binding = {}, name = 'p' }: { binding?: object; name?: string } = {}) {
  const spec = { matchConstraints: rules('configmaps'), ...policy }
  await server.make('ValidatingAdmissionPolicy', name, spec)
  await server.make('ValidatingAdmissionPolicyBinding', `${name}-b`, { policyName: name, validationActions: ['Deny'], ...binding })
}

const create = (server: PolicyServer, data: Record<string, string> = {}, metadata: object = {}) =>
  server.send('POST', MAPS, configMap('x', data, metadata))

test('ValidatingAdmissionPolicy refuses in the words clients know', async () => {
  await using server = await startPolicies()
  const validations = [
    { expression: 'object.spec.replicas > 1', messageExpression: "'wants more than 1, has ' + string(object.spec.replicas)" },
  ]
  await enforce(server, { matchConstraints: rules('apps/deployments'), validations })
  const { status, json } = await server.send('POST', DEPLOYMENTS, deployment('web', { replicas: 1 }))
  assert.equal(status, 422)
  const message = "ValidatingAdmissionPolicy 'p' with binding 'p-b' denied request: wants more than 1, has 1"
  assert.equal(json.message, `deployments.apps "web" is forbidden: ${message}`)
  assert.equal(json.reason, 'Invalid')
  assert.deepEqual(json.details, { name: 'web', group: 'apps', kind: 'deployments', causes: [{ message }] })
  const { status: allowed } = await server.send('POST', DEPLOYMENTS, deployment('web', { replicas: 2 }))
  assert.equal(allowed, 201)
})

const messages: { title: string; policy: object; message: string; code?: number; reason?: string }[] = [
  { title: 'the expression itself', policy: { validations: [{ expression: ' false ' }] }, message: 'failed expression: false' },
  { title: 'a message', policy: { validations: [{ expression: 'false', message: ' no ' }] }, message: 'no' },
  {
    title: 'the message where its expression fails',
    policy: { validations: [{ expression: 'false', message: 'no', messageExpression: 'string(object.data.missing)' }] },
    message: 'no',
  },
  {
    title: 'the message where its expression breaks lines',
    policy: { validations: [{ expression: 'false', message: 'no', messageExpression: "'a\\nb'" }] },
    message: 'no',
  },
  {
    title: 'a reason',
    policy: { validations: [{ expression: 'false', reason: 'Forbidden' }] },
    message: 'failed expression: false',
    code: 403,
    reason: 'Forbidden',
  },
  {
    title: 'an error',
    policy: { validations: [{ expression: "object.data.missing == 'x'" }] },
    message: "expression 'object.data.missing == 'x'' resulted in error: no such key: missing",
  },
  {
    title: 'an error of a variable',
    policy: { variables: [{ name: 'v', expression: 'object.data.missing' }], validations: [{ expression: "variables.v == 'x'" }] },
    message: `expression 'variables.v == 'x'' resulted in error: composited variable "v" fails to evaluate: no such key: missing`,
  },
  {
    title: 'an error of a condition',
    policy: { matchConditions: [{ name: 'c', expression: "object.data.missing == 'x'" }], validations: [{ expression: 'true' }] },
    message: "expression 'object.data.missing == 'x'' resulted in error: no such key: missing",
  },
]

for (const { title, policy, message, code = 422, reason = 'Invalid' } of messages)
  test(`ValidatingAdmissionPolicy shows ${title}`, async () => {
    await using server = await startPolicies()
    await enforce(server, policy)
    const { status, json } = await create(server, { a: 'b' })
    assert.equal(json.message, `configmaps "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p-b' denied request: ${message}`)
    assert.deepEqual([status, json.reason], [code, reason])
  })

const expressions: { expression: string; holds: boolean }[] = [
  { expression: 'oldObject == null', holds: true },
  { expression: "request.operation == 'CREATE' && request.resource.resource == 'configmaps' && request.name == 'x'", holds: true },
  { expression: "request.kind.kind == 'ConfigMap' && request.requestKind.version == 'v1' && request.namespace == 'default'", holds: true },
  {
    expression: "namespaceObject.metadata.name == 'default' && namespaceObject.metadata.labels['kubernetes.io/metadata.name'] == 'default'",
    holds: true,
  },
  { expression: "request.userInfo.username == 'system:anonymous'", holds: true },
  { expression: "request.options.kind == 'CreateOptions' && !request.dryRun", holds: true },
  { expression: 'has(object.data) && object.data.a.startsWith("b")', holds: true },
  { expression: "authorizer.group('').resource('pods').namespace('default').check('create').allowed()", holds: true },
  { expression: "authorizer.requestResource.check('delete').allowed()", holds: false },
  { expression: 'size(object.data) > 1', holds: false },
]

for (const { expression, holds } of expressions)
  test(`ValidatingAdmissionPolicy evaluates ${expression}`, async () => {
    const authorizer: Authorizer = {
      authorize: async ({ verb, resource, name }) => ({ allowed: verb === 'create' && resource === 'pods' && !name, reason: '' }),
    }
    await using server = await startPolicies({ authorizer })
    await server.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
    await enforce(server, { validations: [{ expression }] })
    const { json, status } = await create(server, { a: 'b' })
    assert.equal(status, holds ? 201 : 422, json.message)
  })

test('ValidatingAdmissionPolicy sees updates and deletions', async () => {
  await using server = await startPolicies()
  const matchConstraints = rules('configmaps', { operations: ['*'] })
  const validations = [
    { expression: "request.operation != 'UPDATE' || object.data.a == oldObject.data.a", message: 'fixed' },
    { expression: "request.operation != 'DELETE' || (object == null && oldObject.data.a != 'keep')", message: 'kept' },
  ]
  await enforce(server, { matchConstraints, validations })
  assert.equal((await create(server, { a: 'keep' })).status, 201)
  assert.equal((await server.send('PATCH merge', `${MAPS}/x`, { data: { b: '1' } })).status, 200)
  assert.match((await server.send('PATCH merge', `${MAPS}/x`, { data: { a: 'other' } })).json.message, /denied request: fixed$/)
  assert.match((await server.send('DELETE', `${MAPS}/x`)).json.message, /denied request: kept$/)
})

test('ValidatingAdmissionPolicy without a binding does nothing, and stops when it is gone', async () => {
  await using server = await startPolicies()
  await server.make('ValidatingAdmissionPolicy', 'p', { matchConstraints: rules('configmaps'), validations: [{ expression: 'false' }] })
  const dry = () => server.send('POST', `${MAPS}?dryRun=All`, configMap('x'))
  assert.equal((await dry()).status, 201)
  await server.make('ValidatingAdmissionPolicyBinding', 'b', { policyName: 'p', validationActions: ['Deny'] })
  assert.equal((await dry()).status, 422)
  await server.send('DELETE', '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p')
  assert.equal((await dry()).status, 201)
})

test('ValidatingAdmissionPolicy with failurePolicy Ignore lets errors pass, but no refusal', async () => {
  await using server = await startPolicies()
  await enforce(server, {
    failurePolicy: 'Ignore',
    validations: [{ expression: 'object.data.missing == "x"' }, { expression: 'object.data.a == "b"', message: 'no' }],
  })
  assert.match((await create(server, { a: 'c' })).json.message, /denied request: no$/)
  assert.equal((await create(server, { a: 'b' })).status, 201)
})

test('ValidatingAdmissionPolicy asks what its conditions and bindings leave', async () => {
  await using server = await startPolicies()
  await enforce(
    server,
    { matchConditions: [{ name: 'c', expression: "!('skip' in object.data)" }], validations: [{ expression: 'false' }] },
    { binding: { matchResources: { objectSelector: { matchLabels: { strict: 'yes' } } } } },
  )
  assert.equal((await server.send('POST', MAPS, configMap('one', { a: 'b' }))).status, 201)
  assert.equal((await server.send('POST', MAPS, configMap('two', { a: 'b' }, { labels: { strict: 'yes' } }))).status, 422)
  assert.equal((await server.send('POST', MAPS, configMap('two', { skip: 'b' }, { labels: { strict: 'yes' } }))).status, 201)
})

test('ValidatingAdmissionPolicy warns and annotates instead of refusing', async () => {
  await using server = await startPolicies()
  const auditAnnotations = [
    { key: 'seen', valueExpression: "'size ' + string(size(object.data))" },
    { key: 'none', valueExpression: 'null' },
  ]
  await enforce(
    server,
    { validations: [{ expression: 'true' }, { expression: 'false', message: 'no' }], auditAnnotations },
    { binding: { validationActions: ['Warn', 'Audit'] } },
  )
  const { status, headers } = await create(server, { a: 'b' })
  assert.equal(status, 201)
  assert.match(String(headers['warning']), /^299 - "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p-b': no"$/)
  assert.equal(server.annotations.get('p/seen'), 'size 1')
  assert.equal(server.annotations.has('p/none'), false)
  const failure = { message: 'no', policy: 'p', binding: 'p-b', expressionIndex: 1, validationActions: ['Warn', 'Audit'] }
  assert.equal(server.annotations.get('validation.policy.admission.k8s.io/validation_failure'), JSON.stringify([failure]))
  const counted = [...server.metrics.families()].find(({ name }) => name === 'apiserver_validating_admission_policy_check_total')!
  assert.deepEqual(
    [...counted.samples].map(({ labels, value }) => [labels['enforcement_action'], labels['policy'], value]),
    [
      ['warn', 'p', 1],
      ['audit', 'p', 1],
    ],
  )
})

test('ValidatingAdmissionPolicy takes parameters by name, by selector, from the namespace of the request, or refuses without', async () => {
  await using server = await startPolicies()
  const policy = {
    paramKind: { apiVersion: 'v1', kind: 'Secret' },
    validations: [{ expression: 'params == null || object.data.a == params.metadata.name' }],
  }
  const secret = (name: string, labels = {}) =>
    server.send('POST', `${IN_DEFAULT}/secrets`, { apiVersion: 'v1', kind: 'Secret', metadata: { name, labels } })
  const dry = async (a: string) => {
    const { status, json } = await server.send('POST', `${MAPS}?dryRun=All`, configMap('x', { a }))
    return status === 201 ? 'ok' : json.message.split('denied request: ')[1]
  }
  const bind = async (paramRef: object | undefined) => {
    await server.send('DELETE', '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/b')
    await server.make('ValidatingAdmissionPolicyBinding', 'b', {
      policyName: 'p',
      validationActions: ['Deny'],
      ...(paramRef ? { paramRef } : {}),
    })
  }
  await server.make('ValidatingAdmissionPolicy', 'p', { matchConstraints: rules('configmaps'), ...policy })
  await bind(undefined)
  assert.equal(await dry('any'), 'ok')
  await bind({ name: 'one', parameterNotFoundAction: 'Allow' })
  assert.equal(await dry('any'), 'ok')
  await bind({ name: 'one', parameterNotFoundAction: 'Deny' })
  assert.equal(await dry('any'), 'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction')
  await secret('one', { team: 'a' })
  assert.equal(await dry('one'), 'ok')
  assert.match(await dry('two'), /^failed expression: params/)
  await bind({ name: 'one', namespace: 'elsewhere', parameterNotFoundAction: 'Deny' })
  assert.match(await dry('one'), /no params found/)
  await bind({ selector: { matchLabels: { team: 'a' } }, parameterNotFoundAction: 'Deny' })
  assert.equal(await dry('one'), 'ok')
  await secret('two', { team: 'a' })
  assert.match(await dry('one'), /^failed expression/, 'all parameters must be satisfied')
})

test('ValidatingAdmissionPolicy whose parameters nobody serves refuses or lets pass as its failurePolicy says', async () => {
  await using server = await startPolicies()
  const policy = { paramKind: { apiVersion: 'stable.example.com/v1', kind: 'Limit' }, validations: [{ expression: 'true' }] }
  await enforce(server, policy, { binding: { paramRef: { name: 'x', parameterNotFoundAction: 'Allow' } } })
  const { json } = await create(server)
  assert.match(
    json.message,
    /ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'stable.example.com\/v1, Kind=Limit'$/,
  )
})

test('ValidatingAdmissionPolicy stops what costs too much, and says whose it is', async () => {
  await using server = await startPolicies()
  const list = `[${Array.from({ length: 100 }, (_, index) => index).join()}]`
  await enforce(server, {
    validations: [{ expression: `${list}.all(a, ${list}.all(b, ${list}.all(c, ${list}.all(d, a + b + c + d >= 0))))` }],
  })
  const { status, json } = await create(server)
  assert.equal(status, 422)
  assert.match(
    json.message,
    /'p' with binding 'p-b' denied request: expression '.*' resulted in error: operation cancelled: actual cost limit exceeded$/,
  )
})

test('ValidatingAdmissionPolicy stops when all of it together costs too much', async () => {
  await using server = await startPolicies()
  const list = `[${Array.from({ length: 60 }, (_, index) => index).join()}]`
  const expression = `${list}.all(a, ${list}.all(b, ${list}.all(c, a + b + c >= 0)))`
  await enforce(server, { validations: Array.from({ length: 30 }, () => ({ expression })) })
  const { json } = await create(server)
  assert.match(
    json.message,
    /denied request: validation failed due to running out of cost budget, no further validation rules will be run$/,
  )
})

test('policies and bindings are never asked about themselves', async () => {
  await using server = await startPolicies()
  const everything = { resourceRules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }] }
  await enforce(server, { matchConstraints: everything, validations: [{ expression: 'false' }] })
  assert.equal((await create(server)).status, 422)
  await server.make('ValidatingAdmissionPolicy', 'other', { matchConstraints: everything, validations: [{ expression: 'true' }] })
})

const broken: { policy: object; message: RegExp }[] = [
  {
    policy: { validations: [{ expression: 'object.x +' }] },
    message: /spec\.validations\[0\]\.expression: Invalid value: "object\.x \+": compilation failed: ERROR: <input>:1:11/,
  },
  {
    policy: { validations: [{ expression: 'object.x' }] },
    message: /spec\.validations\[0\]\.expression: Invalid value: "object\.x": must evaluate to bool but got dyn$/,
  },
  {
    policy: { validations: [{ expression: 'true', messageExpression: '1' }] },
    message: /spec\.validations\[0\]\.messageExpression: Invalid value: "1": must evaluate to string but got int$/,
  },
  {
    policy: { validations: [{ expression: 'params.x == 1' }] },
    message: /spec\.validations\[0\]\.expression: Invalid value: .*undeclared reference to 'params'/,
  },
  {
    policy: { auditAnnotations: [{ key: 'k', valueExpression: '1' }] },
    message: /spec\.auditAnnotations\[0\]\.valueExpression: Invalid value: "1": must evaluate to one of \[string null_type\] but got int$/,
  },
  {
    policy: {
      variables: [
        { name: 'a', expression: 'variables.b' },
        { name: 'b', expression: '1' },
      ],
      validations: [{ expression: 'true' }],
    },
    message: /spec\.variables\[0\]\.expression: Invalid value: "variables\.b": compilation failed: .*undefined field 'b'/,
  },
  {
    policy: {
      matchConditions: [{ name: 'c', expression: 'variables.a' }],
      variables: [{ name: 'a', expression: 'true' }],
      validations: [{ expression: 'true' }],
    },
    message: /spec\.matchConditions\[0\]\.expression: Invalid value: .*undeclared reference to 'variables'/,
  },
]

for (const { policy, message } of broken)
  test(`ValidatingAdmissionPolicy is refused: ${message.source.slice(0, 60)}`, async () => {
    await using server = await startPolicies()
    await assert.rejects(
      server.make('ValidatingAdmissionPolicy', 'p', { matchConstraints: rules('configmaps'), ...policy }),
      ({ status, message: text }) => {
        assert.equal(status.code, 422)
        assert.match(text.replaceAll('\n', ' '), message)
        return true
      },
    )
  })

const LIMITS = '/apis/shop.example.com/v1/namespaces/default/limits'

async function defineLimits(server: PolicyServer): Promise<void> {
  const schema = { type: 'object', properties: { spec: { type: 'object', properties: { max: { type: 'integer' } } } } }
  const definition = customDefinition('Limit', { group: 'shop.example.com', versions: ['v1', 'v2'], stored: 'v2', schema })
  assert.equal((await server.send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition)).status, 201)
  while ((await server.send('GET', LIMITS)).status !== 200) await new Promise((resolve) => setImmediate(resolve))
}

const limit = (name: string, max: number) => ({ apiVersion: 'shop.example.com/v1', kind: 'Limit', metadata: { name }, spec: { max } })

test('ValidatingAdmissionPolicy concerns custom resources in every version, and takes them as parameters', async () => {
  await using server = await startPolicies()
  await enforce(
    server,
    {
      matchConstraints: {
        resourceRules: [{ operations: ['*'], apiGroups: ['shop.example.com'], apiVersions: ['v2'], resources: ['limits'] }],
      },
      validations: [
        { expression: "object.apiVersion == 'shop.example.com/v2' && request.kind.version == 'v2' && request.requestKind.version == 'v1'" },
        { expression: 'object.spec.max < 10', message: 'too much' },
      ],
    },
    { name: 'versions' },
  )
  const paramKind = { apiVersion: 'shop.example.com/v1', kind: 'Limit' }
  const validations = [{ expression: 'size(object.data) <= params.spec.max', messageExpression: "'at most ' + string(params.spec.max)" }]
  await enforce(server, { paramKind, validations }, { binding: { paramRef: { name: 'one', parameterNotFoundAction: 'Deny' } } })
  assert.match((await create(server)).json.message, /failed to configure policy/)
  await defineLimits(server)
  assert.match((await create(server)).json.message, /no params found/)
  assert.match((await server.send('POST', LIMITS, limit('one', 10))).json.message, /denied request: too much$/)
  assert.equal((await server.send('POST', LIMITS, limit('one', 1))).status, 201)
  assert.match((await create(server, { a: '1', b: '2' })).json.message, /denied request: at most 1$/)
  assert.equal((await create(server, { a: '1' })).status, 201)
})
