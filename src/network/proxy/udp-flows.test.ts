import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProxiedPort } from './model.ts'
import { staleHostPortFlows, staleServiceFlows } from './udp-flows.ts'

const port = (ips: string[], more: Partial<ProxiedPort> = {}): ProxiedPort => {
  const endpoints = ips.map((ip) => ({ ip, port: 9000, local: true }))
  return {
    id: 'default/udp/udp/9000',
    protocol: 'udp',
    port: 9000,
    clusterIps: ['10.96.0.9'],
    externalIps: [],
    sourceRanges: [],
    endpoints,
    externalEndpoints: endpoints,
    externalLocal: false,
    ...more,
  }
}
const cluster = '--orig-dst 10.96.0.9 --orig-port-dst 9000'

const rows: { name: string; before: ProxiedPort[]; after: ProxiedPort[]; flows: string[] }[] = [
  { name: 'nothing while endpoints only join', before: [port(['10.0.0.1'])], after: [port(['10.0.0.1', '10.0.0.2'])], flows: [] },
  {
    name: 'those to an endpoint that left',
    before: [port(['10.0.0.1', '10.0.0.2'])],
    after: [port(['10.0.0.2'])],
    flows: [`${cluster} --reply-src 10.0.0.1`],
  },
  {
    name: 'those by every address of the service',
    before: [port(['10.0.0.1'], { nodePort: 30900, externalIps: ['192.0.2.7'] })],
    after: [],
    flows: [cluster, '--orig-dst 192.0.2.7 --orig-port-dst 9000', '--orig-port-dst 30900'].map((one) => `${one} --reply-src 10.0.0.1`),
  },
  {
    name: 'those that went nowhere before the first endpoint',
    before: [port([], { nodePort: 30900 })],
    after: [port(['10.0.0.1'], { nodePort: 30900 })],
    flows: [cluster, '--orig-port-dst 30900'],
  },
  { name: 'none of TCP', before: [port(['10.0.0.1'], { protocol: 'tcp' })], after: [], flows: [] },
]
for (const { name, before, after, flows } of rows)
  test(`staleServiceFlows names ${name}`, () =>
    assert.deepEqual(
      staleServiceFlows(before, after).map((flow) => flow.join(' ')),
      flows,
    ))

test('staleHostPortFlows names those to a pod that left and those from before it came', () => {
  const held = [{ protocol: 'udp' as const, hostPort: 53, ip: '10.0.0.1', port: 5353 }]
  assert.deepEqual(staleHostPortFlows(held, held), [])
  assert.deepEqual(staleHostPortFlows(held, []), [['--orig-port-dst', '53', '--reply-src', '10.0.0.1']])
  assert.deepEqual(staleHostPortFlows([], held), [['--orig-port-dst', '53']])
})
