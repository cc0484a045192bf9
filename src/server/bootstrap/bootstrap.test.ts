import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { Endpoints } from '#api/kinds/core/endpoints.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { PriorityLevelConfiguration } from '#api/kinds/flowcontrol/priority-level-configuration.ts'
import { FlowSchema } from '#api/kinds/flowcontrol/flow-schema.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { ServiceCIDR } from '#api/kinds/networking/service-cidr.ts'
import { Role } from '#api/kinds/rbac/role.ts'
import { RoleBinding } from '#api/kinds/rbac/role-binding.ts'
import { PriorityClass } from '#api/kinds/scheduling/priority-class.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { systemRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { MemoryReader, nobodyCalled, noKinds } from '#server/access/memory-reader.ts'
import { RbacAuthorizer } from '#server/access/rbac-authorizer.ts'
import { RbacIndex } from '#server/access/rbac-index.ts'
import { attributesOf } from '#server/attributes.ts'
import type { ServerContext } from '#server/request.ts'
import { bootstrap, type BootstrapOptions, keep } from './bootstrap.ts'
import { defaultBindings, defaultRoles } from './rbac.ts'

const indexOf = (reader: MemoryReader) => {
  const index = new RbacIndex(reader)
  return () => index
}

const options = {
  serviceCidr: '10.96.0.0/12',
  serviceAddress: '10.96.0.1',
  dnsAddress: '10.96.0.10',
  advertiseAddress: '192.0.2.1',
  port: 6443,
  hostName: 'boat',
  shared: false,
  authority: 'A',
  frontProxyAuthority: 'B',
}

function fixture(clock: Clock = systemClock) {
  const reader = new MemoryReader()
  const writer: ServerContext['writer'] = {
    async create(kind, object) {
      reader.put(kind, object)
      return object
    },
    async modify(kind, key, change) {
      const copy = structuredClone(reader.get(kind, key)!)
      change(copy)
      reader.put(kind, copy)
      return copy
    },
    async delete(kind, key) {
      const gone = reader.get(kind, key)!
      reader.remove(kind, key)
      return gone
    },
  }
  const clientFor = () => {
    throw new Error('not used')
  }
  const context: ServerContext = {
    reader,
    writer,
    clientFor,
    clock,
    random: systemRandom,
    log: silentLogger,
    url: () => '',
    registry: noKinds(),
    outgoing: nobodyCalled,
  }
  return { reader, context, run: (more = {}) => bootstrap(context, { ...options, ...more }, new AbortController().signal) }
}

test('bootstrap writes nothing the second time', async () => {
  const { run } = fixture()
  assert.ok((await run()) > 150)
  assert.equal(await run(), 0)
})

test('bootstrap follows a changed port', async () => {
  const { reader, run } = fixture()
  await run()
  assert.equal(await run({ port: 7443 }), 3)
  assert.equal(reader.get(Service, { namespace: 'default', name: 'kubernetes' })?.spec?.ports?.[0]?.targetPort, 7443)
})

test('bootstrap puts back what is missing and keeps what was added', async () => {
  const { reader, run } = fixture()
  await run()
  const role = structuredClone(reader.get(ClusterRole, { name: 'system:basic-user' })!)
  role.rules = [{ apiGroups: ['acme.com'], resources: ['boats'], verbs: ['get'] }]
  reader.put(ClusterRole, role)
  assert.equal(await run(), 1)
  assert.deepEqual(
    reader.get(ClusterRole, { name: 'system:basic-user' })?.rules?.flatMap(({ resources }) => resources),
    ['boats', 'selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews'],
  )
})

const BOOT_KINDS: [Kind<any>, number][] = [
  [Namespace, 4],
  [PriorityClass, 2],
  // Upstream's, and the one that a metrics server brings.
  [ClusterRole, 70],
  [Role, 7],
  [ClusterRoleBinding, 50],
  [RoleBinding, 7],
  [PriorityLevelConfiguration, 8],
  [FlowSchema, 11],
  [ConfigMap, 2],
  [ServiceCIDR, 1],
  [Service, 2],
  [Endpoints, 1],
  [EndpointSlice, 1],
]

