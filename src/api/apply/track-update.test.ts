import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clone, deepFreeze } from '#api/clone.ts'
import { definition } from '#api/definitions.ts'
import type { KubeObject } from '#api/object.ts'
import { seededRandom } from '#lib/random.ts'
import { settle } from './conversions.ts'
import { trackingUpdate, trackUpdate } from './track-update.ts'
import { ignoredFields } from './update.ts'

const schema = definition('io.k8s.api.apps.v1.Deployment')
const T0 = Date.UTC(2026, 0, 1)
const at = (seconds: number) => `2026-01-01T00:00:${String(seconds).padStart(2, '0')}Z`

const deployment = (change: (object: any) => void = () => {}): KubeObject => {
  const object = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default', uid: 'u', labels: { app: 'web' } },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'c', image: 'i', resources: {}, ports: [{ containerPort: 80 }] }] },
      },
    },
  }
  change(object)
  return object
}

function track(live: KubeObject | undefined, next: KubeObject, manager: string, seconds = 0, subresource = ''): KubeObject {
  const object = clone(next)
  trackUpdate(live && deepFreeze(live), object, { schema, apiVersion: 'apps/v1', manager, subresource, now: T0 + seconds * 1000 })
  return object
}

test('trackUpdate on create owns what was given, without identity and structures', () => {
  const created = track(undefined, deployment(), 'kubectl-create')
  assert.deepEqual(created.metadata!.managedFields, [
    {
      manager: 'kubectl-create',
      operation: 'Update',
      apiVersion: 'apps/v1',
      time: at(0),
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
        'f:spec': {
          'f:replicas': {},
          'f:selector': {},
          'f:template': {
            'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
            'f:spec': {
              'f:containers': {
                'k:{"name":"c"}': {
                  '.': {},
                  'f:image': {},
                  'f:name': {},
                  'f:ports': { '.': {}, 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
                  'f:resources': {},
                },
              },
            },
          },
        },
      },
    },
  ])
})

test('trackUpdate moves changed fields to who changed them and forgets removed ones', () => {
  const live = track(undefined, deployment(), 'a')
  const scaled = track(live, { ...deployment((d) => void (d.spec.replicas = 3)), metadata: live.metadata! }, 'b', 5)
  const entries = Object.fromEntries(scaled.metadata!.managedFields!.map((entry) => [entry.manager, entry]))
  assert.deepEqual(entries.b, {
    manager: 'b',
    operation: 'Update',
    apiVersion: 'apps/v1',
    time: at(5),
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:replicas': {} } },
  })
  assert.equal((entries.a!.fieldsV1 as any)['f:spec']['f:replicas'], undefined)
  assert.equal(entries.a!.time, at(0))

  const bare = track(scaled, { ...deployment((d) => void delete d.spec.replicas), metadata: scaled.metadata! }, 'c', 6)
  assert.deepEqual(
    bare.metadata!.managedFields!.map(({ manager }) => manager),
    ['a'],
  )
})

test('trackUpdate without a change keeps the very entries', () => {
  const live = track(undefined, deployment(), 'a')
  const next = clone(live)
  next.metadata!.resourceVersion = '7'
  assert.equal(track(live, next, 'b', 9).metadata!.managedFields, live.metadata!.managedFields)
})

test('trackUpdate renews the time when an owned value changes', () => {
  const live = track(undefined, deployment(), 'a')
  const next = clone(live) as any
  next.spec.replicas = 2
  assert.equal(track(live, next, 'a', 9).metadata!.managedFields![0]!.time, at(9))
})

test('trackUpdate keeps subresources apart and ignores managedFields sent to them', () => {
  const live = track(undefined, deployment(), 'a')
  const next = { ...clone(live), status: { replicas: 1 } } as KubeObject
  next.metadata!.managedFields = []
  const entries = track(live, next, 'a', 1, 'status').metadata!.managedFields!
  assert.deepEqual(
    entries.map(({ subresource }) => subresource),
    [undefined, 'status'],
  )
  assert.deepEqual(entries[1]!.fieldsV1, { 'f:status': { 'f:replicas': {} } })
})

