// persistentvolume-attach-detach-controller: asks the drivers, by VolumeAttachments, to attach CSI volumes where pods want them and to detach them again.
// Its keys are names of volumes as drivers know them: PersistentVolumes of one handle are one volume.
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import { keyText, type ObjectKey } from '#api/object.ts'
import type { Controller } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { mapped } from '#client/triggers.ts'
import { nodeNameOf } from '#controllers/pod-state.ts'
import { RETRY_MS, setAttached } from './attached-volumes.ts'
import { attachmentsOn, isAttachable, isManaged, isMultiAttachAllowed, partsOf, volumeNameOf } from './attachments.ts'
import { type Place, quoted, underWayMs, VolumePlaces, type WantedPlace } from './volume-places.ts'
import { claimsOf, inlineVolumes, inlineVolumesOf } from './wanted-volumes.ts'

/** `detaching`: names of attachments on their way out, which nodes are told of no longer. */
export function attachDetachController(detaching: Set<string>): Controller {
  const places = new VolumePlaces(detaching)
  return {
    name: 'persistentvolume-attach-detach-controller',
    account: 'attachdetach-controller',
    component: 'attachdetach-controller',
    workers: 10,
    retryMs: RETRY_MS,
    triggers: [
      mapped(PersistentVolume, (volume) => keys(volumeNameOf(volume))),
      mapped(VolumeAttachment, (attachment, informers) => keys(places.volumeNameOf(attachment, informers))),
      mapped(Pod, (pod, informers) => (isOnManaged(pod, informers) ? volumesOf(pod, informers) : [])),
      mapped(PersistentVolumeClaim, ({ spec }, informers) => volumeKeys(spec?.volumeName, informers)),
      mapped(Node, (node, informers) => {
        const { name = '' } = node.metadata ?? {}
        const attached = attachmentsOn(name, informers).flatMap((attachment) => keys(places.volumeNameOf(attachment, informers)))
        // Its pods may have come before anyone knew that it leaves attaching to this controller.
        const pods = isManaged(node) ? informers.of(Pod).by(nodeNameOf, name) : []
        return [...attached, ...pods.flatMap((pod) => volumesOf(pod, informers))]
      }),
      mapped(CSIDriver, ({ metadata }, informers) => {
        const names = [...informers.of(PersistentVolume).list(), ...inlineVolumes(metadata?.name ?? '', informers)].map(volumeNameOf)
        return names.flatMap((name) => (partsOf(name).driver === metadata?.name ? keys(name) : []))
      }),
    ],
    async reconcile(key, context) {
      // With its slashes.
      const volumeName = keyText(key)
      const { informers, client, events } = context
      if (!isAttachable(volumeName, informers)) return
      const all = places.of(volumeName, informers)
      const waits: (number | undefined)[] = []
      // Detached first: what a pod takes along to another node is free sooner.
      for (const place of all) if (place.attachment && !isWanted(place)) waits.push(await places.detach(place, context))
      const taken = all.filter(({ attachment }) => attachment)
      for (const place of all) {
        const { attachment, pods, memory, node } = place
        if (!isWanted(place) || attachment?.metadata?.deletionTimestamp) continue
        if (attachment) {
          delete memory.unwantedSince
          waits.push(places.watchOver(place, context))
          const found = informers.of(Node).get({ name: node })
          if (detaching.delete(attachment.metadata!.name!) && found) await setAttached(found, { informers, client, detaching })
        } else if (taken.length > 0 && !isMultiAttachAllowed(place.volume)) {
          // It may be free, or known to be taken, in a moment.
          const waitMs = Math.max(...taken.map((other) => underWayMs(other, context)))
          if (waitMs > 0) {
            waits.push(waitMs)
            continue
          }
          const others = taken.flatMap((other) => other.pods)
          // Said once, whatever becomes of those pods.
          const know = memory.refused
          memory.refused = new Set(pods.map(({ metadata }) => metadata!.uid!))
          for (const pod of pods.filter(({ metadata }) => !know.has(metadata!.uid!))) {
            const text = `Multi-Attach error for volume ${quoted(place.volume)} ${multiAttachText(pod, others)}`
            events.event(pod, 'Warning', 'FailedAttachVolume', text)
          }
        } else {
          taken.push(place)
          waits.push(await places.attach(place, context))
        }
      }
      const waitMs = Math.min(...waits.map((wait) => wait ?? Infinity))
      if (waitMs !== Infinity) return { requeueAfterMs: waitMs }
    },
  }
}

/** Names of pods in other namespaces are not for this one's eyes. */
function multiAttachText(pod: Pod, others: readonly Pod[]): string {
  if (others.length === 0) return "Volume is already exclusively attached to one node and can't be attached to another"
  const local = others.filter(({ metadata }) => metadata?.namespace === pod.metadata?.namespace).map(({ metadata }) => metadata!.name!)
  const foreign = others.length - local.length
  if (local.length === 0) return `Volume is already used by ${foreign} pod(s) in different namespaces`
  const text = `Volume is already used by pod(s) ${local.join(', ')}`
  return foreign > 0 ? `${text} and ${foreign} pod(s) in different namespaces` : text
}

const isWanted = (place: Place): place is WantedPlace => place.volume !== undefined

const keys = (volumeName: string): ObjectKey[] => (volumeName ? [{ name: volumeName }] : [])

function volumeKeys(name: string | undefined, informers: Informers): ObjectKey[] {
  const volume = name ? informers.of(PersistentVolume).get({ name }) : undefined
  return volume ? keys(volumeNameOf(volume)) : []
}

/** Wanted volumes are looked for on no other nodes. */
function isOnManaged({ spec }: Pod, informers: Informers): boolean {
  return spec?.nodeName !== undefined && spec.volumes !== undefined && isManaged(informers.of(Node).get({ name: spec.nodeName }))
}

function volumesOf(pod: Pod, informers: Informers): ObjectKey[] {
  const claims = claimsOf(pod).map(({ namespace, name }) => informers.of(PersistentVolumeClaim).get({ namespace: namespace!, name }))
  const own = inlineVolumesOf(pod).flatMap((volume) => keys(volumeNameOf(volume)))
  return [...claims.flatMap((claim) => volumeKeys(claim?.spec?.volumeName, informers)), ...own]
}
