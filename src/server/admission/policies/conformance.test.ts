// What conformance asks of policies, step by step, each test under the name of the one it follows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MutatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/mutating-admission-policy-binding.ts'
import { MutatingAdmissionPolicy } from '#api/kinds/admissionregistration/mutating-admission-policy.ts'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import { ValidatingAdmissionPolicy } from '#api/kinds/admissionregistration/validating-admission-policy.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import { deployment } from '#server/engine/requests.ts'
import { type PolicyServer, rules, startPolicies } from './testing.ts'

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const ANNA = { username: 'admin', groups: ['system:masters'] }

const validating = {
  matchConstraints: rules('apps/deployments'),
  validations: [{ expression: 'object.spec.replicas > 1', messageExpression: "'wants replicas > 1, got ' + string(object.spec.replicas)" }],
}
const bindingSpec = { policyName: 'p.example.com', validationActions: ['Deny'] }
const mutation = {
  patchType: 'ApplyConfiguration',
  applyConfiguration: { expression: "Object{metadata: Object.metadata{labels: {'mutated': 'yes'}}, spec: Object.spec{replicas: 2}}" },
}
const mutating = { matchConstraints: rules('apps/deployments'), reinvocationPolicy: 'Never', mutations: [mutation] }

const apiOperations: { title: string; kind: Kind<any>; spec: object; change: object; status?: boolean }[] = [
  {
    title: 'ValidatingAdmissionPolicy',
    kind: ValidatingAdmissionPolicy,
    spec: validating,
    change: { failurePolicy: 'Ignore' },
    status: true,
  },
  {
    title: 'ValidatingAdmissionPolicyBinding',
    kind: ValidatingAdmissionPolicyBinding,
    spec: bindingSpec,
    change: { validationActions: ['Audit'] },
  },
  { title: 'MutatingAdmissionPolicy', kind: MutatingAdmissionPolicy, spec: mutating, change: { failurePolicy: 'Ignore' } },
  { title: 'MutatingAdmissionPolicyBinding', kind: MutatingAdmissionPolicyBinding, spec: { policyName: 'p' }, change: { policyName: 'q' } },
]

for (const { title, kind, spec, change, status } of apiOperations)
  test(`should support ${title} API operations`, async () => {
    await using server = await startPolicies()
    const client = server.server.clientFor(ANNA)
    const { json: group } = await server.send('GET', '/apis/admissionregistration.k8s.io')
    assert.ok(group.versions.some(({ version }: any) => version === 'v1'))
    const { json: resources } = await server.send('GET', '/apis/admissionregistration.k8s.io/v1')
    const names = resources.resources.map(({ name }: any) => name)
    assert.ok(names.includes(kind.plural) && names.includes(`${kind.plural}/status`) === (status === true))

    const labels = { special: 'yes' }
    const make = (name: string) => client.create<any>(kind, { metadata: { name, labels }, spec })
    const created = await make('one')
    await make('two')
    await make('three')
    assert.deepEqual((await client.get<any>(kind, { name: 'one' })).metadata.uid, created.metadata.uid)
    assert.equal((await client.list(kind, { labelSelector: 'special=yes' })).items.length, 3)

    const stop = new AbortController()
    const watch = client.watch<any>(kind, {
      resourceVersion: created.metadata.resourceVersion,
      labelSelector: 'special=yes',
      signal: stop.signal,
    })
    const events = watch[Symbol.asyncIterator]()
    const next = async () => (await events.next()).value as { type: string; object: KubeObject }
    assert.deepEqual([(await next()).object.metadata!.name, (await next()).object.metadata!.name], ['two', 'three'])

    const annotations = { patched: 'true' }
    const patched = await client.patch<any>(kind, { name: 'one' }, { type: 'merge', patch: { metadata: { annotations } } })
    assert.equal(patched.metadata.annotations.patched, 'true')
    assert.equal((await next()).type, 'MODIFIED')
    const updated = await client.update<any>(kind, { ...patched, spec: { ...patched.spec, ...change } })
    assert.equal(updated.metadata.generation, patched.metadata.generation + 1)
    assert.equal((await next()).type, 'MODIFIED')
    if (status) {
      const conditions = [{ type: 'Seen', status: 'True', reason: 'Test', message: 'seen', lastTransitionTime: '2026-01-01T00:00:00Z' }]
      const patch = { status: { conditions } }
      const told = await client.patch<any>(kind, { name: 'one' }, { type: 'merge', patch }, { subresource: 'status' })
      assert.deepEqual([told.status.conditions, told.metadata.generation], [conditions, updated.metadata.generation])
      assert.equal((await next()).type, 'MODIFIED')
    }

    await client.delete(kind, { name: 'one' })
    await assert.rejects(client.get(kind, { name: 'one' }), (error) => hasReason(error, 'NotFound'))
    assert.equal((await next()).type, 'DELETED')
    await client.deleteCollection(kind, { labelSelector: 'special=yes' })
    assert.equal((await client.list(kind, { labelSelector: 'special=yes' })).items.length, 0)
    stop.abort()
  })