test('bootstrap brings back every object of every kind that was deleted', async () => {
  const { reader, run } = fixture(createVirtualClock())
  const total = await run()
  const counts = BOOT_KINDS.map(([kind]) => [kind.kind, [...reader.list<KubeObject>(kind)].length])
  assert.deepEqual(
    counts,
    BOOT_KINDS.map(([kind, count]) => [kind.kind, count]),
  )
  assert.equal(
    total,
    BOOT_KINDS.reduce((sum, [, count]) => sum + count, 0),
  )
  for (const [kind, count] of BOOT_KINDS) {
    const before = structuredClone([...reader.list<KubeObject>(kind)])
    for (const { metadata } of before) reader.remove<KubeObject>(kind, { ...metadata, name: metadata!.name! })
    assert.equal(await run(), count, kind.kind)
    const after = new Map([...reader.list<KubeObject>(kind)].map((one) => [`${one.metadata?.namespace} ${one.metadata?.name}`, one]))
    for (const one of before) assert.deepEqual(after.get(`${one.metadata?.namespace} ${one.metadata?.name}`), one)
  }
})

/** What someone changed, and whether a start undoes it. */
const ALTERED: [string, Kind<any>, ObjectKey, (object: any) => void, boolean][] = [
  ['a role lost a rule', Role, { namespace: 'kube-system', name: 'system:controller:bootstrap-signer' }, (o) => o.rules.pop(), true],
  ['a cluster role lost a label', ClusterRole, { name: 'view' }, (o) => delete o.metadata.labels, true],
  ['a cluster role was told more of', ClusterRole, { name: 'view' }, (o) => (o.metadata.labels['of'] = 'ours'), false],
  ['a binding lost its subjects', ClusterRoleBinding, { name: 'cluster-admin' }, (o) => delete o.subjects, true],
  ['a binding binds to another', ClusterRoleBinding, { name: 'system:basic-user' }, (o) => (o.roleRef.name = 'cluster-admin'), true],
  [
    'a binding has one subject more',
    ClusterRoleBinding,
    { name: 'system:discovery' },
    (o) => o.subjects.push({ kind: 'User', name: 'x' }),
    false,
  ],
  [
    'a level has other shares',
    PriorityLevelConfiguration,
    { name: 'workload-low' },
    (o) => (o.spec.limited.nominalConcurrencyShares = 1),
    true,
  ],
  ['a schema goes first', FlowSchema, { name: 'service-accounts' }, (o) => (o.spec.matchingPrecedence = 1), true],
  ['a class describes itself otherwise', PriorityClass, { name: 'system-node-critical' }, (o) => (o.description = 'x'), false],
  ['a namespace has a label', Namespace, { name: 'default' }, (o) => (o.metadata.labels = { of: 'ours' }), false],
  ['the service has other ports', Service, { namespace: 'default', name: 'kubernetes' }, (o) => (o.spec.ports = [{ port: 80 }]), true],
  ['the addresses are others', Endpoints, { namespace: 'default', name: 'kubernetes' }, (o) => (o.subsets = []), true],
  ['the slice is empty', EndpointSlice, { namespace: 'default', name: 'kubernetes' }, (o) => (o.endpoints = []), true],
  [
    'what extension servers read is gone',
    ConfigMap,
    { namespace: 'kube-system', name: 'extension-apiserver-authentication' },
    (o) => delete o.data['client-ca-file'],
    true,
  ],
]

for (const [what, kind, key, alter, undone] of ALTERED)
  test(`bootstrap ${undone ? 'undoes' : 'leaves'} it where ${what}`, async () => {
    const { reader, run } = fixture(createVirtualClock())
    await run()
    const before = structuredClone(reader.get(kind, key))
    assert.ok(before)
    const altered = structuredClone(before)
    alter(altered)
    reader.put(kind, altered)
    assert.equal(await run(), undone ? 1 : 0)
    assert.deepEqual(reader.get(kind, key), undone ? before : altered)
  })

