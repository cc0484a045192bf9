// Pods that wait are tried again when what they wait for comes about, and told of no attempts in between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { PodShape } from '#scheduler/testing.ts'
import { startCluster } from './testing.ts'

const web = { labels: { app: 'web' } }
const spread: PodShape = {
  ...web,
  topologySpreadConstraints: [
    { topologyKey: 'zone', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app: 'web' } } },
  ],
}
const has = (cpu: string): Pod['status'] => ({
  containerStatuses: [
    { name: 'c', image: 'i', imageID: '', ready: true, restartCount: 0, resources: { requests: { cpu } }, allocatedResources: { cpu } },
  ],
})

test('scheduler places a pod that is spread when a zone that could not be used goes', async (t) => {
  const { client, createNode, createPod, bound, told } = await startCluster(t)
  await createNode('a', { labels: { zone: 'x' } })
  await createPod('first', spread)
  await bound('first')
  await createNode('b', { labels: { zone: 'y' }, spec: { unschedulable: true } })
  await createPod('second', spread)
  assert.match(await told('second'), /1 node\(s\) didn't match pod topology spread constraints, 1 node\(s\) were unschedulable/)
  await client.delete(Node, { name: 'b' })
  assert.equal(await bound('second'), 'a')
})

test('scheduler places a pod when another has really become smaller, not when it is only asked to', async (t) => {
  const { client, clock, createNode, createPod, pod, bound, told } = await startCluster(t)
  await createNode('a', { cpu: '4' })
  await createPod('large', { cpu: '3' })
  await bound('large')
  const setStatus = async (status: Pod['status']) =>
    client.update(Pod, { ...(await pod('large')), status: status! }, { subresource: 'status' })
  await setStatus(has('3'))
  await createPod('waiting', { cpu: '2' })
  await told('waiting')
  const spec = { containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] }
  await client.patch(Pod, { namespace: 'default', name: 'large' }, { type: 'strategic', patch: { spec } }, { subresource: 'resize' })
  await clock.advance(10_000)
  assert.equal((await pod('waiting')).spec!.nodeName, undefined)
  await setStatus(has('1'))
  assert.equal(await bound('waiting'), 'a')
})

test('scheduler does not try a pod again for what cannot help it', async (t) => {
  const { client, clock, createNode, createPod, bound, told, metric } = await startCluster(t)
  const attempts = () => metric('scheduler_schedule_attempts_total').find(({ labels }) => labels.result === 'unschedulable')?.value
  const far = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } }
  await createNode('a')
  await createPod('first', web)
  await bound('first')
  await createPod('waiting', { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [far] } } })
  assert.match(await told('waiting'), /1 node\(s\) didn't match pod anti-affinity rules/)
  const before = attempts()
  await createPod('other')
  await bound('other')
  await client.delete(Pod, { namespace: 'default', name: 'other' }, { gracePeriodSeconds: 0 })
  await clock.advance(20_000)
  assert.equal(attempts(), before)
  await client.delete(Pod, { namespace: 'default', name: 'first' }, { gracePeriodSeconds: 0 })
  assert.equal(await bound('waiting'), 'a')
})
