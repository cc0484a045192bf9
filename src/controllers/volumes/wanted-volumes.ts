// Which pods want a volume where: by their claims, or as a volume of their own of an in-tree type. Pure but for reading informers.
import { isFinished } from '#api/finished-pod.ts'
import { isSuccessor, translated, translatedInline } from '#api/in-tree-volumes.ts'
import { Node } from '#api/kinds/core/node.ts'
import type { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { ObjectKey } from '#api/object.ts'
import type { Informers } from '#client/informer.ts'
import { isControlledBy } from '#controllers/owners.ts'
import { isManaged, partsOf, volumeNameOf, volumesNamed } from './attachments.ts'

const KEEP_TERMINATED = 'volumes.kubernetes.io/keep-terminated-pod-volumes'

/** Claims by name, those of ephemeral volumes included. */
export function claimsOf({ metadata, spec }: Pod): (ObjectKey & { ephemeral: boolean })[] {
  const namespace = metadata?.namespace ?? ''
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    const claim = persistentVolumeClaim?.claimName ?? (ephemeral ? `${metadata?.name}-${name}` : undefined)
    return claim ? [{ namespace, name: claim, ephemeral: ephemeral !== undefined }] : []
  })
}

/** Volumes of in-tree types that the pod names itself, as their drivers know them. */
export function inlineVolumesOf({ metadata, spec }: Pod): PersistentVolume[] {
  return (spec?.volumes ?? []).flatMap((volume) => translatedInline(volume, metadata?.namespace ?? '') ?? [])
}

/** The same by name, made out once for each state of a pod: there may be thousands, and each of them is asked for by itself. */
export class InlineVolumes {
  readonly #known = new WeakMap<Pod, ReadonlyMap<string, PersistentVolume>>()

  of(pod: Pod): ReadonlyMap<string, PersistentVolume> {
    const known = this.#known.get(pod)
    if (known) return known
    // The first of a name counts.
    const byName = new Map(
      inlineVolumesOf(pod)
        .map((volume) => [volumeNameOf(volume), volume] as const)
        .toReversed(),
    )
    this.#known.set(pod, byName)
    return byName
  }
}

/** Such volumes of all pods, if the driver may be one of theirs. */
export function inlineVolumes(driver: string, informers: Informers): PersistentVolume[] {
  return podsWithInline(driver, informers).flatMap(inlineVolumesOf)
}

/** What is wanted on a node: by the oldest pod there, and by others. */
export interface Wanted {
  volume: PersistentVolume
  pods: Pod[]
}

/** Where the volume is wanted, by node; who was there first comes first. */
export function wantedOn(volumeName: string, informers: Informers, inline: InlineVolumes): Map<string, Wanted> {
  const created = ({ metadata }: Pod) => Date.parse(metadata?.creationTimestamp ?? '') || 0
  const volumes = volumesNamed(volumeName, informers).map(translated)
  const uses = [
    ...volumes.flatMap((volume) => podsWith(volume, informers).map((pod) => ({ pod, volume }))),
    ...inlineUses(volumeName, informers, inline),
  ]
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

function inlineUses(volumeName: string, informers: Informers, inline: InlineVolumes): { pod: Pod; volume: PersistentVolume }[] {
  return podsWithInline(partsOf(volumeName).driver, informers).flatMap((pod) => {
    const volume = pod.spec?.nodeName ? inline.of(pod).get(volumeName) : undefined
    return volume ? [{ pod, volume }] : []
  })
}

/** Of any driver that took over, if this is one; most clusters have no such pods, and do not sort them out. */
function podsWithInline(driver: string, informers: Informers): readonly Pod[] {
  return isSuccessor(driver) ? informers.of(Pod).by(hasInline, 'yes') : []
}

const hasInline = (pod: Pod): string => (inlineVolumesOf(pod).length > 0 ? 'yes' : '')

const nameOf = ({ metadata }: Pod): string => metadata?.name ?? ''

/** Finished, or on its way out with no container running. */
function isTerminated(pod: Pod): boolean {
  if (isFinished(pod)) return true
  const { containerStatuses = [] } = pod.status ?? {}
  return pod.metadata?.deletionTimestamp !== undefined && containerStatuses.every(({ state }) => !state?.running)
}
