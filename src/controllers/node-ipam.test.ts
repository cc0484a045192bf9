import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ValidatingAdmissionPolicy } from '#api/kinds/admissionregistration/validating-admission-policy.ts'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import { Node } from '#api/kinds/core/node.ts'
import { startTestCluster, type TestCluster } from './testing.ts'

const only = ['node-ipam-controller']

const addNode = ({ client }: TestCluster, name: string, ...podCIDRs: string[]) =>
  client.create(Node, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: podCIDRs.length > 0 ? { podCIDR: podCIDRs[0]!, podCIDRs } : {},
  })

const rangeOf = ({ client, eventually }: TestCluster, name: string) =>
  eventually(async () => (await client.get(Node, { name })).spec?.podCIDR)

test('nodeIpamController gives nothing away that a node was given by hand, whatever its size', async (t) => {
  const cluster = await startTestCluster(t, { only, controllers: { clusterCidr: '10.0.0.0/21' } })
  await addNode(cluster, 'large', '10.0.0.0/23')
  await addNode(cluster, 'small', '10.0.3.128/25')
  await addNode(cluster, 'dual', 'fd00::/64', '10.0.5.0/24')
  await addNode(cluster, 'elsewhere', '192.168.0.0/24')
  for (const [name, range] of [
    ['a', '10.0.2.0/24'],
    ['b', '10.0.4.0/24'],
    ['c', '10.0.6.0/24'],
    ['d', '10.0.7.0/24'],
  ] as const) {
    await addNode(cluster, name)
    assert.equal(await rangeOf(cluster, name), range)
  }
  await addNode(cluster, 'late')
  assert.deepEqual(await cluster.eventually(async () => (await cluster.events('late')).length > 0 && cluster.events('late')), [
    'CIDRNotAvailable: Node late status is now: CIDRNotAvailable',
  ])
  await cluster.client.delete(Node, { name: 'large' })
  await cluster.advance(5 * 60_000)
  assert.equal(await rangeOf(cluster, 'late'), '10.0.0.0/24')
})

test('nodeIpamController tells of a node that will not take its range', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client } = cluster
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['nodes'] }
  await client.create(ValidatingAdmissionPolicy, {
    metadata: { name: 'fixed' },
    spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: 'false' }] },
  })
  const spec = { policyName: 'fixed', validationActions: ['Deny'] }
  await client.create(ValidatingAdmissionPolicyBinding, { metadata: { name: 'fixed' }, spec })
  await addNode(cluster, 'a')
  assert.deepEqual(await cluster.eventually(async () => (await cluster.events('a')).length > 0 && cluster.events('a')), [
    'CIDRAssignmentFailed: Node a status is now: CIDRAssignmentFailed',
  ])
  await client.delete(ValidatingAdmissionPolicyBinding, { name: 'fixed' })
  assert.equal(await rangeOf(cluster, 'a'), '10.244.0.0/24')
  await client.create(ValidatingAdmissionPolicyBinding, { metadata: { name: 'fixed' }, spec })
  await cluster.advance(1000)
  await addNode(cluster, 'late')
  await cluster.eventually(async () => (await cluster.events('late')).length > 0)
  // What was meant for it is given away meanwhile.
  await addNode(cluster, 'b', '10.244.1.0/24')
  await client.delete(ValidatingAdmissionPolicyBinding, { name: 'fixed' })
  assert.equal(await rangeOf(cluster, 'late'), '10.244.2.0/24')
})

test('nodeIpamController keeps a range that two nodes have until both are gone', async (t) => {
  const cluster = await startTestCluster(t, { only, controllers: { clusterCidr: '10.0.0.0/23' } })
  await addNode(cluster, 'one', '10.0.0.0/24')
  await addNode(cluster, 'two', '10.0.0.0/24')
  await cluster.advance(1000)
  await cluster.client.delete(Node, { name: 'one' })
  await cluster.advance(1000)
  await addNode(cluster, 'a')
  assert.equal(await rangeOf(cluster, 'a'), '10.0.1.0/24')
  await addNode(cluster, 'b')
  await cluster.advance(10_000)
  assert.equal((await cluster.client.get(Node, { name: 'b' })).spec?.podCIDR, undefined)
  await cluster.client.delete(Node, { name: 'two' })
  await cluster.advance(5 * 60_000)
  assert.equal(await rangeOf(cluster, 'b'), '10.0.0.0/24')
})
