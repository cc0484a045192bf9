import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { configMap, deployment, IN_DEFAULT, pod, startRequests } from './requests.ts'

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'

test('update replaces, keeps what only the server sets, and takes the next resourceVersion', async () => {
  await using t = await startRequests()
  const { json: before } = await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a', { x: '1' }))
  const { status, json } = await t.send('PUT', `${IN_DEFAULT}/configmaps/a`, configMap('a', { y: '2' }))
  assert.equal(status, 200)
  assert.deepEqual(json.data, { y: '2' })
  assert.equal(json.metadata.uid, before.metadata.uid)
  assert.equal(json.metadata.creationTimestamp, before.metadata.creationTimestamp)
  assert.ok(Number(json.metadata.resourceVersion) > Number(before.metadata.resourceVersion))
})

test('update that changes nothing keeps the resourceVersion', async () => {
  await using t = await startRequests()
  const { json: before } = await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a', { x: '1' }))
  const { json } = await t.send('PUT', `${IN_DEFAULT}/configmaps/a`, configMap('a', { x: '1' }))
  assert.equal(json.metadata.resourceVersion, before.metadata.resourceVersion)
  const patched = await t.send('PATCH merge', `${IN_DEFAULT}/configmaps/a`, { data: { x: '1' } })
  assert.equal(patched.json.metadata.resourceVersion, before.metadata.resourceVersion)
})

test('update refuses a stale resourceVersion and another uid', async () => {
  await using t = await startRequests()
  const { json: before } = await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  await t.send('PATCH merge', `${IN_DEFAULT}/configmaps/a`, { data: { x: '1' } })
  const stale = await t.send('PUT', `${IN_DEFAULT}/configmaps/a`, before)
  assert.equal(stale.status, 409)
  assert.equal(
    stale.json.message,
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  )
  const foreign = await t.send('PUT', `${IN_DEFAULT}/configmaps/a`, configMap('a', {}, { uid: 'other' }))
  assert.equal(foreign.status, 409)
  assert.match(foreign.json.message, /Precondition failed: UID in precondition: other, UID in object meta: /)
})

test('update of a name that is not there is refused, or creates where the kind says so', async () => {
  await using t = await startRequests()
  assert.equal((await t.send('PUT', `${IN_DEFAULT}/configmaps/a`, configMap('a'))).status, 404)
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' }, spec: { holderIdentity: 'me' } }
  const { status, json } = await t.send('PUT', '/apis/coordination.k8s.io/v1/namespaces/default/leases/l', lease)
  assert.equal(status, 201)
  assert.ok(json.metadata.uid)
})

test('update that creates needs the right to create', async () => {
  const authorizer = { authorize: ({ verb }: { verb: string }) => ({ allowed: verb !== 'create', reason: '' }) }
  await using t = await startRequests({ extensions: () => ({ authorizer }) })
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' }, spec: { holderIdentity: 'me' } }
  const { status, json } = await t.send('PUT', '/apis/coordination.k8s.io/v1/namespaces/default/leases/l', lease)
  assert.equal(status, 403)
  assert.match(json.message, /cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "default"/)
})

test('update refuses names that differ from the URL', async () => {
  await using t = await startRequests()
  await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  const { status, json } = await t.send('PUT', `${IN_DEFAULT}/configmaps/a`, configMap('b'))
  assert.equal(status, 400)
  assert.equal(json.message, 'the name of the object (b) does not match the name on the URL (a)')
})

test('update keeps status, status update keeps spec; generation follows spec alone', async () => {
  await using t = await startRequests()
  await t.send('POST', DEPLOYMENTS, deployment('d'))
  const main = await t.send('PUT', `${DEPLOYMENTS}/d`, { ...deployment('d', { replicas: 5 }), status: { replicas: 9 } })
  assert.equal(main.json.spec.replicas, 5)
  assert.equal(main.json.status?.replicas, undefined)
  assert.equal(main.json.metadata.generation, 2)
  const status = { observedGeneration: 2, replicas: 3 }
  const sub = await t.send('PUT', `${DEPLOYMENTS}/d/status`, { ...deployment('d', { replicas: 1 }), status })
  assert.equal(sub.json.spec.replicas, 5)
  assert.deepEqual(sub.json.status, status)
  assert.equal(sub.json.metadata.generation, 2)
})