async function bound(server: PolicyServer, kind: 'Validating' | 'Mutating', spec: object): Promise<void> {
  await server.make(`${kind}AdmissionPolicy`, 'p.example.com', spec)
  await server.make(`${kind}AdmissionPolicyBinding`, 'b', { ...(kind === 'Mutating' ? { policyName: 'p.example.com' } : bindingSpec) })
}

test('should validate against a Deployment', async () => {
  await using server = await startPolicies()
  await bound(server, 'Validating', validating)
  const good = await server.send('POST', DEPLOYMENTS, deployment('good', { replicas: 2 }))
  assert.equal(good.status, 201)
  const bad = await server.send('POST', DEPLOYMENTS, deployment('bad', { replicas: 1 }))
  assert.equal(bad.status, 422)
  assert.match(bad.json.message, /wants replicas > 1, got 1/)
})

test('should allow expressions to refer variables.', async () => {
  await using server = await startPolicies()
  const variables = [
    { name: 'replicas', expression: 'object.spec.replicas' },
    { name: 'oddReplicas', expression: 'variables.replicas % 2 == 1' },
  ]
  const validations = [{ expression: 'variables.replicas > 1' }, { expression: 'variables.oddReplicas' }]
  await bound(server, 'Validating', { ...validating, variables, validations })
  for (const [replicas, expected] of [
    [1, 422],
    [2, 422],
    [3, 201],
  ] as const) {
    const { status } = await server.send('POST', `${DEPLOYMENTS}?dryRun=All`, deployment('x', { replicas }))
    assert.equal(status, expected, String(replicas))
  }
})

test('should mutate a Deployment', async () => {
  await using server = await startPolicies()
  await bound(server, 'Mutating', mutating)
  const { json } = await server.send('POST', DEPLOYMENTS, deployment('x', { replicas: 1 }))
  assert.deepEqual([json.spec.replicas, json.metadata.labels], [2, { mutated: 'yes' }])
})

test('should mutate a Deployment with annotations', async () => {
  await using server = await startPolicies()
  const expression = `[JSONPatch{op: "add", path: "/metadata/annotations", value: has(object.metadata.annotations) ? object.metadata.annotations : {}},
    JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("example.com/mutated"), value: "yes"}]`
  await bound(server, 'Mutating', { ...mutating, mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }] })
  const own = { ...deployment('x'), metadata: { name: 'x', annotations: { own: 'a' } } }
  assert.deepEqual((await server.send('POST', DEPLOYMENTS, own)).json.metadata.annotations, { own: 'a', 'example.com/mutated': 'yes' })
  assert.deepEqual((await server.send('POST', DEPLOYMENTS, deployment('y'))).json.metadata.annotations, { 'example.com/mutated': 'yes' })
})
