import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { type Change, createdObject, createErrors, spec, testContext, updateErrors } from '#api/kinds/minimal-objects.ts'
import { tableOf } from '#api/table.ts'
import { Endpoints } from './endpoints.ts'
import { Service } from './service.ts'

/** What the server's allocators would have filled in. */
const allocated = (fields: Record<string, unknown> = {}): Change =>
  spec({ clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack', ...fields })

const refused: [Kind<any>, string, Change, string[]][] = [
  [Service, 'no ports', spec({ ports: [] }), ['spec.ports: Required value']],
  [
    Service,
    'a port out of range',
    spec({ ports: [{ port: 0 }] }),
    [
      'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
  ],
  [
    Service,
    'two ports without names',
    spec({ ports: [{ port: 80 }, { port: 81 }] }),
    ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
  ],
  [
    Service,
    'a port name twice',
    spec({
      ports: [
        { name: 'a', port: 80 },
        { name: 'a', port: 81 },
      ],
    }),
    ['spec.ports[1].name: Duplicate value: "a"'],
  ],
  [
    Service,
    'a node port where nodes do not listen',
    spec({ ports: [{ port: 80, nodePort: 30080 }] }),
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  ],
  [
    Service,
    'an unknown type',
    spec({ type: 'Other' }),
    ['spec.type: Unsupported value: "Other": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'],
  ],
  [Service, 'an external name that is missing', spec({ type: 'ExternalName' }), ['spec.externalName: Required value']],
  [
    Service,
    'affinity for too long',
    spec({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } } }),
    ['spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400'],
  ],
  [
    Service,
    'addresses that contradict',
    allocated({ clusterIPs: ['10.96.0.11'] }),
    ['spec.clusterIPs: Invalid value: ["10.96.0.11"]: first value must match `clusterIP`'],
  ],
  [
    Service,
    'an external policy for what is not external',
    spec({ externalTrafficPolicy: 'Local' }),
    ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
  ],
  [
    Service,
    'an address with leading zeros',
    spec({ externalIPs: ['010.0.0.1'] }),
    ['spec.externalIPs[0]: Invalid value: "010.0.0.1": must not have leading 0s'],
  ],
  [
    Endpoints,
    'a loopback address',
    (e) => (e.subsets[0].addresses[0].ip = '127.0.0.1'),
    ['subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  ],
  [
    Endpoints,
    'no addresses',
    (e) => (e.subsets[0].addresses = []),
    ['subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`'],
  ],
  [
    EndpointSlice,
    'an unknown address type',
    (e) => (e.addressType = 'IP'),
    ['addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6"'],
  ],
  [EndpointSlice, 'two ports of one name', (e) => (e.ports = [{ port: 80 }, { port: 81 }]), ['ports[1].name: Duplicate value: ""']],
]

for (const [kind, what, change, expected] of refused)
  test(`${kind.kind} refuses ${what}`, () => assert.deepEqual(createErrors(kind, change), expected))

test('Service default fills what upstream fills', () => {
  assert.deepEqual(createdObject(Service).spec, {
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    selector: { app: 'a' },
    sessionAffinity: 'None',
    type: 'ClusterIP',
    internalTrafficPolicy: 'Cluster',
  })
  const balanced = createdObject(Service, spec({ type: 'LoadBalancer', sessionAffinity: 'ClientIP' })).spec!
  assert.equal(balanced.externalTrafficPolicy, 'Cluster')
  assert.equal(balanced.allocateLoadBalancerNodePorts, true)
  assert.deepEqual(balanced.sessionAffinityConfig, { clientIP: { timeoutSeconds: 10800 } })
})

test('Service update keeps addresses and node ports the caller left out', () => {
  const previous = createdObject(Service, allocated({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }))
  const next = createdObject(Service, spec({ type: 'NodePort', ports: [{ port: 80 }] }))
  Service.prepareForUpdate!(next, previous, testContext)
  assert.deepEqual(next.spec!.clusterIPs, ['10.96.0.10'])
  assert.equal(next.spec!.ports![0]!.nodePort, 30080)
  assert.equal(next.spec!.ipFamilyPolicy, 'SingleStack')
})

test('Service update of the type lets go what belonged to the old one', () => {
  const previous = createdObject(Service, allocated({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }))
  const inside = structuredClone(previous)
  inside.spec!.type = 'ClusterIP'
  Service.prepareForUpdate!(inside, previous, testContext)
  assert.equal(inside.spec!.ports![0]!.nodePort, undefined)
  assert.equal(inside.spec!.externalTrafficPolicy, undefined)
  assert.deepEqual(Service.validate!(inside, previous, testContext), [])
  const named = structuredClone(previous)
  Object.assign(named.spec!, { type: 'ExternalName', externalName: 'example.com' })
  Service.prepareForUpdate!(named, previous, testContext)
  assert.equal(named.spec!.clusterIP, undefined)
  assert.deepEqual(Service.validate!(named, previous, testContext), [])
})

test('Service cluster address may not change once set', () => {
  assert.deepEqual(updateErrors(Service, spec({ clusterIP: '10.96.0.11', clusterIPs: ['10.96.0.11'] }), { before: allocated() }), [
    'spec.clusterIPs[0]: Invalid value: ["10.96.0.11"]: may not change once set',
  ])
})

const rows: [Kind<any>, string, Change, unknown[]][] = [
  [Service, 'a cluster address', allocated(), ['x', 'ClusterIP', '10.96.0.10', '<none>', '80/TCP', '<unknown>', 'app=a']],
  [
    Service,
    'a node port',
    allocated({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }] }),
    ['x', 'NodePort', '10.96.0.10', '<none>', '80:30080/TCP', '<unknown>', 'app=a'],
  ],
  [
    Service,
    'a load balancer to come',
    allocated({ type: 'LoadBalancer' }),
    ['x', 'LoadBalancer', '10.96.0.10', '<pending>', '80/TCP', '<unknown>', 'app=a'],
  ],
  [
    Service,
    'the addresses of a load balancer, in order, and others',
    (service) => {
      allocated({ type: 'LoadBalancer', externalIPs: ['9.9.9.9', '1.1.1.1'] })(service)
      service.status = { loadBalancer: { ingress: [{ hostname: 'b' }, { ip: '5.5.5.5' }, { hostname: 'b' }, { hostname: 'a' }] } }
    },
    ['x', 'LoadBalancer', '10.96.0.10', '5.5.5.5,a,b,9.9.9.9,1.1.1.1', '80/TCP', '<unknown>', 'app=a'],
  ],
  [
    Endpoints,
    'its addresses',
    (e) => (e.subsets[0].addresses = ['1', '2', '3', '4'].map((last) => ({ ip: `10.0.0.${last}` }))),
    ['x', '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...', '<unknown>'],
  ],
  [EndpointSlice, 'its addresses', () => {}, ['x', 'IPv4', '80', '10.0.0.1', '<unknown>']],
]

for (const [kind, what, change, expected] of rows)
  test(`${kind.kind} columns show ${what}`, () => {
    const object = createdObject(kind)
    change(object)
    assert.deepEqual(tableOf(kind, [object], { now: testContext.now }).rows[0]!.cells, expected)
  })
