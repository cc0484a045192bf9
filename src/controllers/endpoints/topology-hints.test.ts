import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Endpoint } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { startTestCluster, type TestCluster } from '#controllers/testing.ts'
import type { SlicePlan } from './slice-plan.ts'
import { hintSlices, isAuto } from './topology-hints.ts'

const namespace = 'default'
const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const node = (name: string, zone: string, cpu: string, labels: Record<string, string> = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { ...(zone ? { 'topology.kubernetes.io/zone': zone } : {}), ...labels } },
  status: { ...ready, allocatable: { cpu } },
})
const endpoints = (zones: string) =>
  [...zones].map(
    (zone, index): Endpoint => ({ addresses: [`10.0.0.${index}`], conditions: { ready: true }, ...(zone === '-' ? {} : { zone }) }),
  )
const none = { added: 0, removed: 0 }
const even = [node('n1', 'a', '2'), node('n2', 'b', '2'), node('n3', 'c', '2')]

for (const [what, nodes, zones, expected] of [
  ['every endpoint for its own zone where zones are even', even, 'aabbcc', 'aabbcc'],
  ['from zones that have too many to those that have too few', even, 'aaaabb', 'ccaabb'],
  ['by processors, not by nodes', [node('n1', 'a', '6'), node('n2', 'b', '2')], 'aabb', 'aaab'],
  ['not for control planes', [...even, node('m', 'm', '8', { 'node-role.kubernetes.io/control-plane': '' })], 'abc', 'abc'],
  ['none where a node tells no zone', [...even, node('n4', '', '2')], 'abc', /^Insufficient Node information/],
  ['none in one zone', [even[0]!], 'aa', /^Insufficient Node information/],
  ['none for fewer endpoints than zones', even, 'ab', /^Insufficient number of endpoints \(2 endpoints, 3 zones\)$/],
  [
    'none where endpoints would be overloaded',
    [node('n1', 'a', '1'), node('n2', 'b', '1'), node('n3', 'c', '1'), node('n4', 'd', '2')],
    'abcd',
    /^Unable to allocate minimum required endpoints .* threshold \(4 endpoints, 4 zones\)$/,
  ],
  ['none for an endpoint without zone', even, 'ab-', /do not have a zone specified$/],
] as const) {
  test(`hintSlices gives hints: ${what}`, () => {
    const list = endpoints(zones)
    const refusal = hintSlices({ create: [{ ports: [], endpoints: list }], update: [], delete: [], keep: [], ...none }, nodes)
    if (typeof expected === 'string') {
      assert.equal(refusal, undefined)
      const hints = list.map(({ hints: hint }) => hint?.forZones?.[0]?.name).join('')
      assert.deepEqual([...hints].sort(), [...expected].sort())
      // Whoever can stay at home does.
      for (const zone of new Set(zones)) {
        const kept = list.filter((one) => one.zone === zone && one.hints?.forZones?.[0]?.name === zone).length
        const has = [...zones].filter((one) => one === zone).length
        assert.equal(kept, Math.min(has, [...expected].filter((one) => one === zone).length))
      }
    } else {
      assert.match(refusal ?? '', expected)
      assert.ok(list.every(({ hints }) => hints === undefined))
    }
  })
}

const slice = (text: string, hints: string): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: text },
  addressType: 'IPv4',
  endpoints: endpoints(text).map((one, index) => (hints[index] === '-' ? one : { ...one, hints: { forZones: [{ name: hints[index]! }] } })),
})

for (const [what, kept, newcomers, { stays, hints }] of [
  ['leaves hints that do', ['abc', 'abc'], '', { stays: 2, hints: '' }],
  ['leaves hints that do, though they are not what it would give now', ['aab', 'abc'], 'c', { stays: 2, hints: 'c' }],
  ['gives newcomers to those who lack', ['aab', 'aab'], 'aaa', { stays: 1, hints: 'abbccc' }],
  ['writes slices with ready endpoints without hints', ['a--'], 'bcc', { stays: 0, hints: 'aabbcc' }],
] as const) {
  test(`hintSlices ${what}`, () => {
    const keep = kept.map((text) => slice(text.replaceAll('-', 'b'), text))
    const plan: SlicePlan = {
      create: newcomers ? [{ ports: [], endpoints: endpoints(newcomers) }] : [],
      update: [],
      delete: [],
      keep,
      ...none,
    }
    assert.equal(hintSlices(plan, even), undefined)
    assert.equal(plan.keep.length, stays)
    const given = [...plan.create, ...plan.update].flatMap((one) => one.endpoints ?? [])
    assert.equal(
      given
        .map((one) => one.hints?.forZones?.[0]?.name)
        .sort()
        .join(''),
      hints,
    )
  })
}

test('hintSlices takes hints away where there can be none, and leaves slices alone that have none', () => {
  const plan: SlicePlan = { create: [], update: [], delete: [], keep: [slice('ab', 'ab'), slice('ba', '--')], ...none }
  assert.match(hintSlices(plan, [even[0]!])!, /^Insufficient Node information/)
  assert.equal(plan.keep.length, 1)
  assert.ok(plan.update[0]!.endpoints!.every(({ hints }) => hints === undefined))
})

