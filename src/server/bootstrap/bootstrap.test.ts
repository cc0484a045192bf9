import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { Service } from '#api/kinds/core/service.ts'
import { PriorityLevelConfiguration } from '#api/kinds/flowcontrol/priority-level-configuration.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { systemRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { MemoryReader, nobodyCalled, noKinds } from '#server/access/memory-reader.ts'
import { RbacAuthorizer } from '#server/access/rbac-authorizer.ts'
import { RbacIndex } from '#server/access/rbac-index.ts'
import type { ServerContext } from '#server/request.ts'
import { bootstrap, keep } from './bootstrap.ts'
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
    async delete() {
      throw new Error('not used')
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

test('bootstrap leaves alone what says autoupdate=false', async () => {
  const { reader, run } = fixture()
  await run()
  const binding = structuredClone(reader.get(ClusterRoleBinding, { name: 'system:discovery' })!)
  binding.metadata!.annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' }
  binding.subjects = []
  reader.put(ClusterRoleBinding, binding)
  const level = structuredClone(reader.get(PriorityLevelConfiguration, { name: 'system' })!)
  level.metadata!.annotations = { 'apf.kubernetes.io/autoupdate-spec': 'false' }
  level.spec!.limited!.nominalConcurrencyShares = 1
  reader.put(PriorityLevelConfiguration, level)
  assert.equal(await run(), 0)
})

test('defaultRoles are all there and aggregated ones hold the rules they gather', async () => {
  const { reader, run } = fixture()
  await run()
  const names = defaultRoles().map(({ kind, object }) => `${kind.plural} ${object.metadata.name}`)
  assert.equal(names.filter((name) => name.startsWith('clusterroles ')).length, 69)
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
    rbac.authorize({
      user: { username, groups: [] },
      verb,
      isResourceRequest: true,
      path: '',
      group: '',
      version: 'v1',
      resource,
      subresource: '',
      namespace: 'x',
      name: '',
    }).allowed
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
