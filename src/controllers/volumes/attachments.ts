// What attaching goes by: which volumes are attached at all, under which names, and by which attachments. Pure but for reading informers.
import { createHash } from 'node:crypto'
import { translated } from '#api/in-tree-volumes.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import type { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import type { Informers } from '#client/informer.ts'

const CSI = 'kubernetes.io/csi/'
const MANAGED = 'volumes.kubernetes.io/controller-managed-attach-detach'

/** By the name of a CSI volume: unless its driver says that it needs none. */
export function isAttachable(volumeName: string, informers: Informers): boolean {
  return informers.of(CSIDriver).get({ name: partsOf(volumeName).driver })?.spec.attachRequired ?? true
}

export function isMultiAttachAllowed({ spec }: PersistentVolume): boolean {
  const { accessModes = [] } = spec ?? {}
  return accessModes.length === 0 || accessModes.some((mode) => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany')
}

/**
 * As nodes call the volume in `volumesInUse` and are told of it in `volumesAttached`, however many PersistentVolumes speak of it; empty: of no CSI driver.
 */
export function volumeNameOf(volume: PersistentVolume): string {
  const csi = translated(volume).spec?.csi
  return csi ? `${CSI}${csi.driver}^${csi.volumeHandle}` : ''
}

export function partsOf(volumeName: string): { driver: string; handle: string } {
  const [driver = '', ...handle] = volumeName.slice(CSI.length).split('^')
  return { driver, handle: handle.join('^') }
}

export function attachmentName(volumeName: string, node: string): string {
  const { driver, handle } = partsOf(volumeName)
  return `csi-${createHash('sha256').update(`${handle}${driver}${node}`).digest('hex')}`
}

export function isManaged(node: Node | undefined): boolean {
  return node?.metadata?.annotations?.[MANAGED] === 'true'
}

export function volumesNamed(volumeName: string, informers: Informers): readonly PersistentVolume[] {
  return informers.of(PersistentVolume).by(volumeNameOf, volumeName)
}

export function attachmentsOf(volumeName: string, informers: Informers): readonly VolumeAttachment[] {
  const sources = [volumeName, ...volumesNamed(volumeName, informers).map(({ metadata }) => metadata?.name ?? '')]
  return sources.flatMap((source) => informers.of(VolumeAttachment).by(sourceOf, source))
}

export function attachmentsOn(node: string, informers: Informers): readonly VolumeAttachment[] {
  return informers.of(VolumeAttachment).by(nodeOf, node)
}

/** The PersistentVolume it was made for, or the name of the volume of a pod. */
function sourceOf({ spec }: VolumeAttachment): string {
  const { persistentVolumeName, inlineVolumeSpec } = spec.source
  return persistentVolumeName ?? volumeNameOf(inlineVolumeSpec ? { spec: inlineVolumeSpec } : {})
}

const nodeOf = ({ spec }: VolumeAttachment): string => spec.nodeName

/** Of the volume it was made for, if that is still there. */
export function volumeNameOfAttachment(attachment: VolumeAttachment, informers: Informers): string {
  if (attachment.spec.source.inlineVolumeSpec) return sourceOf(attachment)
  const volume = informers.of(PersistentVolume).get({ name: sourceOf(attachment) })
  return volume ? volumeNameOf(volume) : ''
}
