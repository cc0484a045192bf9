// persistentvolume-attach-detach-controller: asks the drivers, by VolumeAttachments, to attach CSI volumes where pods want them and to detach them again.
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import type { ObjectKey } from '#api/object.ts'
import type { Controller } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { itself, mapped } from '#client/triggers.ts'
import { setAttached } from './attached-volumes.ts'
import { claimsOf, isAttachable, isMultiAttachAllowed } from './attachments.ts'
import { quoted, underWayMs, VolumePlaces } from './volume-places.ts'

/** `detaching`: names of attachments on their way out, which nodes are told of no longer. */
export function attachDetachController(detaching: Set<string>): Controller {
  const places = new VolumePlaces(detaching)
  return {
    name: 'persistentvolume-attach-detach-controller',
    account: 'attachdetach-controller',
    component: 'attachdetach-controller',
    workers: 10,
    triggers: [
      itself(PersistentVolume),
      mapped(VolumeAttachment, ({ spec }) => volumeKeys(spec.source.persistentVolumeName)),
      mapped(Pod, (pod, informers) => (pod.spec?.nodeName && pod.spec.volumes ? volumesOf(pod, informers) : [])),
      mapped(PersistentVolumeClaim, ({ spec }) => volumeKeys(spec?.volumeName)),
      mapped(Node, volumesOn),
      mapped(CSIDriver, ({ metadata }, informers) => {
        const volumes = informers.of(PersistentVolume).list()
        return volumes.flatMap((volume) => (volume.spec?.csi?.driver === metadata?.name ? volumeKeys(volume.metadata?.name) : []))
      }),
    ],
    async reconcile({ name }, context) {
      const { informers, client, events } = context
      const volume = informers.of(PersistentVolume).get({ name })
      if (volume && !isAttachable(volume, informers)) return
      const all = places.of(name, volume, informers)
      const waits: (number | undefined)[] = []
      // Detached first: what a pod takes along to another node is free sooner.
      for (const [node, place] of all)
        if (place.attachment && place.pods.length === 0) waits.push(await places.detach(node, place, context))
      const taken = [...all.values()].filter(({ attachment }) => attachment)
      for (const [node, place] of all) {
        const { attachment, pods, memory } = place
        if (!volume || pods.length === 0 || attachment?.metadata?.deletionTimestamp) continue
        if (attachment) {
          delete memory.unwantedSince
          waits.push(places.watchOver(place, volume, context))
          const found = informers.of(Node).get({ name: node })
          if (detaching.delete(attachment.metadata!.name!) && found) await setAttached(found, { informers, client, detaching })
        } else if (taken.length > 0 && !isMultiAttachAllowed(volume)) {
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
            const text = `Multi-Attach error for volume ${quoted(volume)} ${multiAttachText(pod, others)}`
            events.event(pod, 'Warning', 'FailedAttachVolume', text)
          }
        } else {
          taken.push(place)
          waits.push(await places.attach(node, place, { volume, context }))
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

function volumeKeys(name: string | undefined): ObjectKey[] {
  return name ? [{ name }] : []
}

function volumesOf(pod: Pod, informers: Informers): ObjectKey[] {
  const claims = claimsOf(pod).map(({ namespace, name }) => informers.of(PersistentVolumeClaim).get({ namespace: namespace!, name }))
  return claims.flatMap((claim) => volumeKeys(claim?.spec?.volumeName))
}

function volumesOn({ metadata }: Node, informers: Informers): ObjectKey[] {
  const attachments = informers.of(VolumeAttachment).list()
  return attachments.flatMap(({ spec }) => (spec.nodeName === metadata?.name ? volumeKeys(spec.source.persistentVolumeName) : []))
}