test('patch of every type changes what it says', async () => {
  await using t = await startRequests()
  await t.send('POST', DEPLOYMENTS, deployment('d'))
  const image = (json: any) => json.spec.template.spec.containers.map((one: any) => `${one.name}=${one.image}`)
  const json = await t.send('PATCH json', `${DEPLOYMENTS}/d`, [{ op: 'replace', path: '/spec/replicas', value: 4 }])
  assert.equal(json.json.spec.replicas, 4)
  const merge = await t.send('PATCH merge', `${DEPLOYMENTS}/d`, { metadata: { labels: { a: 'b' } }, spec: { replicas: null } })
  assert.deepEqual([merge.json.metadata.labels, merge.json.spec.replicas], [{ a: 'b' }, 1])
  const strategic = await t.send('PATCH strategic', `${DEPLOYMENTS}/d`, {
    spec: { template: { spec: { containers: [{ name: 'side', image: 'busybox:2' }] } } },
  })
  assert.deepEqual(image(strategic.json).toSorted(), ['c=busybox:1', 'side=busybox:2'])
  const bad = await t.send('PATCH merge', `${DEPLOYMENTS}/d`, '[1')
  assert.equal(bad.status, 400)
  assert.equal((await t.send('PATCH', `${DEPLOYMENTS}/d`, {}, { 'content-type': 'text/plain' })).status, 415)
})

test('patch is tried again when another writer is faster', async () => {
  await using t = await startRequests()
  await t.client.create(ConfigMap, { metadata: { name: 'a', namespace: 'default' } })
  const keys = Array.from({ length: 40 }, (_, index) => `k${index}`)
  const key = { namespace: 'default', name: 'a' }
  await Promise.all(keys.map((one) => t.client.patch(ConfigMap, key, { type: 'merge', patch: { data: { [one]: '1' } } })))
  assert.deepEqual(Object.keys((await t.client.get(ConfigMap, key)).data!).toSorted(), keys.toSorted())
})

test('patch with a stale resourceVersion is a conflict', async () => {
  await using t = await startRequests()
  await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  const { status } = await t.send('PATCH merge', `${IN_DEFAULT}/configmaps/a`, { metadata: { resourceVersion: '99999' }, data: { x: '1' } })
  assert.equal(status, 409)
})

test('apply creates, owns, conflicts, and takes over by force', async () => {
  await using t = await startRequests()
  const applied = (x: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { x } })
  const apply = (manager: string, x: string, more = '') =>
    t.send('PATCH apply', `${IN_DEFAULT}/configmaps/a?fieldManager=${manager}${more}`, applied(x))
  const first = await apply('one', '1')
  assert.equal(first.status, 201)
  assert.equal(first.json.metadata.managedFields[0].operation, 'Apply')
  assert.equal((await apply('one', '1')).json.metadata.resourceVersion, first.json.metadata.resourceVersion)
  const conflict = await apply('two', '2')
  assert.equal(conflict.status, 409)
  assert.equal(conflict.json.message, 'Apply failed with 1 conflict: conflict with "one": .data.x')
  const forced = await apply('two', '2', '&force=true')
  assert.equal(forced.status, 200)
  assert.deepEqual(forced.json.data, { x: '2' })
  assert.equal((await t.send('PATCH apply', `${IN_DEFAULT}/configmaps/a`, applied('3'))).status, 422)
  assert.equal((await t.send('PATCH merge', `${IN_DEFAULT}/configmaps/a?force=true`, {})).status, 422)
})

