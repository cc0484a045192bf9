import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deployment, startRequests } from './requests.ts'

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'

test('patch of the strategic sort is of what was read: what it says it is counts for nothing', async () => {
  await using t = await startRequests()
  await t.send('POST', DEPLOYMENTS, deployment('web'))
  const named = { kind: 'Nothing', apiVersion: 'example.com/v1' }
  const patched = await t.send('PATCH strategic', `${DEPLOYMENTS}/web`, { ...named, metadata: { labels: { a: 'b' } } })
  assert.equal(patched.status, 200)
  assert.deepEqual([patched.json.kind, patched.json.apiVersion, patched.json.metadata.labels], ['Deployment', 'apps/v1', { a: 'b' }])
  const gone = await t.send('PATCH strategic', `${DEPLOYMENTS}/web/status`, { kind: null, status: { observedGeneration: 7 } })
  assert.deepEqual([gone.json.kind, gone.json.status.observedGeneration], ['Deployment', 7])
  const scale = { kind: 'Deployment', metadata: { name: 'web', namespace: 'default' }, spec: { replicas: 3 } }
  const scaled = await t.send('PATCH strategic', `${DEPLOYMENTS}/web/scale`, scale)
  assert.deepEqual([scaled.status, scaled.json.kind, scaled.json.spec.replicas], [200, 'Scale', 3])
  const stored = await t.send('GET', `${DEPLOYMENTS}/web`)
  assert.deepEqual([stored.json.kind, stored.json.spec.replicas], ['Deployment', 3])
})

const REFUSALS: [sort: 'merge' | 'json', patch: unknown, why: string][] = [
  ['merge', { kind: 'DaemonSet' }, 'converting (v1.DaemonSet) to (apps.Deployment): unknown conversion'],
  [
    'merge',
    { kind: 'Nothing' },
    'no kind "Nothing" is registered for version "apps/v1" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
  ],
  [
    'json',
    [{ op: 'replace', path: '/apiVersion', value: 'apps/v7' }],
    'no kind "Deployment" is registered for version "apps/v7" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
  ],
]

for (const [sort, patch, why] of REFUSALS) {
  test(`patch refuses to make another kind of an object: ${sort} ${JSON.stringify(patch)}`, async () => {
    await using t = await startRequests()
    await t.send('POST', DEPLOYMENTS, deployment('web'))
    const { status, json } = await t.send(`PATCH ${sort}`, `${DEPLOYMENTS}/web`, patch)
    assert.deepEqual([status, json.details.causes[0].field], [422, 'patch'])
    assert.ok(json.message.endsWith(`: ${why}`), json.message)
  })
}

/** Beyond what is small, a thread of its own reads it; beyond what is large, it makes the object, too. */
const SIZES: [what: string, more: object][] = [
  ['small', {}],
  ['large', { 'example.com/long': 'x'.repeat(140_000) }],
  ['of many members', Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`example.com/member-${at}`, 'x'.repeat(20)]))],
]

for (const [what, more] of SIZES) {
  for (const number of what === 'small' ? ['1.0', '1e2', '10e-1', '2147483648', '9223372036854775808', '1.5'] : ['1.0']) {
    test(`patch reads numbers as they are spelled: ${number} is no whole number of 32 bits, in a patch that is ${what}`, async () => {
      await using t = await startRequests()
      await t.send('POST', DEPLOYMENTS, deployment('web'))
      const annotations = JSON.stringify(more)
      const why = `json: cannot unmarshal number ${number} into Go struct field DeploymentSpec.spec.replicas of type int32`
      for (const [sort, patch] of [
        ['merge', `{"metadata":{"annotations":${annotations}},"spec":{"replicas":${number}}}`],
        [
          'json',
          `[{"op":"add","path":"/metadata/annotations","value":${annotations}},{"op":"replace","path":"/spec/replicas","value":${number}}]`,
        ],
      ] as const) {
        const { status, json } = await t.send(`PATCH ${sort}`, `${DEPLOYMENTS}/web`, patch)
        assert.deepEqual([status, json.details?.causes?.[0]?.field], [422, 'patch'])
        assert.ok(json.message.endsWith(`: ${why}`), json.message.slice(-300))
      }
    })
  }
}

const CONVERTED: [number: string, replicas: number][] = [
  ['3.0', 3],
  ['1e1', 10],
  ['4294967299', 3],
]

for (const [number, replicas] of CONVERTED) {
  test(`patch of the strategic sort converts whole numbers as Go does: ${number} becomes ${replicas}`, async () => {
    await using t = await startRequests()
    await t.send('POST', DEPLOYMENTS, deployment('web'))
    const { status, json } = await t.send('PATCH strategic', `${DEPLOYMENTS}/web`, `{"spec":{"replicas":${number}}}`)
    assert.deepEqual([status, json.spec?.replicas], [200, replicas])
    const { json: refused } = await t.send('PATCH strategic', `${DEPLOYMENTS}/web`, '{"spec":{"replicas":1.5}}')
    assert.match(refused.message, /: cannot convert float64 to int32$/)
  })
}

test('patch may spell numbers as it likes for a field of any numbers, and for custom resources', async () => {
  await using t = await startRequests()
  const schema = { type: 'object', properties: { size: { type: 'integer', maximum: 7 } } }
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'boats.example.com' },
    spec: {
      group: 'example.com',
      names: { kind: 'Boat', plural: 'boats' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  }
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  await t.send('POST', definitions, definition)
  const path = '/spec/versions/0/schema/openAPIV3Schema/properties/size/maximum'
  const patched = await t.send('PATCH json', `${definitions}/boats.example.com`, `[{"op":"replace","path":"${path}","value":1e1}]`)
  assert.equal(patched.json.spec.versions[0].schema.openAPIV3Schema.properties.size.maximum, 10)
  const boats = '/apis/example.com/v1/namespaces/default/boats'
  await t.send('POST', boats, { apiVersion: 'example.com/v1', kind: 'Boat', metadata: { name: 'a' } })
  const grown = await t.send('PATCH merge', `${boats}/a`, '{"size":1.0e1}')
  assert.deepEqual([grown.status, grown.json.size], [200, 10])
  const tested = await t.send('PATCH json', `${boats}/a`, '[{"op":"test","path":"/size","value":10.0}]')
  assert.equal(tested.status, 422)
})
