import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Node } from '#api/kinds/core/node.ts'
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { ignoreNotFound } from '#api/status.ts'
import { startTestNode } from '#node/testing.ts'
import { startTestServer } from '#server/testing.ts'

test('createRegistration makes a CSI node that goes with the node', async () => {
  await using node = await startTestNode({ connect: (clock) => startTestServer({ clock }) })
  const { metadata } = await node.client.get(Node, { name: 'node-1' })
  const made = await node.until(() => node.client.get(CSINode, { name: 'node-1' }).catch(ignoreNotFound))
  assert.deepEqual(made.metadata?.ownerReferences, [{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: metadata!.uid }])
  assert.deepEqual(made.spec.drivers ?? [], [])
})

test('createRegistration leaves the drivers of a CSI node alone that is there', async () => {
  await using node = await startTestNode({ connect: (clock) => startTestServer({ clock }) })
  const made = await node.until(() => node.client.get(CSINode, { name: 'node-1' }).catch(ignoreNotFound))
  const drivers = [{ name: 'csi.example.com', nodeID: 'here' }]
  await node.client.update(CSINode, { ...made, spec: { drivers } })
  await node.restart()
  await node.until(async () => (await node.client.get(Node, { name: 'node-1' })).status?.conditions)
  assert.partialDeepStrictEqual((await node.client.get(CSINode, { name: 'node-1' })).spec.drivers, drivers)
})
