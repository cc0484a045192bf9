import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceSpec } from '#api/generated/types.ts'
import { Service } from '#api/kinds/core/service.ts'
import { IPAddress } from '#api/kinds/networking/ip-address.ts'
import { ServiceCIDR } from '#api/kinds/networking/service-cidr.ts'
import { alreadyExistsError, notFoundError, StatusError } from '#api/status.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { MemoryReader, nobodyCalled, noKinds } from '#server/access/memory-reader.ts'
import type { ServerContext } from '#server/request.ts'
import { createMemoryStore } from '#store/memory.ts'
import type { Store } from '#store/store.ts'
import { ServiceAllocator } from './service-allocator.ts'

function fixture(cidr = '10.96.0.0/12', shared?: Store) {
  const reader = new MemoryReader()
  const writer: ServerContext['writer'] = {
    async create(kind, object) {
      if (reader.get(kind, { name: object.metadata!.name! })) throw alreadyExistsError(kind, object.metadata!.name!)
      reader.put(kind, object)
      return object
    },
    async modify() {
      throw new Error('not used')
    },
    async delete(kind, key) {
      if (!reader.get(kind, key)) throw notFoundError(kind, key.name)
      reader.remove(kind, key)
      return {} as never
    },
  }
  const clientFor = () => {
    throw new Error('not used')
  }
  const context: ServerContext = {
    reader,
    writer,
    clientFor,
    clock: systemClock,
    random: seededRandom(7),
    log: silentLogger,
    url: () => '',
    registry: noKinds(),
    outgoing: nobodyCalled,
  }
  const allocator = new ServiceAllocator(context, { serviceCidr: cidr, shared })
  const write = async (name: string, spec: ServiceSpec, options: { previous?: Service; dryRun?: boolean; fails?: boolean } = {}) => {
    const service: Service = { metadata: { name, namespace: 'x' }, spec: { type: 'ClusterIP', ...spec } }
    const effect = await allocator.begin(service, options.previous, { dryRun: options.dryRun ?? false })
    if (options.fails || options.dryRun) effect.undo?.()
    else {
      effect.commit?.()
      reader.put(Service, service)
    }
    return service
  }
  const remove = async (service: Service) => {
    const effect = await allocator.begin(undefined, service, { dryRun: false })
    effect.commit?.()
    reader.remove(Service, { namespace: 'x', name: service.metadata!.name! })
  }
  const addresses = () => [...reader.list(IPAddress)].map(({ metadata }) => metadata!.name)
  return { reader, allocator, write, remove, addresses, context }
}

const port = (port: number, more = {}) => ({ port, protocol: 'TCP', ...more })
const at = (address: string): ServiceSpec => ({ clusterIP: address, clusterIPs: [address] })

test('ServiceAllocator gives addresses of the upper band and records them', async () => {
  const { reader, write } = fixture()
  const { spec } = await write('a', { ports: [port(80)] })
  assert.match(spec!.clusterIP!, /^10\.(9[6-9]|1\d\d)\./)
  assert.deepEqual([spec!.clusterIPs, spec!.ipFamilies, spec!.ipFamilyPolicy], [[spec!.clusterIP], ['IPv4'], 'SingleStack'])
  const record = reader.get(IPAddress, { name: spec!.clusterIP! })
  assert.deepEqual(record?.spec?.parentRef, { group: '', resource: 'services', namespace: 'x', name: 'a' })
  assert.deepEqual(record?.metadata?.labels, {
    'ipaddress.kubernetes.io/ip-family': 'IPv4',
    'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
  })
})

test('ServiceAllocator uses the reserved band once the rest is full, then says so', async () => {
  const { write } = fixture('192.0.2.0/27')
  const given = new Set<string>()
  for (let i = 0; i < 30; i++) {
    const { spec } = await write(`s${i}`, {})
    if (i < 14) assert.ok(Number(spec!.clusterIP!.split('.')[3]) > 16, `${spec!.clusterIP} is reserved`)
    given.add(spec!.clusterIP!)
  }
  assert.equal(given.size, 30)
  await assert.rejects(write('late', {}), { reason: 'InternalError', message: /range is full/ })
})

