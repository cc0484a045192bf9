import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service } from '#api/kinds/core/service.ts'
import type { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { lookUp, type ServiceSource } from './records.ts'

const zone = 'cluster.local'
const services: Record<string, Service> = {
  'default/web': {
    spec: {
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20'],
      ports: [
        { name: 'http', port: 80 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    },
  },
  'default/plain': { spec: { clusterIP: '10.96.0.21', clusterIPs: ['10.96.0.21'], ports: [{ port: 80 }] } },
  'default/db': { spec: { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'redis', port: 6379 }] } },
  'default/empty': { spec: { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'x', port: 1 }] } },
  'default/out': { spec: { type: 'ExternalName', externalName: 'example.org' } },
}
const dbSlice: EndpointSlice = {
  addressType: 'IPv4',
  ports: [{ name: 'redis', port: 6379, protocol: 'TCP' }],
  endpoints: [
    { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['10.244.0.6'], conditions: { ready: true } },
    { addresses: ['10.244.0.7'], conditions: { ready: false } },
  ],
}
const source: ServiceSource = {
  service: (namespace, name) => services[`${namespace}/${name}`],
  slices: (_, name) => (name === 'db' ? [dbSlice] : []),
  hasNamespace: (namespace) => namespace === 'default',
  nameOfAddress: (address) =>
    address === '10.96.0.20'
      ? { namespace: 'default', service: 'web' }
      : address === '10.244.0.5'
        ? { namespace: 'default', service: 'db', hostname: 'db-0' }
        : undefined,
}

/** What each question answers: data of the answers, or NXDOMAIN. */
const ROWS: [type: string, name: string, expected: unknown][] = [
  ['A', 'web.default.svc.cluster.local', ['10.96.0.20']],
  ['AAAA', 'web.default.svc.cluster.local', []],
  ['A', 'nothing.default.svc.cluster.local', 'NXDOMAIN'],
  ['A', 'web.elsewhere.svc.cluster.local', 'NXDOMAIN'],
  ['A', 'default.svc.cluster.local', []],
  ['A', 'elsewhere.svc.cluster.local', 'NXDOMAIN'],
  ['A', 'svc.cluster.local', []],
  ['A', 'cluster.local', []],
  ['SRV', '_http._tcp.web.default.svc.cluster.local', [{ priority: 0, weight: 100, port: 80, target: 'web.default.svc.cluster.local' }]],
  ['SRV', '_dns._udp.web.default.svc.cluster.local', [{ priority: 0, weight: 100, port: 53, target: 'web.default.svc.cluster.local' }]],
  ['SRV', '_http._udp.web.default.svc.cluster.local', 'NXDOMAIN'],
  ['A', '_http._tcp.web.default.svc.cluster.local', []],
  ['A', 'db.default.svc.cluster.local', ['10.244.0.5', '10.244.0.6']],
  ['A', 'db-0.db.default.svc.cluster.local', ['10.244.0.5']],
  ['A', '10-244-0-6.db.default.svc.cluster.local', ['10.244.0.6']],
  ['A', 'db-9.db.default.svc.cluster.local', 'NXDOMAIN'],
  ['A', 'x.web.default.svc.cluster.local', 'NXDOMAIN'],
  ['A', 'empty.default.svc.cluster.local', 'NXDOMAIN'],
  [
    'SRV',
    '_redis._tcp.db.default.svc.cluster.local',
    [
      { priority: 0, weight: 50, port: 6379, target: 'db-0.db.default.svc.cluster.local' },
      { priority: 0, weight: 50, port: 6379, target: '10-244-0-6.db.default.svc.cluster.local' },
    ],
  ],
  ['A', 'out.default.svc.cluster.local', ['example.org']],
  ['PTR', '20.0.96.10.in-addr.arpa', ['web.default.svc.cluster.local']],
  ['PTR', '5.0.244.10.in-addr.arpa', ['db-0.db.default.svc.cluster.local']],
  ['PTR', '9.9.9.9.in-addr.arpa', 'NXDOMAIN'],
  ['TXT', 'dns-version.cluster.local', ['1.1.0']],
  ['A', '10-244-0-9.default.pod.cluster.local', ['10.244.0.9']],
  ['A', '10-244-0-999.default.pod.cluster.local', 'NXDOMAIN'],
  ['A', 'nonsense.cluster.local', 'NXDOMAIN'],
]

for (const [type, name, expected] of ROWS) {
  test(`lookUp ${type} ${name}`, () => {
    const { exists, answers } = lookUp(source, { name, type, zone })
    assert.deepEqual(exists ? answers.map((answer) => (answer as { data: unknown }).data) : 'NXDOMAIN', expected)
  })
}

test('lookUp gives the addresses of SRV targets as additional records', () => {
  const { additionals } = lookUp(source, { name: '_redis._tcp.db.default.svc.cluster.local', type: 'SRV', zone })
  assert.deepEqual(
    additionals.map((record) => [record.name, (record as { data: unknown }).data]),
    [
      ['db-0.db.default.svc.cluster.local', '10.244.0.5'],
      ['10-244-0-6.db.default.svc.cluster.local', '10.244.0.6'],
    ],
  )
})
