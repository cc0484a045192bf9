// What the cluster knows of a node's CSI drivers: an object the node makes of itself and owns, with no drivers, for this agent mounts none. It says that
// volumes of in-tree types are left to drivers nonetheless, as every kubelet's does.
import { MIGRATED_PLUGINS } from '#api/in-tree-volumes.ts'
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { hasReason } from '#api/status.ts'
import { MIGRATED_PLUGINS_ANNOTATION } from '#api/well-known.ts'
import type { Client } from '#client/client.ts'

/** `uid` of the node, with which the object goes. Drivers that others wrote into one that is there stay. */
export async function ensureCsiNode(client: Client, { name, uid }: { name: string; uid: string }): Promise<void> {
  const annotations = { [MIGRATED_PLUGINS_ANNOTATION]: MIGRATED_PLUGINS }
  try {
    await client.create(CSINode, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSINode',
      metadata: { name, annotations, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] },
      spec: { drivers: [] },
    })
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error
    const { metadata } = await client.get(CSINode, { name })
    if (metadata?.annotations?.[MIGRATED_PLUGINS_ANNOTATION] === MIGRATED_PLUGINS) return
    await client.patch(CSINode, { name }, { type: 'merge', patch: { metadata: { annotations } } })
  }
}