const ADDRESS_REFUSALS: [address: string, detail: string][] = [
  ['10.96.0.5', 'provided IP is already allocated'],
  ['192.0.2.1', 'the provided network does not match the current range'],
  ['10.96.0.0', 'the provided network does not match the current range'],
]

test('ServiceAllocator refuses addresses that are taken or outside', async () => {
  const { write } = fixture()
  await write('a', at('10.96.0.5'))
  for (const [address, detail] of ADDRESS_REFUSALS)
    for (const dryRun of [false, true])
      await assert.rejects(write('b', at(address), { dryRun }), {
        reason: 'Invalid',
        message: `Service "b" is invalid: spec.clusterIPs: Invalid value: ["${address}"]: failed to allocate IP ${address}: ${detail}`,
      })
})

test('ServiceAllocator gives back what a failed or dry write took', async () => {
  const { write, addresses } = fixture()
  await write('a', { ...at('10.96.0.5'), type: 'NodePort', ports: [port(80, { nodePort: 30001 })] }, { fails: true })
  await write('a', { ...at('10.96.0.5'), type: 'NodePort', ports: [port(80, { nodePort: 30001 })] }, { dryRun: true })
  await assert.rejects(write('a', { ...at('10.96.0.6'), type: 'NodePort', ports: [port(80, { nodePort: 99 })] }))
  assert.deepEqual(addresses(), [])
  await write('b', { ...at('10.96.0.5'), type: 'NodePort', ports: [port(80, { nodePort: 30001 })] })
  assert.deepEqual(addresses(), ['10.96.0.5'])
})

test('ServiceAllocator frees address and ports with the service', async () => {
  const { write, remove, addresses } = fixture()
  await remove(await write('a', { ...at('10.96.0.5'), type: 'NodePort', ports: [port(80, { nodePort: 30001 })] }))
  assert.deepEqual(addresses(), [])
  const again = await write('b', { ...at('10.96.0.5'), type: 'NodePort', ports: [port(80, { nodePort: 30001 })] })
  assert.equal(again.spec?.ports?.[0]?.nodePort, 30001)
})

test('ServiceAllocator frees node ports when the type changes, and the address for ExternalName', async () => {
  const { write, addresses } = fixture()
  const before = await write('a', { ...at('10.96.0.5'), type: 'NodePort', ports: [port(80, { nodePort: 30001 })] })
  const inside = await write('a', { ...at('10.96.0.5'), ports: [port(80)] }, { previous: before })
  await write('b', { type: 'NodePort', ports: [port(80, { nodePort: 30001 })] })
  assert.ok(addresses().includes('10.96.0.5'))
  await write('a', { type: 'ExternalName', externalName: 'example.org' }, { previous: inside })
  assert.ok(!addresses().includes('10.96.0.5'))
})

test('ServiceAllocator gives no address to headless and external services', async () => {
  const { write, addresses } = fixture()
  const headless = await write('a', { clusterIP: 'None', clusterIPs: ['None'], selector: { app: 'a' } })
  assert.equal(headless.spec!.clusterIP, 'None')
  const open = await write('b', { clusterIP: 'None', clusterIPs: ['None'] })
  assert.deepEqual([open.spec!.ipFamilyPolicy, open.spec!.ipFamilies], ['RequireDualStack', ['IPv4', 'IPv6']])
  await write('c', { type: 'ExternalName', externalName: 'example.org' })
  assert.deepEqual(addresses(), [])
})

test('ServiceAllocator gives node ports outside the reserved band', async () => {
  const { write } = fixture()
  const { spec } = await write('a', { type: 'NodePort', ports: [port(80, { name: 'a' }), port(81, { name: 'b' })] })
  const [first, second] = spec!.ports!.map(({ nodePort }) => nodePort!)
  assert.ok(first! >= 30086 && second! >= 30086 && first !== second)
})

test('ServiceAllocator shares one node port between protocols of a port', async () => {
  const { write } = fixture()
  const { spec } = await write('a', { type: 'NodePort', ports: [port(53, { name: 'u', protocol: 'UDP' }), port(53, { name: 't' })] })
  assert.equal(spec!.ports![0]!.nodePort, spec!.ports![1]!.nodePort)
})

