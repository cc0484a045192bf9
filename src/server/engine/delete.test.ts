import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { nextTurn } from '#lib/paced.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { createMemoryStore } from '#store/memory.ts'
import type { Store } from '#store/store.ts'
import { configMap, deployment, IN_DEFAULT, pod, startRequests } from './requests.ts'

const MAPS = `${IN_DEFAULT}/configmaps`

test('delete answers with a Status where nothing is left', async () => {
  await using t = await startRequests()
  const { json } = await t.send('POST', MAPS, configMap('a'))
  const deleted = await t.send('DELETE', `${MAPS}/a`)
  assert.equal(deleted.status, 200)
  const details = { name: 'a', kind: 'configmaps', uid: json.metadata.uid }
  assert.deepEqual(deleted.json, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details })
  assert.equal((await t.send('DELETE', `${MAPS}/a`)).status, 404)
})

test('delete waits for finalizers, and the update that takes the last one deletes', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a', {}, { finalizers: ['example.com/x'] }))
  const { json } = await t.send('DELETE', `${MAPS}/a`)
  assert.ok(json.metadata.deletionTimestamp)
  assert.equal(json.metadata.deletionGracePeriodSeconds, 0)
  const again = await t.send('DELETE', `${MAPS}/a`)
  assert.equal(again.json.metadata.resourceVersion, json.metadata.resourceVersion)
  const more = await t.send('PATCH merge', `${MAPS}/a`, { metadata: { finalizers: ['example.com/x', 'example.com/y'] } })
  assert.equal(more.status, 422)
  assert.equal((await t.send('PATCH merge', `${MAPS}/a`, { metadata: { finalizers: null } })).status, 200)
  assert.equal((await t.send('GET', `${MAPS}/a`)).status, 404)
})