async function start(t: Parameters<typeof startTestCluster>[0], service: object, annotations = {}): Promise<TestCluster> {
  const cluster = await startTestCluster(t, { only: ['endpointslice-controller'] })
  const { client, eventually } = cluster
  await eventually(() => client.get(ServiceAccount, { namespace, name: 'default' }))
  for (const one of even) {
    await client.create(Node, one)
    await client.patch(Node, { name: one.metadata!.name! }, { type: 'merge', patch: { status: one.status } }, { subresource: 'status' })
  }
  for (const [index, { metadata }] of even.entries()) {
    const key = { namespace, name: `p${index}` }
    const spec = { nodeName: metadata!.name!, containers: [{ name: 'c', image: 'c:1' }] }
    await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { ...key, labels: { app: 'web' } }, spec })
    const podIP = `10.244.0.${index + 1}`
    const status = { ...ready, phase: 'Running', podIP, podIPs: [{ ip: podIP }] }
    await client.patch(Pod, key, { type: 'merge', patch: { status } }, { subresource: 'status' })
  }
  await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: 'web', annotations },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }], ...service },
  })
  await eventually(async () => (await hintsOf(cluster)).length === 3)
  return cluster
}

async function hintsOf({ client }: TestCluster): Promise<Endpoint['hints'][]> {
  const { items } = await client.list(EndpointSlice, { namespace, labelSelector: 'kubernetes.io/service-name=web' })
  const all = items.flatMap((slice) => slice.endpoints ?? [])
  return all.toSorted((a, b) => (a.addresses[0]! < b.addresses[0]! ? -1 : 1)).map(({ hints }) => hints)
}

test('endpointSliceController in mode Auto takes hints back and gives them anew as nodes go and come', async (t) => {
  const cluster = await start(t, {}, { 'service.kubernetes.io/topology-mode': 'Auto' })
  const { client, eventually } = cluster
  const plain = { ...even[0]!, metadata: { name: 'plain' } }
  for (let round = 0; round < 2; round++) {
    await eventually(async () => (await hintsOf(cluster)).every((hints) => hints !== undefined))
    await client.create(Node, plain)
    await client.patch(Node, { name: 'plain' }, { type: 'merge', patch: { status: plain.status } }, { subresource: 'status' })
    await eventually(async () => (await hintsOf(cluster)).every((hints) => hints === undefined))
    await client.delete(Node, { name: 'plain' })
  }
})

for (const [preference, expected] of [
  ['PreferClose', { forZones: [{ name: 'a' }] }],
  ['PreferSameZone', { forZones: [{ name: 'a' }] }],
  ['PreferSameNode', { forZones: [{ name: 'a' }], forNodes: [{ name: 'n1' }] }],
] as const) {
  test(`endpointSliceController hints for ${preference}`, async (t) => {
    assert.deepEqual((await hintsOf(await start(t, { trafficDistribution: preference })))[0], expected)
  })
}

test('endpointSliceController in mode Auto hints, says so, takes it back when a zone is lost, and when the mode ends', async (t) => {
  const cluster = await start(t, {}, { 'service.kubernetes.io/topology-mode': 'Auto' })
  const { client, eventually, events } = cluster
  assert.deepEqual(
    (await hintsOf(cluster)).map((hints) => hints?.forZones?.[0]?.name),
    ['a', 'b', 'c'],
  )
  const said = (text: string) => eventually(async () => (await events('web')).includes(text))
  await said('TopologyAwareHintsEnabled: Topology Aware Hints has been enabled, addressType: IPv4')
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { metadata: { labels: { 'topology.kubernetes.io/zone': null } } } })
  await eventually(async () => (await hintsOf(cluster)).every((hints) => hints === undefined))
  await said(
    'TopologyAwareHintsDisabled: Insufficient Node information: allocatable CPU or zone not specified on one or more nodes, addressType: IPv4',
  )
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { metadata: { labels: { 'topology.kubernetes.io/zone': 'a' } } } })
  await eventually(async () => (await hintsOf(cluster)).every((hints) => hints !== undefined))
  await client.patch(Service, { namespace, name: 'web' }, { type: 'merge', patch: { metadata: { annotations: null } } })
  await eventually(async () => (await hintsOf(cluster)).every((hints) => hints === undefined))
  await said('TopologyAwareHintsDisabled: Topology Aware Hints has been disabled, addressType: IPv4')
})

for (const [what, annotations, expected] of [
  ['in either spelling', { 'service.kubernetes.io/topology-mode': 'auto' }, true],
  ['by its old name', { 'service.kubernetes.io/topology-aware-hints': 'Auto' }, true],
  [
    'as the old name says if both are there',
    { 'service.kubernetes.io/topology-mode': 'Auto', 'service.kubernetes.io/topology-aware-hints': 'Disabled' },
    false,
  ],
] as const) {
  test(`isAuto takes the mode ${what}`, () => {
    assert.equal(isAuto({ metadata: { annotations } }), expected)
  })
}
