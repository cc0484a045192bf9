import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clone, deepFreeze } from '#api/clone.ts'
import { definition } from '#api/definitions.ts'
import type { KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import { fieldsOf } from './fields.ts'
import { type ApplyOptions, serverSideApply } from './server-side-apply.ts'
import { trackUpdate } from './track-update.ts'

const schema = definition('io.k8s.api.apps.v1.Deployment')
const kind = { group: 'apps', version: 'v1', kind: 'Deployment' }
const T0 = Date.UTC(2026, 0, 1)
const base = { schema, kind, apiVersion: 'apps/v1', now: T0 }

function apply(live: KubeObject | undefined, spec: unknown, options: Partial<ApplyOptions> & { metadata?: object } = {}): any {
  const { metadata, ...rest } = options
  const patch = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default', ...metadata },
    ...(spec ? { spec } : {}),
  }
  return serverSideApply(live && deepFreeze(live), deepFreeze(patch) as KubeObject, { ...base, manager: 'applier', ...rest })
}

function update(live: KubeObject, change: (object: any) => void, manager = 'updater'): any {
  const next = clone(live)
  change(next)
  trackUpdate(live, next, { ...base, manager })
  return next
}

const container = (name: string, more: object = {}) => ({ name, image: 'i', ...more })
const template = (...containers: object[]) => ({ template: { spec: { containers } } })
const names = (object: any) => object.spec.template.spec.containers.map(({ name }: any) => name)
const managers = (object: any) => object.metadata.managedFields.map(({ manager }: any) => manager)

test('serverSideApply creates, owning just what was applied', () => {
  const created = apply(undefined, { replicas: 2, ...template(container('a')) }, { metadata: { labels: { x: 'y' } } })
  assert.deepEqual(created.metadata.managedFields, [
    {
      manager: 'applier',
      operation: 'Apply',
      apiVersion: 'apps/v1',
      time: '2026-01-01T00:00:00Z',
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': { 'f:labels': { 'f:x': {} } },
        'f:spec': {
          'f:replicas': {},
          'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } },
        },
      },
    },
  ])
  const { managedFields: _, ...metadata } = created.metadata
  assert.deepEqual(
    { ...created, metadata },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'default', labels: { x: 'y' } },
      spec: { replicas: 2, ...template(container('a')) },
    },
  )
})

test('serverSideApply again with the same changes nothing at all', () => {
  const created = apply(undefined, { replicas: 2 })
  assert.equal(apply(created, { replicas: 2 }, { now: T0 + 60_000 }), created)
})

test('serverSideApply removes what is no longer applied, and keeps what others own or nobody does', () => {
  const created = apply(
    undefined,
    { replicas: 2, paused: true, ...template(container('a'), container('b')) },
    { metadata: { labels: { x: '1', y: '2' } } },
  )
  const defaulted = update(created, (d) => (d.spec.template.spec.restartPolicy = 'Always'), 'defaulter')
  const shared = update(defaulted, (d) => (d.metadata.labels.z = '3'))
  const next = apply(shared, { ...template(container('b')) }, { metadata: { labels: { y: '2' } } })
  assert.deepEqual(next.spec, { template: { spec: { containers: [container('b')], restartPolicy: 'Always' } } })
  assert.deepEqual(next.metadata.labels, { y: '2', z: '3' })
})

test('serverSideApply keeps a field another applier owns too', () => {
  const first = apply(undefined, { replicas: 2 })
  const both = apply(first, { replicas: 2 }, { manager: 'other', now: T0 + 1000 })
  assert.deepEqual(managers(both), ['applier', 'other'])
  const one = apply(both, undefined)
  assert.equal(one.spec.replicas, 2)
  assert.deepEqual(managers(one), ['other'])
  assert.equal(apply(one, undefined, { manager: 'other' }).spec?.replicas, undefined)
})