test('trackUpdate stops tracking after a reset, and an absent list is no reset', () => {
  const live = track(undefined, deployment(), 'a')
  for (const reset of [[], [{}]]) {
    const next = clone(live) as any
    next.metadata.managedFields = reset
    next.spec.replicas = 9
    const after = track(live, next, 'b')
    assert.equal(after.metadata!.managedFields, undefined)
    assert.equal(track(after, { ...deployment(), metadata: after.metadata! }, 'c').metadata!.managedFields, undefined)
  }
  const next = clone(live)
  delete next.metadata!.managedFields
  assert.deepEqual(track(live, next, 'b').metadata!.managedFields, live.metadata!.managedFields)
})

test('trackUpdate honours managedFields a client edits', () => {
  const live = track(undefined, deployment(), 'a')
  const next = clone(live)
  next.metadata!.managedFields![0]!.manager = 'renamed'
  assert.deepEqual(
    track(live, next, 'b').metadata!.managedFields!.map(({ manager }) => manager),
    ['renamed'],
  )
})

test('trackUpdate keeps at most ten update managers, the oldest in ancient-changes', () => {
  let live = track(undefined, deployment(), 'm0')
  for (let i = 1; i <= 12; i++) {
    const next = clone(live) as any
    next.metadata.labels[`l${i}`] = 'x'
    live = track(live, next, `m${i}`, i)
  }
  const entries = live.metadata!.managedFields!
  assert.equal(entries.length, 10)
  const ancient = entries.find(({ manager }) => manager === 'ancient-changes')!
  assert.equal(ancient.time, at(3))
  assert.deepEqual(Object.keys((ancient.fieldsV1 as any)['f:metadata']['f:labels']), ['.', 'f:app', 'f:l1', 'f:l2', 'f:l3'])
})

test('trackUpdate finds without a look at the managers what it finds by one', () => {
  const random = seededRandom(7)
  const one = <T>(items: readonly T[]): T => items[Math.floor(random.float() * items.length)]!
  const text = () => one(['a', 'b', 'c'])
  const changes: ((object: any) => void)[] = [
    (object) => ((object.metadata.labels ??= {})[text()] = text()),
    (object) => delete object.metadata.labels?.[text()],
    (object) => ((object.metadata.annotations ??= {})[text()] = text()),
    (object) => (object.spec.replicas = random.float()),
    (object) => delete object.spec.replicas,
    (object) => (object.spec.template.spec.containers[0].image = text()),
    (object) => (object.spec.template.spec.containers[0].env = [{ name: text(), value: text() }]),
    (object) => (object.status = { ...object.status, [one(['replicas', 'readyReplicas'])]: random.float() }),
    (object) => (object.status = { conditions: [{ type: text(), status: text() }] }),
    (object) => delete object.status,
    (object) => delete object.metadata.managedFields,
    () => {},
  ]
  let again = 0
  let live = deepFreeze(track(undefined, deployment(), 'm0'))
  for (let second = 1; second < 3000; second++) {
    const next = clone(live)
    next.metadata!.managedFields = live.metadata!.managedFields!
    for (let count = 0; count <= random.float() * 2; count++) one(changes)(next)
    const subresource = one(['', 'status'])
    const manager = `m${Math.floor(random.float() * 4)}`
    const now = T0 + second * 500
    const options = { schema, apiVersion: 'apps/v1', manager, subresource, ignored: ignoredFields(true, subresource), now }
    const slow = { ...next, metadata: { ...next.metadata } }
    settle(trackingUpdate(live, slow, { ...options, paced: true }), undefined)
    trackUpdate(live, next, options)
    assert.deepEqual(next.metadata!.managedFields, slow.metadata!.managedFields)
    const [before, after] = [live, next].map((object) => object.metadata!.managedFields ?? [])
    if (after!.filter((entry) => !before!.includes(entry)).length === 1 && after!.length === before!.length) again++
    live = deepFreeze(next)
  }
  assert.ok(again > 300, `only ${again} times`)
})
