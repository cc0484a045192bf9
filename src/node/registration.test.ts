import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Node } from '#api/kinds/core/node.ts'
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { ignoreNotFound } from '#api/status.ts'
import { startTestNode } from '#node/testing.ts'
import { startTestServer } from '#server/testing.ts'

const MIGRATED = 'storage.alpha.kubernetes.io/migrated-plugins'
const PLUGINS =
  'kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,kubernetes.io/cinder,kubernetes.io/gce-pd,kubernetes.io/portworx-volume,kubernetes.io/vsphere-volume'

test('createRegistration makes a CSI node that goes with the node', async () => {
  await using node = await startTestNode({ connect: (clock) => startTestServer({ clock }) })
  const { metadata } = await node.client.get(Node, { name: 'node-1' })
  const made = await node.until(() => node.client.get(CSINode, { name: 'node-1' }).catch(ignoreNotFound))
  assert.deepEqual(made.metadata?.ownerReferences, [{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: metadata!.uid }])
  assert.deepEqual(made.spec.drivers ?? [], [])
  assert.deepEqual(made.metadata?.annotations, { [MIGRATED]: PLUGINS })
})

test('createRegistration leaves the drivers of a CSI node alone that is there', async () => {
  await using node = await startTestNode({ connect: (clock) => startTestServer({ clock }) })
  const made = await node.until(() => node.client.get(CSINode, { name: 'node-1' }).catch(ignoreNotFound))
  const drivers = [{ name: 'csi.example.com', nodeID: 'here' }]
  const annotations = { [MIGRATED]: 'kubernetes.io/cinder' }
  await node.client.update(CSINode, { ...made, metadata: { ...made.metadata, annotations }, spec: { drivers } })
  await node.restart()
  await node.until(async () => (await node.client.get(Node, { name: 'node-1' })).status?.conditions)
  await node.until(async () => (await node.client.get(CSINode, { name: 'node-1' })).metadata?.annotations?.[MIGRATED] === PLUGINS)
  assert.partialDeepStrictEqual((await node.client.get(CSINode, { name: 'node-1' })).spec.drivers, drivers)
})