test('serverSideApply refuses to take what another owns, in the words of upstream', () => {
  const created = apply(undefined, { replicas: 2 })
  const scaled = update(created, (d) => (d.spec.replicas = 3), 'kubectl-client-side-apply')
  assert.throws(
    () => apply(scaled, { replicas: 5 }),
    (error) => {
      assert.ok(error instanceof StatusError)
      assert.deepEqual(
        [error.code, error.reason, error.message],
        [409, 'Conflict', 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas'],
      )
      assert.deepEqual(error.details!.causes, [
        { reason: 'FieldManagerConflict', message: 'conflict with "kubectl-client-side-apply" using apps/v1', field: '.spec.replicas' },
      ])
      return true
    },
  )
  const forced = apply(scaled, { replicas: 5 }, { force: true })
  assert.equal(forced.spec.replicas, 5)
  assert.deepEqual(managers(forced), ['applier'])
  // The same value is no conflict: both own it.
  assert.deepEqual(managers(apply(scaled, { replicas: 3 })), ['applier', 'kubectl-client-side-apply'])
})

test('serverSideApply lists several conflicts by manager', () => {
  const created = apply(undefined, { replicas: 1, paused: true, minReadySeconds: 1 })
  const one = update(created, (d) => (d.spec.replicas = 2), 'b')
  const two = update(one, (d) => Object.assign(d.spec, { paused: false, minReadySeconds: 2 }), 'a')
  assert.throws(() => apply(two, { replicas: 3, paused: true, minReadySeconds: 3 }), {
    message:
      'Apply failed with 3 conflicts: conflicts with "a" using apps/v1:\n- .spec.minReadySeconds\n- .spec.paused\nconflicts with "b" using apps/v1:\n- .spec.replicas',
  })
})

test('serverSideApply merges keyed lists in the applied order, others in between', () => {
  const created = apply(undefined, template(container('a'), container('b'), container('c')))
  const injected = update(created, (d) => d.spec.template.spec.containers.splice(1, 0, container('sidecar')))
  assert.deepEqual(names(apply(injected, template(container('c'), container('a'), container('b')))), ['sidecar', 'c', 'a', 'b'])
  assert.deepEqual(names(apply(injected, template(container('a'), container('n'), container('c')))), ['a', 'sidecar', 'n', 'c'])
})

test('serverSideApply unites sets and removes its own members only', () => {
  const one = apply(undefined, undefined, { metadata: { finalizers: ['x/a', 'x/b'] } })
  const two = apply(one, undefined, { metadata: { finalizers: ['x/c', 'x/b'] }, manager: 'other' })
  assert.deepEqual(two.metadata.finalizers, ['x/a', 'x/c', 'x/b'])
  assert.deepEqual(apply(two, undefined).metadata.finalizers, ['x/c', 'x/b'])
})

test('serverSideApply takes list keys with their defaults', () => {
  const ports = (...list: object[]) => template(container('a', { ports: list }))
  const created = apply(undefined, ports({ containerPort: 80 }))
  const defaulted = update(created, (d) => (d.spec.template.spec.containers[0].ports[0].protocol = 'TCP'))
  const next = apply(defaulted, ports({ containerPort: 80, name: 'http' }, { containerPort: 80, protocol: 'UDP' }))
  assert.deepEqual(next.spec.template.spec.containers[0].ports, [
    { containerPort: 80, protocol: 'TCP', name: 'http' },
    { containerPort: 80, protocol: 'UDP' },
  ])
})

test('serverSideApply replaces atomic fields whole', () => {
  const created = apply(undefined, { selector: { matchLabels: { a: '1' } } })
  const other = update(created, (d) => (d.spec.selector.matchLabels.b = '2'))
  assert.throws(() => apply(other, { selector: { matchLabels: { a: '1' } } }), /\.spec\.selector$/)
})

test('serverSideApply gives fields of untracked objects to before-first-apply', () => {
  const plain = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', uid: 'u' }, spec: { replicas: 1 } } as KubeObject
  assert.throws(() => apply(plain, { replicas: 2 }), /conflict with "before-first-apply" using apps\/v1: \.spec\.replicas/)
  assert.deepEqual(managers(apply(plain, { replicas: 1 })), ['applier', 'before-first-apply'])
})

test('serverSideApply lets kubectl take over its own client-side applies', () => {
  const config = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', annotations: {} },
    spec: { replicas: 1, paused: true },
  }
  const live = clone(config) as any
  live.metadata = {
    ...live.metadata,
    uid: 'u',
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': `${JSON.stringify(config)}\n` },
  }
  trackUpdate(undefined, live, { ...base, manager: 'kubectl-client-side-apply' })
  assert.throws(() => apply(live, { replicas: 2, paused: true }), /conflict/)
  const next = apply(live, { replicas: 2, paused: true }, { manager: 'kubectl' })
  assert.equal(next.spec.replicas, 2)
  assert.equal(JSON.parse(next.metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']).spec.replicas, 2)
  // What someone else changed since is not kubectl's to take.
  const changed = update(live, (d) => (d.spec.replicas = 7), 'autoscaler')
  assert.throws(
    () => apply(changed, { replicas: 2 }, { manager: 'kubectl' }),
    /1 conflict: conflict with "autoscaler" using apps\/v1: \.spec\.replicas/,
  )
})

test('serverSideApply keeps subresources apart and ignores what an endpoint does not own', () => {
  const created = apply(undefined, { replicas: 1 })
  const patch = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { replicas: 9 },
    status: { replicas: 1 },
  } as KubeObject
  const next = serverSideApply(created, patch, { ...base, manager: 'applier', subresource: 'status', ignored: fieldsOf(['f:spec']) }) as any
  assert.deepEqual(
    next.metadata.managedFields.map(({ subresource, fieldsV1 }: any) => [subresource, Object.keys(fieldsV1)]),
    [
      [undefined, ['f:spec']],
      ['status', ['f:status']],
    ],
  )
})

const refused: [string, object, Partial<ApplyOptions>, number, RegExp][] = [
  ['managedFields', { metadata: { name: 'web', managedFields: [] } }, {}, 400, /^metadata\.managedFields must be nil$/],
  [
    'another version',
    { apiVersion: 'apps/v2' },
    {},
    400,
    /^Incorrect version specified in apply patch\. Specified patch version: apps\/v2, expected: apps\/v1$/,
  ],
  ['no manager', {}, { manager: '' }, 422, /fieldManager: Required value: is required for apply patch$/],
  [
    'unknown fields',
    { spec: { foo: 1 } },
    {},
    500,
    /^failed to create typed patch object \(\/web; apps\/v1, Kind=Deployment\): \.spec\.foo: field not declared in schema$/,
  ],
  ['wrong types', { spec: { replicas: 'x' } }, {}, 500, /\.spec\.replicas: expected numeric \(int or float\), got string$/],
  [
    'duplicates',
    { spec: template(container('a'), container('a')) },
    {},
    500,
    /\.spec\.template\.spec\.containers: duplicate entries for key \[name="a"\]$/,
  ],
  ['__proto__', { spec: JSON.parse('{"__proto__":{"x":1}}') }, {}, 500, /\.spec\.__proto__: field not declared in schema$/],
]
for (const [title, patch, options, code, message] of refused) {
  test(`serverSideApply refuses ${title}`, () => {
    const whole = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, ...patch } as KubeObject
    assert.throws(
      () => serverSideApply(undefined, whole, { ...base, manager: 'a', ...options }),
      (error) => error instanceof StatusError && error.code === code && message.test(error.message),
    )
  })
}