test('scale shows and sets the replicas of its parent', async () => {
  await using t = await startRequests()
  await t.send('POST', DEPLOYMENTS, deployment('d'))
  const { json: scale } = await t.send('GET', `${DEPLOYMENTS}/d/scale`)
  assert.deepEqual([scale.kind, scale.spec.replicas, scale.status.selector], ['Scale', 1, 'app=d'])
  const put = await t.send('PUT', `${DEPLOYMENTS}/d/scale`, { ...scale, spec: { replicas: 3 } })
  assert.equal(put.json.spec.replicas, 3)
  assert.equal((await t.send('PUT', `${DEPLOYMENTS}/d/scale`, { ...scale, spec: { replicas: 4 } })).status, 409)
  assert.equal((await t.send('PATCH merge', `${DEPLOYMENTS}/d/scale`, { spec: { replicas: -1 } })).status, 422)
  await t.send('PATCH merge', `${DEPLOYMENTS}/d/scale`, { spec: { replicas: 0 } })
  const { json: parent } = await t.send('GET', `${DEPLOYMENTS}/d`)
  assert.deepEqual([parent.spec.replicas, parent.metadata.generation], [0, 3])
})

test('update sees immutable fields', async () => {
  await using t = await startRequests()
  await t.send('POST', `${IN_DEFAULT}/pods`, pod('p'))
  const { status, json } = await t.send('PATCH merge', `${IN_DEFAULT}/pods/p`, { spec: { nodeName: 'n1' } })
  assert.equal(status, 422)
  assert.match(json.message, /^Pod "p" is invalid: spec/)
})

test('update writes nothing where two versions of a kind show one thing differently', async () => {
  await using t = await startRequests()
  const path = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers'
  const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }
  await t.send('POST', path, { metadata: { name: 'a' }, spec: { maxReplicas: 3, scaleTargetRef } })
  const status = { currentReplicas: 0, desiredReplicas: 0, currentCPUUtilizationPercentage: 10 }
  const { json: before } = await t.send('PATCH merge', `${path}/a/status`, { status })
  // The annotation that carries what v1 has no fields for says otherwise, and counts.
  const { json: after } = await t.send('PATCH merge', `${path}/a/status`, { status: { currentCPUUtilizationPercentage: 30 } })
  assert.deepEqual(after, before)
})

for (const [method, sent, complaints] of [
  ['PATCH merge', '{"data":{"a":"1","a":"2"},"foo":1}', ['duplicate field "data.a"', 'unknown field "foo"']],
  ['PATCH strategic', '{"data":{"a":"1","a":"2"},"foo":1}', ['duplicate field "data.a"', 'unknown field "foo"']],
  ['PATCH merge', '{"data":{"a":"1","a":"2"}}', ['duplicate field "data.a"']],
  [
    'PATCH json',
    '[{"op":"add","path":"/foo","value":1,"bar":2},{"op":"add","path":"/data","path":"/data","value":{}}]',
    ['json patch unknown field "[0].bar"', 'json patch duplicate field "[1].path"', 'unknown field "foo"'],
  ],
] as const) {
  test(`patch tells what is wrong with ${method} ${sent}`, async () => {
    await using t = await startRequests()
    await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
    const strict = await t.send(method, `${IN_DEFAULT}/configmaps/a?fieldValidation=Strict`, sent)
    assert.equal(strict.status, 422)
    assert.ok(strict.json.message.endsWith(`: strict decoding error: ${complaints.join(', ')}`), strict.json.message)
    const warned = await t.send(method, `${IN_DEFAULT}/configmaps/a?fieldValidation=Warn&dryRun=All`, sent)
    assert.equal(warned.status, 200)
    assert.deepEqual(
      warned.headers['warning'],
      complaints.map((text) => `299 - ${JSON.stringify(text)}`),
    )
    const ignored = await t.send(method, `${IN_DEFAULT}/configmaps/a?fieldValidation=Ignore`, sent)
    assert.deepEqual([ignored.status, ignored.headers['warning']], [200, undefined])
  })
}
