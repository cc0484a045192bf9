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

const MANAGED = 'volumes.kubernetes.io/controller-managed-attach-detach'
const KEEP_TERMINATED = 'volumes.kubernetes.io/keep-terminated-pod-volumes'

/** CSI volumes are attached unless their driver says that it needs none; hostPath, local and the like never are. */
export function isAttachable({ spec }: PersistentVolume, informers: Informers): boolean {
  if (!spec?.csi) return false
  return informers.of(CSIDriver).get({ name: spec.csi.driver })?.spec.attachRequired ?? true
}

export function isMultiAttachAllowed({ spec }: PersistentVolume): boolean {
  const { accessModes = [] } = spec ?? {}
  return accessModes.length === 0 || accessModes.some((mode) => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany')
}

export function attachmentName({ spec }: PersistentVolume, node: string): string {
  const { volumeHandle = '', driver = '' } = spec?.csi ?? {}
  return `csi-${createHash('sha256').update(`${volumeHandle}${driver}${node}`).digest('hex')}`
}

/** As nodes call the volume in `volumesInUse` and are told of it in `volumesAttached`. */
export function uniqueName({ spec }: PersistentVolume): string {
  return `kubernetes.io/csi/${spec?.csi?.driver}^${spec?.csi?.volumeHandle}`
}

export function isManaged(node: Node | undefined): boolean {
  return node?.metadata?.annotations?.[MANAGED] === 'true'
}

export function attachmentsOf(volume: string, informers: Informers): VolumeAttachment[] {
  const attachments = informers.of(VolumeAttachment).list()
  return attachments.filter(({ spec }) => spec.source.persistentVolumeName === volume)
}

/** Claims by name, those of ephemeral volumes included. */
export function claimsOf({ metadata, spec }: Pod): (ObjectKey & { ephemeral: boolean })[] {
  const namespace = metadata?.namespace ?? ''
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    const claim = persistentVolumeClaim?.claimName ?? (ephemeral ? `${metadata?.name}-${name}` : undefined)
    return claim ? [{ namespace, name: claim, ephemeral: ephemeral !== undefined }] : []
  })
}

/** Pods that want the volume, by node, the oldest first. */
export function podsByNode(volume: PersistentVolume, informers: Informers): Map<string, Pod[]> {
  const { namespace = '', name = '', uid } = volume.spec?.claimRef ?? {}
  const wanted = new Map<string, Pod[]>()
  const claim = informers.of(PersistentVolumeClaim).get({ namespace, name })
  const bound = claim?.status?.phase === 'Bound' && claim.spec?.volumeName === volume.metadata?.name
  if (!claim || !bound || claim.metadata?.uid !== uid) return wanted
  const uses = (pod: Pod) => claimsOf(pod).some((one) => one.name === name && (!one.ephemeral || isControlledBy(claim, pod)))
  const created = ({ metadata }: Pod) => Date.parse(metadata?.creationTimestamp ?? '') || 0
  const pods = informers
    .of(Pod)
    .list(namespace)
    .filter((pod) => pod.spec?.nodeName && pod.spec.volumes && uses(pod))
  for (const pod of pods.toSorted((a, b) => created(a) - created(b) || (a.metadata!.name! < b.metadata!.name! ? -1 : 1))) {
    const node = informers.of(Node).get({ name: pod.spec!.nodeName! })
    if (!isManaged(node) || (isTerminated(pod) && node?.metadata?.annotations?.[KEEP_TERMINATED] !== 'true')) continue
    wanted.set(pod.spec!.nodeName!, [...(wanted.get(pod.spec!.nodeName!) ?? []), pod])
  }
  return wanted
}

/** Finished, or on its way out with no container running. */
function isTerminated(pod: Pod): boolean {
  if (isFinished(pod)) return true
  const { containerStatuses = [] } = pod.status ?? {}
  return pod.metadata?.deletionTimestamp !== undefined && containerStatuses.every(({ state }) => !state?.running)
}
