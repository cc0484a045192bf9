// Policies over custom resources that a stranger converts: what they match and what they take as parameters come in the version they name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alwaysAllow } from '#server/access/authorizers.ts'
import { at, GROUP, startConverted } from '#server/custom/testing.ts'
import { mutatingAdmissionPolicy } from './mutating.ts'
import { PolicyMetrics } from './policy-metrics.ts'
import { rules } from './testing.ts'
import { validatingAdmissionPolicy } from './validating.ts'

async function startPolicies() {
  const cluster = await startConverted((context) => [
    mutatingAdmissionPolicy(context, alwaysAllow, new PolicyMetrics('mutating')),
    validatingAdmissionPolicy(context, alwaysAllow, new PolicyMetrics('validating')),
  ])
  const make = async (kind: string, spec: object) => {
    const path = `/apis/admissionregistration.k8s.io/v1/${kind
      .toLowerCase()
      .replace(/policy$/, 'policies')
      .replace(/binding$/, 'bindings')}`
    const object = { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name: 'p' }, spec }
    const { status, body } = await cluster.send('POST', path, object)
    assert.equal(status, 201, body['message'])
  }
  return Object.assign(cluster, { make })
}

const PARAMETERS: [string, object][] = [
  ['by name', { name: 'limit', namespace: 'default' }],
  ['by selector', { namespace: 'default', selector: { matchLabels: { use: 'limit' } } }],
]
for (const [how, paramRef] of PARAMETERS) {
  test(`ValidatingAdmissionPolicy sees parameters chosen ${how} in the version its paramKind names`, async () => {
    await using f = await startPolicies()
    await f.make('ValidatingAdmissionPolicy', {
      paramKind: { apiVersion: `${GROUP}/v2`, kind: 'Endpoint' },
      matchConstraints: rules('configmaps'),
      validations: [{ expression: 'params.apiVersion.endsWith("/v2") && object.metadata.name == params.spec.host' }],
    })
    await f.make('ValidatingAdmissionPolicyBinding', {
      policyName: 'p',
      validationActions: ['Deny'],
      paramRef: { ...paramRef, parameterNotFoundAction: 'Deny' },
    })
    const spec = { hostPort: 'allowed:1' }
    await f.send('POST', at('v1'), f.object('limit', 'v1', { metadata: { name: 'limit', labels: { use: 'limit' } }, spec }))
    const create = async (name: string) =>
      (await f.send('POST', '/api/v1/namespaces/default/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } })).body[
        'message'
      ] ?? 'made'
    assert.equal(await create('allowed'), 'made')
    assert.match(await create('other'), /failed expression: params/)
    f.stranger.answerer = () => '{}'
    await f.send('PATCH merge', at('v1', 'limit'), { spec: { hostPort: 'other:1' } })
    assert.match(await create('third'), /denied request: failed to configure binding: conversion webhook for .* failed: /)
  })
}

test('policies judge and change what is sent in another version than theirs', async () => {
  await using f = await startPolicies()
  const matchConstraints = rules(`${GROUP}/endpoints`, { apiVersions: ['v2'] })
  await f.make('MutatingAdmissionPolicy', {
    matchConstraints,
    reinvocationPolicy: 'Never',
    mutations: [
      { patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{spec: Object.spec{port: object.spec.host + "0"}}' } },
    ],
  })
  await f.make('MutatingAdmissionPolicyBinding', { policyName: 'p' })
  await f.make('ValidatingAdmissionPolicy', { matchConstraints, validations: [{ expression: 'object.spec.port == "10"' }] })
  await f.make('ValidatingAdmissionPolicyBinding', { policyName: 'p', validationActions: ['Deny'] })
  const create = (name: string, hostPort: string) => f.send('POST', at('v1'), f.object(name, 'v1', { spec: { hostPort } }))
  assert.deepEqual((await create('a', '1:5')).body['spec'], { hostPort: '1:10' })
  assert.equal((await create('b', '2:5')).status, 422)
})

/** A conversion that fails while somebody looks at what was sent, and how that reads. */
const broken = `conversion webhook for ${GROUP}/v1, Kind=Endpoint failed: `
const matchV2 = rules(`${GROUP}/endpoints`, { apiVersions: ['v2'] })

for (const failurePolicy of ['Fail', 'Ignore'])
  test(`ValidatingAdmissionPolicy that cannot see the object in its version: ${failurePolicy}`, async () => {
    await using f = await startPolicies()
    await f.make('ValidatingAdmissionPolicy', { failurePolicy, matchConstraints: matchV2, validations: [{ expression: 'true' }] })
    await f.make('ValidatingAdmissionPolicyBinding', { policyName: 'p', validationActions: ['Deny'] })
    f.stranger.answerer = () => ({ status: 503 }) as never
    const { status, body } = await f.send('POST', at('v1'), f.object('a', 'v1'))
    if (failurePolicy === 'Ignore') return assert.equal(status, 201)
    assert.deepEqual([status, body['reason']], [422, 'Invalid'])
    const said = `ValidatingAdmissionPolicy 'p' with binding 'p' denied request: failed to configure binding: failed to convert object version: ${broken}`
    assert.ok(body['message'].startsWith(`endpoints.${GROUP} "a" is forbidden: ${said}`), body['message'])
  })

test('MutatingAdmissionPolicy that cannot see the object in its version is an internal error', async () => {
  await using f = await startPolicies()
  await f.make('MutatingAdmissionPolicy', {
    matchConstraints: matchV2,
    failurePolicy: 'Ignore',
    reinvocationPolicy: 'Never',
    mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{}' } }],
  })
  await f.make('MutatingAdmissionPolicyBinding', { policyName: 'p' })
  f.stranger.answerer = () => ({ status: 503 }) as never
  const { status, body } = await f.send('POST', at('v1'), f.object('a', 'v1'))
  assert.deepEqual([status, body['reason']], [500, 'InternalError'])
  assert.ok(body['message'].startsWith(`Internal error occurred: ${broken}`), body['message'])
  assert.ok(body['details'].causes[0].message.startsWith(broken))
})

test('a webhook that cannot be shown the object in its version is an internal error, whatever its failure policy', async () => {
  await using f = await startConverted()
  const configuration = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'w' },
    webhooks: [
      {
        name: 'w.example.com',
        failurePolicy: 'Ignore',
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        clientConfig: { url: `${f.stranger.url}/admit`, caBundle: f.stranger.caBundle },
        rules: [{ apiGroups: [GROUP], apiVersions: ['v2'], operations: ['CREATE'], resources: ['*'] }],
      },
    ],
  }
  const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'
  assert.equal((await f.send('POST', path, configuration)).status, 201)
  f.stranger.answerer = () => ({ status: 503 }) as never
  const { status, body } = await f.send('POST', at('v1'), f.object('a', 'v1'))
  assert.deepEqual([status, body['reason']], [500, 'InternalError'])
  assert.ok(body['message'].startsWith(`Internal error occurred: ${broken}`), body['message'])
})