test('ServiceAllocator refuses node ports that are taken or outside', async () => {
  const { write } = fixture()
  await write('a', { type: 'NodePort', ports: [port(80, { nodePort: 30001 })] })
  await assert.rejects(write('b', { type: 'NodePort', ports: [port(80, { nodePort: 30001 })] }), {
    message: 'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated',
  })
  await assert.rejects(write('b', { type: 'NodePort', ports: [port(80, { nodePort: 99 })] }), {
    message:
      'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 99: provided port is not in the valid range. The range of valid ports is 30000-32767',
  })
})

test('ServiceAllocator gives load balancers node ports unless told not to, and a health port for local traffic', async () => {
  const { write } = fixture()
  const balanced = await write('a', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [port(80)] })
  assert.ok(balanced.spec!.ports![0]!.nodePort! >= 30000 && balanced.spec!.healthCheckNodePort! >= 30000)
  const without = await write('b', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [port(80)] })
  assert.equal(without.spec!.ports![0]!.nodePort, undefined)
})

test('ServiceAllocator refuses what needs a second address family', async () => {
  const { write } = fixture()
  await assert.rejects(write('a', { ipFamilyPolicy: 'RequireDualStack' }), {
    message: /spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services/,
  })
  await assert.rejects(write('a', { ipFamilies: ['IPv6'] }), {
    message: /spec.ipFamilies\[0\]: Invalid value: "IPv6": not configured on this cluster/,
  })
  assert.deepEqual((await write('a', { ipFamilyPolicy: 'PreferDualStack' })).spec!.ipFamilies, ['IPv4'])
})