test('delete checks its preconditions', async () => {
  await using t = await startRequests()
  const { json } = await t.send('POST', MAPS, configMap('a'))
  const { uid, resourceVersion } = json.metadata
  const wrong = await t.send('DELETE', `${MAPS}/a`, { preconditions: { uid: 'other' } })
  assert.equal(wrong.status, 409)
  assert.equal(
    wrong.json.message,
    `Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (other) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
  )
  assert.equal((await t.send('DELETE', `${MAPS}/a`, { preconditions: { resourceVersion: '1234567' } })).status, 409)
  assert.equal((await t.send('DELETE', `${MAPS}/a`, { preconditions: { uid, resourceVersion } })).status, 200)
})

const propagations: [string, object | undefined, string, string[] | undefined][] = [
  ['Foreground', { propagationPolicy: 'Foreground' }, '', ['foregroundDeletion']],
  ['Orphan', { propagationPolicy: 'Orphan' }, '', ['orphan']],
  ['orphanDependents', { orphanDependents: true }, '', ['orphan']],
  ['the query', undefined, '?propagationPolicy=Orphan', ['orphan']],
  ['Background', { propagationPolicy: 'Background' }, '', undefined],
]
test('delete answers with the version at which the object went, whatever else is written then', async () => {
  await using memory = createMemoryStore()
  const store: Store = {
    get: (key) => memory.get(key),
    list: (prefix, page) => memory.list(prefix, page),
    put: (key, value, expected) => memory.put(key, value, expected),
    watch: (prefix, options) => memory.watch(prefix, options),
    compact: (before) => memory.compact(before),
    revision: () => memory.revision(),
    [Symbol.asyncDispose]: async () => {},
    /** Whoever deletes is told only when something else has been written, and seen. */
    async delete(key, expected) {
      const revision = await memory.delete(key, expected)
      const name = `other-${revision}`
      await memory.put(`/registry/configmaps/default/${name}`, Buffer.from(`{"metadata":{"name":"${name}"}}`), 0)
      while (!(await t.client.get(ConfigMap, { namespace: 'default', name }).catch(() => undefined))) await nextTurn()
      return revision
    },
  }
  await using t = await startRequests({ store })
  await t.send('POST', MAPS, configMap('a', {}, { finalizers: ['example.com/x'] }))
  await t.send('DELETE', `${MAPS}/a`)
  const { json: last } = await t.send('PATCH merge', `${MAPS}/a`, { metadata: { finalizers: null } })
  assert.equal(Number(last.metadata.resourceVersion), store.revision() - 1)
  await t.send('POST', `${IN_DEFAULT}/serviceaccounts`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'b' } })
  const { json: gone } = await t.send('DELETE', `${IN_DEFAULT}/serviceaccounts/b`)
  assert.equal(gone.kind, 'ServiceAccount')
  assert.equal(Number(gone.metadata.resourceVersion), store.revision() - 1)
})

for (const [name, body, query, finalizers] of propagations) {
  test(`delete writes propagation down as finalizers: ${name}`, async () => {
    await using t = await startRequests()
    await t.send('POST', '/apis/apps/v1/namespaces/default/deployments', deployment('d'))
    const { json } = await t.send('DELETE', `/apis/apps/v1/namespaces/default/deployments/d${query}`, body)
    assert.deepEqual(json.metadata.finalizers, finalizers)
    if (finalizers) assert.equal(json.metadata.generation, 2)
    else assert.equal(json.status, 'Success')
  })
}

test('delete refuses options that make no sense', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a'))
  const policy = await t.send('DELETE', `${MAPS}/a`, { propagationPolicy: 'Sideways' })
  assert.equal(policy.status, 422)
  assert.match(
    policy.json.message,
    /propagationPolicy: Unsupported value: "Sideways": supported values: "Background", "Foreground", "Orphan", "nil"/,
  )
  assert.equal((await t.send('DELETE', `${MAPS}/a`, { propagationPolicy: 'Orphan', orphanDependents: true })).status, 422)
  assert.equal((await t.send('DELETE', `${MAPS}/a`, '{')).status, 400)
})

test('delete gives a running pod its grace period, which may only be shortened', async () => {
  await using t = await startRequests()
  await t.send('POST', `${IN_DEFAULT}/pods`, pod('p', { nodeName: 'n1', terminationGracePeriodSeconds: 20 }))
  const first = await t.send('DELETE', `${IN_DEFAULT}/pods/p`)
  assert.equal(first.json.metadata.deletionGracePeriodSeconds, 20)
  assert.equal(first.json.metadata.generation, 2)
  const longer = await t.send('DELETE', `${IN_DEFAULT}/pods/p`, { gracePeriodSeconds: 60 })
  assert.equal(longer.json.metadata.resourceVersion, first.json.metadata.resourceVersion)
  const shorter = await t.send('DELETE', `${IN_DEFAULT}/pods/p?gracePeriodSeconds=5`)
  const seconds = (json: any) => Date.parse(json.metadata.deletionTimestamp) / 1000
  assert.equal(shorter.json.metadata.deletionGracePeriodSeconds, 5)
  assert.equal(seconds(first.json) - seconds(shorter.json), 15)
  const now = await t.send('DELETE', `${IN_DEFAULT}/pods/p`, { gracePeriodSeconds: 0 })
  assert.equal(now.json.kind, 'Pod')
  assert.equal((await t.send('GET', `${IN_DEFAULT}/pods/p`)).status, 404)
})

for (const [grace, lastsMs] of [
  ['9223372036854775807', -1000],
  ['9007199254740993', 4_611_686_019_427],
  ['9223372036', 9_223_372_036_000],
] as const)
  test(`delete reckons a grace period of ${grace} seconds as Go does`, async () => {
    await using t = await startRequests({ clock: createVirtualClock() })
    const text = JSON.stringify(pod('p', { nodeName: 'n1', terminationGracePeriodSeconds: 77 })).replace('77', grace)
    const made = await t.send('POST', `${IN_DEFAULT}/pods`, text)
    const { status, text: told, json } = await t.send('DELETE', `${IN_DEFAULT}/pods/p`)
    assert.deepEqual([status, told.includes(`"deletionGracePeriodSeconds":${grace}`)], [200, true])
    const lasts = Date.parse(json.metadata.deletionTimestamp) - Date.parse(made.json.metadata.creationTimestamp)
    const whole = (ms: number) => Math.floor(ms / 1000) * 1000
    assert.equal(lasts, whole(lastsMs))
    const shorter = await t.send('DELETE', `${IN_DEFAULT}/pods/p?gracePeriodSeconds=5`)
    // What was cut off of the first is missing from the second.
    const left = whole(whole(lastsMs) - lastsMs + 5000)
    assert.equal(Date.parse(shorter.json.metadata.deletionTimestamp) - Date.parse(made.json.metadata.creationTimestamp), left)
    assert.equal((await t.send('DELETE', `${IN_DEFAULT}/pods/p`, { gracePeriodSeconds: 0 })).status, 200)
  })

test('delete takes a pod that no node has at once', async () => {
  await using t = await startRequests()
  await t.send('POST', `${IN_DEFAULT}/pods`, pod('p'))
  await t.client.delete(Pod, { namespace: 'default', name: 'p' })
  assert.equal((await t.send('GET', `${IN_DEFAULT}/pods/p`)).status, 404)
})

test('delete of a namespace waits for its own finalizers', async () => {
  await using t = await startRequests()
  await t.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } })
  const { json } = await t.send('DELETE', '/api/v1/namespaces/n')
  assert.deepEqual([json.status.phase, json.spec.finalizers], ['Terminating', ['kubernetes']])
  const finalized = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' }, spec: { finalizers: [] } }
  assert.equal((await t.send('PUT', '/api/v1/namespaces/n/finalize', finalized)).status, 200)
  assert.equal((await t.send('GET', '/api/v1/namespaces/n')).status, 404)
})

test('deletecollection deletes what is selected and answers with it', async () => {
  await using t = await startRequests()
  for (const name of ['a', 'b', 'c']) await t.send('POST', MAPS, configMap(name, {}, { labels: { even: String(name === 'b') } }))
  const { status, json } = await t.send('DELETE', `${MAPS}?labelSelector=even%3Dfalse`)
  assert.equal(status, 200)
  assert.deepEqual(
    json.items.map((one: any) => one.metadata.name),
    ['a', 'c'],
  )
  const { json: left } = await t.send('GET', MAPS)
  assert.deepEqual(
    left.items.map((one: any) => one.metadata.name),
    ['b'],
  )
})

test('delete on a dry run deletes nothing', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a'))
  assert.equal((await t.send('DELETE', `${MAPS}/a`, { dryRun: ['All'] })).json.status, 'Success')
  assert.equal((await t.send('GET', `${MAPS}/a`)).status, 200)
})