test('bootstrap leaves alone what says autoupdate=false', async () => {
  const { reader, run } = fixture()
  await run()
  const binding = structuredClone(reader.get(ClusterRoleBinding, { name: 'system:discovery' })!)
  binding.metadata!.annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' }
  binding.subjects = []
  binding.roleRef!.name = 'view'
  reader.put(ClusterRoleBinding, binding)
  const level = structuredClone(reader.get(PriorityLevelConfiguration, { name: 'system' })!)
  level.metadata!.annotations = { 'apf.kubernetes.io/autoupdate-spec': 'false' }
  level.spec!.limited!.nominalConcurrencyShares = 1
  reader.put(PriorityLevelConfiguration, level)
  assert.equal(await run(), 0)
})

const shares = (reader: MemoryReader, name: string) => {
  const { metadata, spec } = reader.get(PriorityLevelConfiguration, { name })!
  return [metadata!.annotations?.['apf.kubernetes.io/autoupdate-spec'], (spec?.limited ?? spec?.exempt)?.nominalConcurrencyShares]
}

for (const [title, name, { annotation, generation = 2 }, result] of [
  ['what reads as true', 'system', { annotation: 'T' }, ['T', 30]],
  ['what reads as false', 'system', { annotation: '0' }, ['0', 1]],
  ['what says nothing and was changed', 'system', {}, ['false', 1]],
  ['what says nonsense and was not changed', 'system', { annotation: 'maybe', generation: 1 }, ['true', 30]],
  ['what is mandatory', 'catch-all', { annotation: 'false' }, ['true', 5]],
  ['how much the exempt level has', 'exempt', { annotation: 'true' }, ['true', 1]],
] as [string, string, { annotation?: string; generation?: number }, [string, number]][])
  test(`bootstrap and the annotation of priority and fairness: ${title}`, async () => {
    const { reader, run } = fixture()
    await run()
    const level = structuredClone(reader.get(PriorityLevelConfiguration, { name })!)
    const limits = (level.spec!.limited ?? level.spec!.exempt)!
    limits.nominalConcurrencyShares = 1
    Object.assign(level.metadata!, {
      generation,
      annotations: annotation === undefined ? {} : { 'apf.kubernetes.io/autoupdate-spec': annotation },
    })
    reader.put(PriorityLevelConfiguration, level)
    await run()
    assert.deepEqual(shares(reader, name), result)
    assert.equal(await run(), 0)
  })

test('bootstrap removes defaults of other versions, and nothing else', async () => {
  const { reader, run } = fixture()
  await run()
  for (const [name, annotations] of Object.entries({
    old: { 'apf.kubernetes.io/autoupdate-spec': 'true' },
    kept: { 'apf.kubernetes.io/autoupdate-spec': 'false' },
    own: {},
  }))
    for (const kind of [PriorityLevelConfiguration, FlowSchema]) reader.put<any>(kind, { metadata: { name, annotations }, spec: {} })
  assert.equal(await run(), 2)
  for (const kind of [PriorityLevelConfiguration, FlowSchema])
    assert.deepEqual(
      ['old', 'kept', 'own'].map((name) => reader.get<any>(kind, { name }) !== undefined),
      [false, true, true],
    )
})

test('defaultRoles are all there and aggregated ones hold the rules they gather', async () => {
  const { reader, run } = fixture()
  await run()
  const names = defaultRoles().map(({ kind, object }) => `${kind.plural} ${object.metadata.name}`)
  assert.equal(names.filter((name) => name.startsWith('clusterroles ')).length, 70)
  assert.equal(names.filter((name) => name.startsWith('roles ')).length, 7)
  assert.deepEqual(
    [...Map.groupBy(defaultBindings(), ({ kind }) => kind.plural)].map(([plural, all]) => [plural, all.length]),
    [
      ['clusterrolebindings', 50],
      ['rolebindings', 7],
    ],
  )
  const rbac = new RbacAuthorizer(indexOf(reader))
  reader.put(ClusterRoleBinding, {
    metadata: { name: 'v' },
    roleRef: { kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'User', name: 'v' }],
  })
  reader.put(ClusterRoleBinding, {
    metadata: { name: 'e' },
    roleRef: { kind: 'ClusterRole', name: 'edit' },
    subjects: [{ kind: 'User', name: 'e' }],
  })
  const may = (username: string, verb: string, resource: string) =>
    rbac.authorize(attributesOf({ group: '', version: 'v1', plural: resource }, { user: { username, groups: [] }, verb, namespace: 'x' }))
      .allowed
  assert.deepEqual(
    [may('v', 'get', 'pods'), may('v', 'get', 'secrets'), may('v', 'create', 'pods'), may('e', 'create', 'pods'), may('e', 'get', 'pods')],
    [true, false, false, true, true],
  )
})

