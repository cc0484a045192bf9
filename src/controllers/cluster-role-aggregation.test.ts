import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { startTestCluster } from './testing.ts'

test('clusterRoleAggregationController joins the rules of all roles its selectors find, and forgets those that go', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only: ['clusterrole-aggregation-controller'] })
  const part = (name: string, resource: string): ClusterRole => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name, labels: { part: 'yes' } },
    rules: [{ apiGroups: [''], resources: [resource], verbs: ['get'] }],
  })
  await client.create(ClusterRole, part('b', 'pods'))
  await client.create(ClusterRole, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'whole' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: 'yes' } }] },
    rules: [],
  })
  const resources = async () =>
    (await client.get(ClusterRole, { name: 'whole' })).rules?.flatMap((rule) => rule.resources ?? []).join() ?? ''
  await eventually(async () => (await resources()) === 'pods')
  await client.create(ClusterRole, part('a', 'secrets'))
  await client.create(ClusterRole, part('c', 'pods'))
  await eventually(async () => (await resources()) === 'secrets,pods')
  await client.delete(ClusterRole, { name: 'a' })
  await eventually(async () => (await resources()) === 'pods')
})

test('clusterRoleAggregationController takes rules in the order of its selectors, then of names', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only: ['clusterrole-aggregation-controller'] })
  const role = (name: string, more: Partial<ClusterRole>): ClusterRole => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name, labels: { group: name[0]! } },
    ...more,
  })
  for (const name of ['a1', 'b2', 'b1'])
    await client.create(ClusterRole, role(name, { rules: [{ apiGroups: [''], resources: [name], verbs: ['get'] }] }))
  const clusterRoleSelectors = ['b', 'a'].map((group) => ({ matchLabels: { group } }))
  await client.create(ClusterRole, role('whole', { aggregationRule: { clusterRoleSelectors }, rules: [] }))
  await eventually(async () => {
    const { rules = [] } = await client.get(ClusterRole, { name: 'whole' })
    return rules?.flatMap(({ resources = [] }) => resources).join() === 'b1,b2,a1'
  })
})

test('clusterRoleAggregationController that finds no rules takes back its own and leaves those that others wrote', async (t) => {
  const { client, eventually, advance } = await startTestCluster(t, { only: ['clusterrole-aggregation-controller'] })
  const rule = (resource: string) => ({ apiGroups: [''], resources: [resource], verbs: ['get'] })
  const role = (name: string, more: Partial<ClusterRole>): ClusterRole => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name },
    ...more,
  })
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { part: 'yes' } }] }
  const resources = async () => (await client.get(ClusterRole, { name: 'whole' })).rules?.flatMap((one) => one.resources ?? []).join() ?? ''
  await client.create(ClusterRole, role('whole', { aggregationRule, rules: [rule('nodes')] }))
  await advance(2000)
  assert.equal(await resources(), 'nodes')
  await client.create(ClusterRole, role('part', { metadata: { name: 'part', labels: { part: 'yes' } }, rules: [rule('pods')] }))
  await eventually(async () => (await resources()) === 'pods')
  await client.delete(ClusterRole, { name: 'part' })
  await eventually(async () => (await resources()) === '')
})

test('clusterRoleAggregationController fills the roles that everyone knows', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only: ['clusterrole-aggregation-controller'] })
  for (const name of ['view', 'edit', 'admin']) {
    const { rules } = await eventually(async () => {
      const role = await client.get(ClusterRole, { name })
      return (role.rules ?? []).length > 0 && role
    })
    assert.ok(rules!.some((rule) => rule.resources?.includes('pods')))
  }
})