test('ServiceAllocator rebuilds what is taken from the services there are', async () => {
  const { reader, write, context, addresses } = fixture()
  await write('a', { ...at('10.96.0.5'), type: 'NodePort', ports: [port(80, { nodePort: 30001 })] })
  reader.remove(IPAddress, { name: '10.96.0.5' })
  reader.put(IPAddress, {
    metadata: { name: '10.96.0.9', labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
  } as unknown as IPAddress)
  reader.put(IPAddress, { metadata: { name: '10.96.0.8' } } as unknown as IPAddress)
  const fresh = new ServiceAllocator(context, { serviceCidr: '10.96.0.0/12' })
  await fresh.repair()
  assert.deepEqual(addresses().sort(), ['10.96.0.5', '10.96.0.8'])
  const claim = (spec: ServiceSpec) =>
    fresh.begin({ metadata: { name: 'b', namespace: 'x' }, spec: { type: 'NodePort', ...spec } }, undefined, { dryRun: true })
  await assert.rejects(claim(at('10.96.0.5')), /already allocated/)
  await assert.rejects(claim(at('10.96.0.8')), /already allocated/)
  await assert.rejects(claim({ ports: [port(80, { nodePort: 30001 })] }), /already allocated/)
  await claim(at('10.96.0.9'))
})

test('ServiceAllocator tells of addresses and services that disagree, and sets right what it can', async () => {
  const { reader, write, context } = fixture()
  const ref = (name: string, resource = 'services') => ({ spec: { parentRef: { group: '', resource, namespace: 'x', name } } })
  const labels = { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' }
  const put = (name: string, more: object, metadata: object = { labels, creationTimestamp: '2020-01-01T00:00:00Z' }) =>
    reader.put(IPAddress, { metadata: { name, ...metadata }, ...more } as unknown as IPAddress)
  for (const [name, address] of Object.entries({ missing: 1, stolen: 2, stray: 3, plain: 4, first: 5 }))
    await write(name, at(`10.96.0.${address}`))
  reader.remove(IPAddress, { name: '10.96.0.1' })
  put('10.96.0.2', ref('gate', 'gateways'))
  put('10.96.0.3', ref('nobody'))
  put('10.96.0.4', ref('plain'), {})
  for (const [name, address] of Object.entries({ second: '10.96.0.5', outside: '192.0.2.1' }))
    reader.put(Service, { metadata: { name, namespace: 'x' }, spec: { type: 'ClusterIP', ...at(address) } })
  put('10.96.0.11', ref('gate', 'gateways'))
  put('10.96.0.12', ref('plain'))
  put('10.96.0.13', ref('gone'))
  put('10.96.0.14', ref('coming'), { labels, creationTimestamp: new Date(systemClock.now()).toISOString() })
  const told: string[] = []
  const events: EventRecorder = {
    event: ({ metadata }, type, reason, message) => told.push(`${metadata!.name} ${type} ${reason} ${message}`),
  }
  await new ServiceAllocator(context, { serviceCidr: '10.96.0.0/12', events }).repair()
  assert.deepEqual(told.sort(), [
    '10.96.0.11 Warning IPAddressNotAllocated IPAddress 10.96.0.11 appears to have been modified, not referencing a Service &{ gateways x gate}: cleaning up',
    '10.96.0.12 Warning IPAddressWrongReference IPAddress: 10.96.0.12 for Service x/plain has a wrong reference; cleaning up',
    '10.96.0.13 Warning IPAddressNotAllocated IPAddress: 10.96.0.13 for Service x/gone appears to have leaked: cleaning up',
    'missing Warning ClusterIPNotAllocated Cluster IP [IPv4]: 10.96.0.1 is not allocated; repairing',
    'outside Warning ClusterIPOutOfRange Cluster IP [IPv4]: 192.0.2.1 is not within any configured Service CIDR; please recreate service',
    'second Warning ClusterIPAlreadyAllocated Cluster IP [IPv4]:10.96.0.5 was assigned to multiple services; please recreate service',
    'stolen Warning ClusterIPNotAllocated the ClusterIP [IPv4]: 10.96.0.2 for Service x/stolen has a wrong reference; repairing',
    'stray Warning ClusterIPNotAllocated the ClusterIP [IPv4]: 10.96.0.3 for Service x/stray has a wrong reference; repairing',
  ])
  const left = [...reader.list(IPAddress)].map(({ metadata, spec }) => `${metadata!.name} ${spec?.parentRef?.name} ${!!metadata!.labels}`)
  assert.deepEqual(left.sort(), [
    '10.96.0.1 missing true',
    '10.96.0.14 coming true',
    '10.96.0.2 stolen true',
    '10.96.0.3 stray true',
    '10.96.0.4 plain true',
    '10.96.0.5 first true',
  ])
})

test('ServiceAllocator opens further ranges when they are ready', async () => {
  const { reader, write } = fixture()
  const range: ServiceCIDR = { metadata: { name: 'more' }, spec: { cidrs: ['192.0.2.0/24'] } }
  const ready = (status: string) => ({
    status: { conditions: [{ type: 'Ready', status, reason: '', message: '', lastTransitionTime: '' }] },
  })
  reader.put(ServiceCIDR, { ...range, ...ready('False') })
  await assert.rejects(write('a', at('192.0.2.7')), /the provided network does not match the current range/)
  reader.put(ServiceCIDR, { ...range, ...ready('True') })
  assert.equal((await write('a', at('192.0.2.7'))).spec!.clusterIP, '192.0.2.7')
})

test('ServiceAllocator gives nothing of a range that is being deleted, the first one too, and keeps what is held there', async () => {
  const { reader, write, context, addresses } = fixture()
  await write('a', at('10.96.0.5'))
  const going = { metadata: { name: 'kubernetes', deletionTimestamp: '2026-01-01T00:00:00Z' }, spec: { cidrs: ['10.96.0.0/12'] } }
  reader.put(ServiceCIDR, going)
  await assert.rejects(write('b', {}), /range is full/)
  await assert.rejects(write('b', at('10.96.0.6')), /the provided network does not match the current range/)
  await new ServiceAllocator(context, { serviceCidr: '10.96.0.0/12' }).repair()
  assert.deepEqual(addresses(), ['10.96.0.5'])
  reader.put(ServiceCIDR, { metadata: { name: 'more' }, spec: { cidrs: ['192.0.2.0/24'] } })
  assert.match((await write('b', {})).spec!.clusterIP!, /^192\.0\.2\./)
  reader.put(ServiceCIDR, { ...going, metadata: { name: 'again' } })
  await write('c', at('10.96.0.6'))
})

const CLAIMS = '/sampan/ranges/servicenodeports/'
const nodePort = (number?: number): ServiceSpec => ({ type: 'NodePort', ports: [port(80, number ? { nodePort: number } : {})] })
const portOf = ({ spec }: Service) => spec!.ports![0]!.nodePort!

test('ServiceAllocator of several servers gives no node port twice, and those that are free again to any', async () => {
  await using store = createMemoryStore()
  const servers = [fixture('10.96.0.0/12', store), fixture('10.97.0.0/16', store)] as const
  const [one, other] = servers
  const given = await Promise.all(
    servers.flatMap(({ write }, at) => Array.from({ length: 300 }, (_, i) => write(`s${at}-${i}`, nodePort()))),
  )
  assert.equal(new Set(given.map(portOf)).size, 600)
  const held = await one.write('held', nodePort(30001))
  for (const dryRun of [false, true])
    await assert.rejects(other.write('late', nodePort(30001), { dryRun }), /provided port is already allocated/)
  await one.write('failed', nodePort(30002), { fails: true })
  await one.remove(held)
  for (const number of [30001, 30002]) await settled(() => other.write(`now-${number}`, nodePort(number)))
})

test('ServiceAllocator of several servers gives an address that another server took back', async () => {
  await using store = createMemoryStore()
  const { reader, allocator, write } = fixture('10.96.0.0/12', store)
  await write('a', at('10.96.0.5'))
  await allocator.repair()
  for (const dryRun of [true, false]) await assert.rejects(write('b', at('10.96.0.5'), { dryRun }), /provided IP is already allocated/)
  reader.remove(Service, { namespace: 'x', name: 'a' })
  reader.remove(IPAddress, { name: '10.96.0.5' })
  for (const dryRun of [true, false]) await write('b', at('10.96.0.5'), { dryRun })
})

test('ServiceAllocator of several servers takes away only the object it saw', async () => {
  await using store = createMemoryStore()
  const { reader, write, context } = fixture('10.96.0.0/12', store)
  await write('late', at('10.96.0.5'))
  await write('wrong', at('10.96.0.6'))
  // Of the first this server has not heard yet; the second another server sets right at this moment.
  reader.remove(IPAddress, { name: '10.96.0.5' })
  const metadata = { name: '10.96.0.6', uid: 'u', resourceVersion: '7' }
  reader.put(IPAddress, { metadata, spec: { parentRef: { resource: 'services', namespace: 'x', name: 'wrong' } } })
  const gone: unknown[] = []
  const writer: ServerContext['writer'] = {
    ...context.writer,
    async create(kind, object) {
      throw alreadyExistsError(kind, object.metadata!.name!)
    },
    async delete(kind, { name }, options) {
      gone.push([name, options?.preconditions])
      throw new StatusError('Conflict', 'it is another')
    },
  }
  await new ServiceAllocator({ ...context, writer }, { serviceCidr: '10.96.0.0/12', shared: store }).repair()
  assert.deepEqual(gone, [['10.96.0.6', { uid: 'u', resourceVersion: '7' }]])
})

test('ServiceAllocator of several servers gives the last free node port, then says so', async () => {
  await using store = createMemoryStore()
  const { write } = fixture('10.96.0.0/12', store)
  for (let number = 30000; number < 32767; number++) if (number !== 30007) await store.put(CLAIMS + number, Buffer.from('x/y'), 0)
  assert.deepEqual([portOf(await write('a', nodePort())), portOf(await write('b', nodePort()))].sort(), [30007, 32767])
  await assert.rejects(write('c', nodePort()), /failed to allocate a nodePort: range is full/)
})

test('ServiceAllocator of several servers claims what services hold, and drops a claim that had no service at two repairs', async () => {
  await using store = createMemoryStore()
  const { allocator, reader, write } = fixture('10.96.0.0/12', store)
  reader.put(Service, { metadata: { name: 'before', namespace: 'x' }, spec: nodePort(30005) })
  await store.put(`${CLAIMS}30009`, Buffer.from('x/gone'), 0)
  await allocator.repair()
  for (const number of [30005, 30009]) await assert.rejects(write('a', nodePort(number)), /already allocated/)
  await allocator.repair()
  await write('b', nodePort(30009))
  await allocator.repair()
  await assert.rejects(write('a', nodePort(30005)), /already allocated/)
})

/** What was given back goes in the background. */
async function settled<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (tries === 100) throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