test("keep brings back the API server's service after it was deleted, and leaves the rest alone", async () => {
  const clock = createVirtualClock()
  const { reader, context, run } = fixture(clock)
  await run()
  const key = { namespace: 'default', name: 'kubernetes' }
  const dns = reader.get(Service, { namespace: 'kube-system', name: 'kube-dns' })
  reader.remove(Service, key)
  const stop = new AbortController()
  const keeping = keep(context, options, stop.signal)
  await clock.advance(10_000)
  assert.equal(reader.get(Service, key)?.spec?.clusterIP, '10.96.0.1')
  assert.equal(reader.get(Service, { namespace: 'kube-system', name: 'kube-dns' }), dns)
  stop.abort()
  await keeping
})

test('keep brings back what extension servers read, and what it said', async () => {
  const clock = createVirtualClock()
  const { reader, context, run } = fixture(clock)
  await run()
  const key = { namespace: 'kube-system', name: 'extension-apiserver-authentication' }
  const { data } = structuredClone(reader.get(ConfigMap, key)!)
  reader.remove(ConfigMap, key)
  const stop = new AbortController()
  const keeping = keep(context, options, stop.signal)
  await clock.advance(10_000)
  const restored = structuredClone(reader.get(ConfigMap, key)!)
  assert.deepEqual(restored.data, data)
  reader.put(ConfigMap, { ...restored, data: { ...data, 'client-ca-file': 'mine', more: 'x' } })
  await clock.advance(10_000)
  assert.deepEqual(reader.get(ConfigMap, key)?.data, { ...data, more: 'x' })
  stop.abort()
  await keeping
})

test('keep brings mandatory priority levels back to what they must be, and suggested ones that were deleted', async () => {
  const clock = createVirtualClock()
  const { reader, context, run } = fixture(clock)
  await run()
  const level = structuredClone(reader.get(PriorityLevelConfiguration, { name: 'catch-all' })!)
  level.metadata!.annotations = { 'apf.kubernetes.io/autoupdate-spec': 'false' }
  level.spec!.limited!.nominalConcurrencyShares = 1
  reader.put(PriorityLevelConfiguration, level)
  reader.remove(PriorityLevelConfiguration, { name: 'workload-low' })
  const stop = new AbortController()
  const keeping = keep(context, options, stop.signal)
  await clock.advance(60_000)
  assert.equal(reader.get(PriorityLevelConfiguration, { name: 'catch-all' })?.spec?.limited?.nominalConcurrencyShares, 5)
  assert.equal(reader.get(PriorityLevelConfiguration, { name: 'workload-low' })?.spec?.limited?.nominalConcurrencyShares, 100)
  stop.abort()
  await keeping
})

const leasesIn = (reader: MemoryReader) => [...reader.list(Lease, 'kube-system')]

const addressesIn = (reader: MemoryReader) =>
  reader
    .get(Endpoints, { namespace: 'default', name: 'kubernetes' })
    ?.subsets?.flatMap(({ addresses, ports }) => addresses?.map(({ ip }) => `${ip}:${ports?.[0]?.port}`))

const slicesIn = (reader: MemoryReader) =>
  Object.fromEntries(
    [...reader.list(EndpointSlice, 'default')].map(({ metadata, endpoints, ports }) => [
      metadata?.name,
      `${endpoints?.flatMap(({ addresses }) => addresses)}:${ports?.[0]?.port}`,
    ]),
  )

