// What attaching goes by: which volumes are attached at all, under which names, and which pods want them where. Pure but for reading informers.
import { createHash } from 'node:crypto'
import { isFinished } from '#api/finished-pod.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import type { ObjectKey } from '#api/object.ts'
import type { Informers } from '#client/informer.ts'
import { isControlledBy } from '#controllers/owners.ts'

const CSI = 'kubernetes.io/csi/'
const MANAGED = 'volumes.kubernetes.io/controller-managed-attach-detach'
const KEEP_TERMINATED = 'volumes.kubernetes.io/keep-terminated-pod-volumes'

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
export function volumeNameOf({ spec }: PersistentVolume): string {
  return spec?.csi ? `${CSI}${spec.csi.driver}^${spec.csi.volumeHandle}` : ''
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

export function attachmentsOf({ metadata }: PersistentVolume, informers: Informers): readonly VolumeAttachment[] {
  return informers.of(VolumeAttachment).by(sourceOf, metadata?.name ?? '')
}

export function attachmentsOn(node: string, informers: Informers): readonly VolumeAttachment[] {
  return informers.of(VolumeAttachment).by(nodeOf, node)
}

const sourceOf = ({ spec }: VolumeAttachment): string => spec.source.persistentVolumeName ?? ''
const nodeOf = ({ spec }: VolumeAttachment): string => spec.nodeName

/** Of the volume it was made for, if that is still there. */
export function volumeNameOfAttachment(attachment: VolumeAttachment, informers: Informers): string {
  const volume = informers.of(PersistentVolume).get({ name: sourceOf(attachment) })
  return volume ? volumeNameOf(volume) : ''
}

/** Claims by name, those of ephemeral volumes included. */
export function claimsOf({ metadata, spec }: Pod): (ObjectKey & { ephemeral: boolean })[] {
  const namespace = metadata?.namespace ?? ''
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    const claim = persistentVolumeClaim?.claimName ?? (ephemeral ? `${metadata?.name}-${name}` : undefined)
    return claim ? [{ namespace, name: claim, ephemeral: ephemeral !== undefined }] : []
  })
}

/** What is wanted on a node: by the oldest pod there, and by others. */
export interface Wanted {
  volume: PersistentVolume
  pods: Pod[]
}

/** Where the volume is wanted, by node; who was there first comes first. */
export function wantedOn(volumeName: string, informers: Informers): Map<string, Wanted> {
  const created = ({ metadata }: Pod) => Date.parse(metadata?.creationTimestamp ?? '') || 0
  const uses = volumesNamed(volumeName, informers).flatMap((volume) => podsWith(volume, informers).map((pod) => ({ pod, volume })))
  const wanted = new Map<string, Wanted>()
  for (const { pod, volume } of uses.toSorted((a, b) => created(a.pod) - created(b.pod) || (nameOf(a.pod) < nameOf(b.pod) ? -1 : 1))) {
    const node = informers.of(Node).get({ name: pod.spec!.nodeName! })
    if (!isManaged(node) || (isTerminated(pod) && node?.metadata?.annotations?.[KEEP_TERMINATED] !== 'true')) continue
    const there = wanted.get(pod.spec!.nodeName!)
    if (!there) wanted.set(pod.spec!.nodeName!, { volume, pods: [pod] })
    else if (!there.pods.includes(pod)) there.pods.push(pod)
  }
  return wanted
}

/** On nodes, by the claim the volume is bound to. */
function podsWith(volume: PersistentVolume, informers: Informers): Pod[] {
  const { namespace = '', name = '', uid } = volume.spec?.claimRef ?? {}
  const claim = informers.of(PersistentVolumeClaim).get({ namespace, name })
  const bound = claim?.status?.phase === 'Bound' && claim.spec?.volumeName === volume.metadata?.name
  if (!claim || !bound || claim.metadata?.uid !== uid) return []
  const uses = (pod: Pod) => claimsOf(pod).some((one) => one.name === name && (!one.ephemeral || isControlledBy(claim, pod)))
  const pods = informers.of(Pod).list(namespace)
  return pods.filter((pod) => pod.spec?.nodeName && pod.spec.volumes && uses(pod))
}

const nameOf = ({ metadata }: Pod): string => metadata?.name ?? ''

/** Finished, or on its way out with no container running. */
function isTerminated(pod: Pod): boolean {
  if (isFinished(pod)) return true
  const { containerStatuses = [] } = pod.status ?? {}
  return pod.metadata?.deletionTimestamp !== undefined && containerStatuses.every(({ state }) => !state?.running)
}
