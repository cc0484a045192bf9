// A scheduler with an extender beside it, from end to end.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import { parseSchedulerConfiguration } from '#scheduler/configuration/configuration.ts'
import { type Answer, startExtender } from '#scheduler/extenders/testing.ts'
import { startCluster } from './testing.ts'

async function start(t: TestContext, answer: Answer, own: object) {
  const { url, asked } = await startExtender(t, answer)
  const file = {
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    extenders: [{ urlPrefix: url, nodeCacheCapable: true, ...own }],
  }
  const cluster = await startCluster(
    t,
    parseSchedulerConfiguration(JSON.stringify(file), () => ''),
  )
  return { ...cluster, asked }
}

test('scheduler binds a pod itself where an ignorable extender does not', async (t) => {
  const { createNode, createPod, bound } = await start(t, () => ({ Error: 'no' }), { bindVerb: 'bind', ignorable: true })
  await createNode('a')
  await createPod('p')
  assert.equal(await bound('p'), 'a')
})

test('scheduler asks nobody which node to prefer where there is but one', async (t) => {
  const { createNode, createPod, bound, asked } = await start(t, () => [], { prioritizeVerb: 'prioritize', weight: 1 })
  await createNode('a')
  await createPod('p')
  await bound('p')
  assert.deepEqual(asked, [])
})

test('scheduler looks for another node where an extender refuses the one that was promised', async (t) => {
  const { client, createNode, createPod, pod, bound } = await start(
    t,
    (_verb, { NodeNames }) => ({ NodeNames: NodeNames.filter((name: string) => name !== 'a'), FailedNodes: { a: 'not any more' } }),
    { filterVerb: 'filter' },
  )
  await createNode('a')
  await createPod('p', { schedulingGates: [{ name: 'g' }] })
  await client.update(Pod, { ...(await pod('p')), status: { nominatedNodeName: 'a' } }, { subresource: 'status' })
  await createNode('b')
  await client.patch(Pod, { namespace: 'default', name: 'p' }, { type: 'merge', patch: { spec: { schedulingGates: null } } })
  assert.equal(await bound('p'), 'b')
})

test('scheduler says why an extender keeps a pod from making room for itself', async (t) => {
  const { createNode, createPod, bound, told, pod } = await start(t, () => ({ NodeNameToMetaVictims: { a: { Pods: [] } } }), {
    preemptVerb: 'preempt',
  })
  await createNode('a', { cpu: '1' })
  await createPod('small', { cpu: '1' })
  await bound('small')
  await createPod('large', { cpu: '1', priority: 10, priorityClassName: '' })
  assert.equal(await told('large'), '0/1 nodes are available: 1 Insufficient cpu. preemption: expected at least one victim pod on node "a"')
  const condition = (await pod('large')).status!.conditions!.find(({ type }) => type === 'PodScheduled')!
  assert.equal(condition.reason, 'Unschedulable')
})
