// The attach/detach controller's report: which volumes a node may count on, in its status. A kubelet mounts what stands there and nothing else.
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import { equal } from '#api/equal.ts'
import type { Client } from '#client/client.ts'
import type { Controller } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { itself, mapped } from '#client/triggers.ts'
import { attachmentName, attachmentsOn, isManaged, volumeNameOfAttachment } from './attachments.ts'

/** Upstream looks at everything ten times a second: what a node could not be told must not wait for long. */
export const RETRY_MS = { most: 10_000 }

interface Tools {
  informers: Informers
  client: Client
  detaching: ReadonlySet<string>
}

export function attachedVolumesController(detaching: ReadonlySet<string>): Controller {
  return {
    name: 'persistentvolume-attached-volumes-controller',
    account: 'attachdetach-controller',
    component: 'attachdetach-controller',
    workers: 5,
    retryMs: RETRY_MS,
    triggers: [itself(Node), mapped(VolumeAttachment, ({ spec }) => [{ name: spec.nodeName }])],
    reads: [PersistentVolume],
    async reconcile(key, { informers, client }) {
      const node = informers.of(Node).get(key)
      if (isManaged(node)) await setAttached(node!, { informers, client, detaching })
    },
  }
}

/** By resource version: of two writers one comes again. */
export async function setAttached(node: Node, { informers, client, detaching }: Tools): Promise<void> {
  const { name = '', resourceVersion } = node.metadata!
  const told = node.status?.volumesAttached ?? []
  const names = attachmentsOn(name, informers).flatMap((attachment) => {
    const { metadata, status } = attachment
    if (!status?.attached || metadata?.deletionTimestamp || detaching.has(metadata?.name ?? '')) return []
    // Another volume of the same name may use it after the one it was made for is gone.
    return (
      volumeNameOfAttachment(attachment, informers) || told.find((one) => attachmentName(one.name, name) === metadata?.name)?.name || []
    )
  })
  const volumesAttached = [...new Set(names)].sort().map((one) => ({ name: one, devicePath: '' }))
  if (equal(volumesAttached, told)) return
  const patch = { metadata: { resourceVersion }, status: { volumesAttached: volumesAttached.length > 0 ? volumesAttached : null } }
  await client.patch(Node, { name }, { type: 'merge', patch }, { subresource: 'status' })
}