function serverOf(context: ServerContext, more: Partial<BootstrapOptions>) {
  const stop = new AbortController()
  const kept = keep(context, { ...options, ...more }, stop.signal)
  return async () => {
    stop.abort()
    await kept
  }
}

test('keep holds a lease that says which server this is, renewed every ten seconds', async () => {
  const clock = createVirtualClock()
  const { reader, context, run } = fixture(clock)
  await run()
  const stop = serverOf(context, {})
  await clock.advance(0)
  const [first] = leasesIn(reader)
  assert.match(first?.metadata?.name ?? '', /^apiserver-[a-z2-7]{26}$/)
  assert.deepEqual(first?.metadata?.labels, { 'apiserver.kubernetes.io/identity': 'kube-apiserver', 'kubernetes.io/hostname': 'boat' })
  assert.equal(first?.spec?.leaseDurationSeconds, 3600)
  assert.ok(first?.spec?.holderIdentity?.startsWith(`${first.metadata?.name}_`))
  await clock.advance(10_000)
  const [second] = leasesIn(reader)
  assert.equal(Date.parse(second!.spec!.renewTime!) - Date.parse(first!.spec!.renewTime!), 10_000)
  reader.remove(Lease, { namespace: 'kube-system', name: first!.metadata!.name! })
  await clock.advance(10_000)
  assert.equal(leasesIn(reader).length, 1)
  await stop()
})

test('keep takes away leases of servers that did not renew them for an hour', async () => {
  const clock = createVirtualClock()
  const { reader, context, run } = fixture(clock)
  await run()
  await serverOf(context, { hostName: 'wreck' })()
  reader.put(Lease, { metadata: { namespace: 'kube-system', name: 'someone-elses' }, spec: { renewTime: '2020-01-01T00:00:00.000000Z' } })
  const wreck = leasesIn(reader)[0]?.metadata?.name
  const stop = serverOf(context, {})
  await clock.advance(3_600_000)
  assert.ok(leasesIn(reader).some(({ metadata }) => metadata?.name === wreck))
  await clock.advance(3_600_000)
  const left = leasesIn(reader).map(({ metadata }) => metadata?.name)
  assert.equal(left.length, 2)
  assert.ok(left.includes('someone-elses') && !left.includes(wreck))
  await stop()
})

test('keep lists every server of a shared store that lives, and drops one that is silent', async () => {
  const clock = createVirtualClock()
  const { reader, context, run } = fixture(clock)
  await run()
  const first = serverOf(context, { shared: true })
  const second = serverOf(context, { shared: true, hostName: 'ship', advertiseAddress: '192.0.2.2' })
  const third = serverOf(context, { shared: true, port: 6444 })
  const both = '192.0.2.1,192.0.2.2:6443'
  const changes = new Set<string>()
  using _watching = reader.onChange(Endpoints, ({ object }) => void changes.add(JSON.stringify(object?.subsets)))
  await clock.advance(60_000)
  assert.deepEqual(addressesIn(reader), ['192.0.2.1:6443', '192.0.2.2:6443', '192.0.2.1:6444'])
  assert.deepEqual(slicesIn(reader), { kubernetes: both, 'kubernetes-6444': '192.0.2.1:6444' })
  assert.equal(changes.size, 1)
  await third()
  await clock.advance(30_000)
  assert.deepEqual(addressesIn(reader), ['192.0.2.1:6443', '192.0.2.2:6443'])
  assert.deepEqual(slicesIn(reader), { kubernetes: both })
  await first()
  await clock.advance(30_000)
  assert.deepEqual(addressesIn(reader), ['192.0.2.2:6443'])
  await second()
})

test('keep alone on its store follows no lease, so that a new port replaces the old at once', async () => {
  const { reader, context, run } = fixture(createVirtualClock())
  await run()
  await serverOf(context, {})()
  await run({ port: 7443 })
  assert.deepEqual(addressesIn(reader), ['192.0.2.1:7443'])
})
