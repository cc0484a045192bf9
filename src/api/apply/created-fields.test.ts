import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clone } from '#api/clone.ts'
import { CoreEvent as Event } from '#api/kinds/core/event.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { createdFields } from './created-fields.ts'
import { has } from './fields.ts'

const pod = () => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', labels: { app: 'web' }, finalizers: ['x/y'] },
  spec: {
    containers: [
      { name: 'c', image: 'i', ports: [{ containerPort: 80, protocol: 'TCP' }], env: [{ name: 'A', value: '1' }], resources: {} },
      { name: 'd', image: 'j', args: ['a'], resources: { limits: { cpu: '1' } } },
    ],
    nodeSelector: { a: 'b' },
    restartPolicy: 'Always',
    securityContext: {},
    tolerations: [{ key: 'k', operator: 'Exists' }],
  },
})

/** What it is where nothing was remembered. */
const anew = (schema: Schema, object: object) => createdFields(object as KubeObject, { schema: { ...schema } })

const VARIATIONS: Record<string, (pod: any) => void> = {
  'an unset member': (it) => (it.spec.containers[0].command = undefined),
  'another member': (it) => (it.spec.hostNetwork = true),
  'a member less': (it) => delete it.spec.nodeSelector,
  'members in another order': (it) => (it.metadata = { labels: it.metadata.labels, finalizers: ['x/y'], name: 'a' }),
  'another label': (it) => (it.metadata.labels = { tier: 'web' }),
  'an empty map': (it) => (it.metadata.labels = {}),
  'an empty list': (it) => (it.spec.tolerations = []),
  'an empty structure filled': (it) => (it.spec.securityContext = { runAsUser: 1 }),
  'a structure emptied': (it) => (it.spec.containers[1].resources = {}),
  'a null': (it) => (it.spec.nodeSelector = null),
  'an item of another key': (it) => (it.spec.containers[1].name = 'e'),
  'an item of another second key': (it) => (it.spec.containers[0].ports[0].protocol = 'UDP'),
  'an item without one of its keys': (it) => delete it.spec.containers[0].ports[0].protocol,
  'an item twice': (it) => (it.spec.containers[1].name = 'c'),
  'an item more': (it) => it.spec.containers.push({ name: 'e', image: 'k' }),
  'items in another order': (it) => it.spec.containers.reverse(),
  'another entry of a set': (it) => (it.metadata.finalizers = ['x/z']),
  'a scalar for a map': (it) => (it.metadata.labels = 'text'),
  'a list for a map': (it) => (it.metadata.labels = ['text']),
  'a map for a list': (it) => (it.spec.tolerations = { key: 'k' }),
  'an empty key': (it) => (it.metadata.labels = { '': 'web' }),
  'a member named as a prototype': (it) => (it.metadata.labels = JSON.parse('{"__proto__":"web"}')),
}

test('createdFields shares one tree between objects of one form, whatever they hold', () => {
  const schema = { ...Pod.schema }
  const first = createdFields(pod(), { schema })
  const second = pod()
  second.metadata.labels.app = 'db'
  second.spec.containers[0]!.image = 'other'
  assert.equal(createdFields(second, { schema }), first)
  assert.ok(has(first, ['f:spec', 'f:containers', 'k:{"name":"d"}', 'f:resources', 'f:limits', 'f:cpu']))
})

for (const [name, change] of Object.entries(VARIATIONS)) {
  test(`createdFields tells objects apart by ${name}`, () => {
    const schema = { ...Pod.schema }
    const other = pod()
    change(other)
    createdFields(pod(), { schema })
    assert.deepEqual(createdFields(other as KubeObject, { schema }), anew(Pod.schema, other))
    // And what was remembered of the other does not serve the first.
    assert.deepEqual(createdFields(pod(), { schema }), anew(Pod.schema, pod()))
  })
}

test('createdFields tells apart what is as in an empty object and what is not', () => {
  const service = (spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec })
  const objects = [{}, { clusterIP: '' }, { clusterIP: 'None' }, { ports: [{ port: 0 }] }, { ports: [{ port: 1 }] }].map(service)
  const schema = { ...Service.schema }
  for (const object of [...objects, ...objects.toReversed()])
    assert.deepEqual(createdFields(clone(object) as KubeObject, { schema }), anew(Service.schema, object))
})

test('createdFields tells apart by what an endpoint does not own', () => {
  const schema = { ...Pod.schema }
  const object = { ...pod(), status: { phase: 'Pending' } }
  const whole = createdFields(object, { schema })
  const ignored = { 'f:status': {} }
  assert.ok(has(whole, ['f:status', 'f:phase']))
  assert.ok(!('f:status' in createdFields(object, { schema, ignored })))
  assert.equal(createdFields(clone(object), { schema }), whole)
})

test('createdFields knows objects of a form whoever their one owner is, and names each', () => {
  const schema = { ...Pod.schema }
  const owner = (uid: unknown) => ({ apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid, controller: true })
  const owned = (...owners: unknown[]) => {
    const { metadata, ...others } = pod()
    return { ...others, metadata: { ...metadata, ownerReferences: owners } } as unknown as KubeObject
  }
  const first = createdFields(owned(owner('a')), { schema })
  const second = createdFields(owned(owner('b')), { schema })
  assert.equal(first['f:spec'], second['f:spec'])
  assert.equal(createdFields(owned(owner('b')), { schema }), second)
  const objects = [[owner('a')], [owner('b')], [owner('"<é>\\')], [owner('k:{"uid":"a"}')], [owner(1)], [owner('a'), owner('b')], []]
  for (const owners of [...objects, ...objects.toReversed()]) {
    assert.deepEqual(createdFields(owned(...owners), { schema }), anew(Pod.schema, owned(...owners)))
  }
  assert.deepEqual(
    [first, second].map((fields) => Object.keys(fields['f:metadata']!['f:ownerReferences']!)),
    [
      ['.', 'k:{"uid":"a"}'],
      ['.', 'k:{"uid":"b"}'],
    ],
  )
})

test('createdFields names no owner where nothing is known of owners', () => {
  const schema = { type: 'object', preserveUnknownFields: true } as Schema
  const owned = (uid: string) => ({ metadata: { name: 'a', ownerReferences: [{ uid, name: 'o', apiVersion: 'v1', kind: 'Pod' }] } })
  const first = createdFields(owned('a'), { schema })
  assert.equal(createdFields(owned('b'), { schema }), first)
  assert.deepEqual(first, anew(schema, owned('b')))
})

test('createdFields shares one tree between objects that hold nulls in the same places', () => {
  const schema = { ...Event.schema }
  const event = (name: string, eventTime: string | null) => ({ metadata: { name }, involvedObject: {}, eventTime, reason: 'R' })
  const first = createdFields(event('a', null), { schema })
  assert.equal(createdFields(event('b', null), { schema }), first)
  const timed = event('c', '2026-01-01T00:00:00.000000Z')
  assert.deepEqual(createdFields(timed, { schema }), anew(Event.schema, timed))
  assert.deepEqual(createdFields(event('d', null), { schema }), anew(Event.schema, event('d', null)))
})
