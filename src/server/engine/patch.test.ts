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
