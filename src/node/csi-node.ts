// What the cluster knows of a node's CSI drivers: an object the node makes of itself and owns, with no drivers, for this agent mounts none.
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'

/** `uid` of the node, with which the object goes. Drivers that others wrote into one that is there stay. */
export async function ensureCsiNode(client: Client, { name, uid }: { name: string; uid: string }): Promise<void> {
  try {
    await client.create(CSINode, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSINode',
      metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] },
      spec: { drivers: [] },
    })
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error
  }
}
