import { test } from 'node:test'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { forbid, gone, startTestCluster } from './testing.ts'

test('podGarbageCollector tries again every twenty seconds at least to delete what it could not delete', async (t) => {
  const cluster = await startTestCluster(t, { only: ['pod-garbage-collector-controller'], runPods: true })
  const { client, advance, eventually } = cluster
  await forbid(cluster, { operation: 'DELETE', group: '', resource: 'pods' })
  const key = { namespace: 'default', name: 'lost' }
  const spec = { nodeName: 'gone', containers: [{ name: 'c', image: 'c:1' }] }
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { ...key }, spec })
  await advance(1_800_000)
  await client.delete(ValidatingAdmissionPolicyBinding, { name: 'forbidden' })
  await advance(14_000)
  await eventually(() => client.get(Pod, key).then(() => false, gone))
})
