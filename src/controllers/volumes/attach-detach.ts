// persistentvolume-attach-detach-controller: asks the drivers, by VolumeAttachments, to attach CSI volumes where pods want them and to detach
// them again. The attachments are the state of the world: nothing is remembered but since when a detach is wanted and what was said.
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import type { ObjectKey } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { itself, mapped } from '#client/triggers.ts'
import { isNodeReady } from '#controllers/node-lifecycle/node-lifecycle.ts'
import { textOf } from '#controllers/pod-control.ts'
import { setAttached } from './attached-volumes.ts'
import {
  attachmentName,
  attachmentsOf,
  claimsOf,
  isAttachable,
  isManaged,
  isMultiAttachAllowed,
  podsByNode,
  uniqueName,
} from './attachments.ts'

const UNMOUNT_WAIT_MS = 360_000
const ATTACH_WAIT_MS = 120_000

interface Place {
  attachment?: VolumeAttachment
  pods: readonly Pod[]
  memory: Memory
}

/** Of a volume on a node. */
interface Memory {
  volumeName: string
  attachmentName: string
  /** Since when nobody wants it there, in monotonic milliseconds. */
  unwantedSince?: number
  /** Its pods know that it is attached. */
  announced?: boolean
  /** By uid of a pod: what it was told last, so that it is said once. */
  refusals: Map<string, string>
}

/** `detaching`: names of attachments on their way out, which nodes are told of no longer. */
export function attachDetachController(detaching: Set<string>): Controller {
  /** Volume -> node -> what is to be remembered while it is attached or wanted there. */
  const memories = new Map<string, Map<string, Memory>>()

  /** Everywhere the volume is or should be. */
  const placesOf = (name: string, volume: PersistentVolume | undefined, informers: Informers): Map<string, Place> => {
    const known = memories.get(name) ?? new Map<string, Memory>()
    const wanted = volume ? podsByNode(volume, informers) : new Map<string, Pod[]>()
    const places = new Map<string, Place>()
    const place = (node: string): Place => {
      const fresh = { volumeName: volume ? uniqueName(volume) : '', attachmentName: volume ? attachmentName(volume, node) : '' }
      const memory = known.get(node) ?? { ...fresh, refusals: new Map() }
      return { pods: wanted.get(node) ?? [], memory }
    }
    for (const attachment of attachmentsOf(name, informers)) {
      const node = attachment.spec.nodeName
      // What was made by other hands is left to them.
      if (volume ? attachment.metadata?.name === attachmentName(volume, node) : known.has(node))
        places.set(node, { ...place(node), attachment })
    }
    for (const node of wanted.keys()) if (!places.has(node)) places.set(node, place(node))
    for (const [node, { attachmentName: gone }] of known) if (!places.get(node)?.attachment) detaching.delete(gone)
    if (places.size === 0) memories.delete(name)
    else memories.set(name, new Map([...places].map(([node, { memory }]) => [node, memory])))
    return places
  }

  /** How long to wait before it may be tried; undefined: done, or something else must happen first. */
  const detach = async (node: string, { attachment, memory }: Place, { informers, clock, client, metrics }: ControllerContext) => {
    const { metadata, status } = attachment!
    if (metadata?.deletionTimestamp) return undefined
    const now = clock.monotonic()
    memory.unwantedSince ??= now
    const found = informers.of(Node).get({ name: node })
    // Of a node that is gone nobody knows whether it still writes.
    const mounted = found ? found.status?.volumesInUse?.includes(memory.volumeName) : status?.attached
    const outOfService = found?.spec?.taints?.some(({ key }) => key === 'node.kubernetes.io/out-of-service')
    const waitMs = memory.unwantedSince + UNMOUNT_WAIT_MS - now
    const healthy = found !== undefined && isNodeReady(found)
    if (mounted && !outOfService && (healthy || waitMs > 0)) return waitMs > 0 ? waitMs : undefined
    if (mounted) metrics.add('attachdetach_controller_forced_detaches', [outOfService ? 'out-of-service' : 'timeout'])
    // The node hears of it first: whatever it mounts afterwards would be lost.
    detaching.add(metadata!.name!)
    if (isManaged(found)) await setAttached(found!, { informers, client, detaching })
    await client.delete(VolumeAttachment, { name: metadata!.name! }, { preconditions: { uid: metadata!.uid! } }).catch(ignoreNotFound)
    return undefined
  }

  /** Says how attaching goes; returns how long until it must be said that it takes too long. */
  const watchOver = ({ attachment, memory, pods }: Place, volume: PersistentVolume, { events, clock }: ControllerContext) => {
    const { metadata, status } = attachment!
    const since = Date.parse(metadata?.creationTimestamp ?? '')
    const age = clock.now() - since
    if (status?.attached) {
      // What was attached long before this process began is no news.
      if (!memory.announced && age <= ATTACH_WAIT_MS)
        for (const pod of pods)
          events.event(pod, 'Normal', 'SuccessfulAttachVolume', `AttachVolume.Attach succeeded for volume ${quoted(volume)} `)
      memory.announced = true
      memory.refusals.clear()
      return undefined
    }
    if (!status?.attachError && age < ATTACH_WAIT_MS) return ATTACH_WAIT_MS - age
    const { driver, volumeHandle } = volume.spec!.csi!
    const late = `timed out waiting for external-attacher of ${driver} CSI driver to attach volume ${volumeHandle}`
    const text = `AttachVolume.Attach failed for volume ${quoted(volume)} : ${status?.attachError?.message ?? late}`
    refuse({ memory, pods }, () => text, events)
    return undefined
  }

  const attach = async (node: string, place: Place, { volume, context }: { volume: PersistentVolume; context: ControllerContext }) => {
    const name = attachmentName(volume, node)
    delete place.memory.unwantedSince
    place.memory.announced = false
    const spec = { nodeName: node, attacher: volume.spec!.csi!.driver, source: { persistentVolumeName: volume.metadata!.name! } }
    try {
      await context.client.create(VolumeAttachment, { apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttachment', metadata: { name }, spec })
    } catch (error) {
      const text = `AttachVolume.Attach failed for volume ${quoted(volume)} : ${textOf(error)}`
      refuse(place, () => text, context.events)
      throw error
    }
  }

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
      const places = placesOf(name, volume, informers)
      const waits: (number | undefined)[] = []
      // Detached first: what a pod takes along to another node is free sooner.
      for (const [node, place] of places) if (place.attachment && place.pods.length === 0) waits.push(await detach(node, place, context))
      const taken = [...places.values()].filter(({ attachment }) => attachment)
      for (const [node, place] of places) {
        const { attachment, pods, memory } = place
        if (!volume || pods.length === 0 || attachment?.metadata?.deletionTimestamp) continue
        if (attachment) {
          delete memory.unwantedSince
          waits.push(watchOver(place, volume, context))
          const found = informers.of(Node).get({ name: node })
          if (detaching.delete(attachment.metadata!.name!) && found) await setAttached(found, { informers, client, detaching })
        } else if (taken.length > 0 && !isMultiAttachAllowed(volume)) {
          const others = taken.flatMap((other) => other.pods)
          // Said once, whatever becomes of those pods.
          const fresh = { memory, pods: pods.filter(({ metadata }) => !memory.refusals.has(metadata?.uid ?? '')) }
          refuse(fresh, (pod) => `Multi-Attach error for volume ${quoted(volume)} ${multiAttachText(pod, others)}`, events)
        } else {
          taken.push(place)
          await attach(node, place, { volume, context })
        }
      }
      const waitMs = Math.min(...waits.map((wait) => wait ?? Infinity))
      if (waitMs !== Infinity) return { requeueAfterMs: waitMs }
    },
  }
}

function refuse({ memory, pods }: Pick<Place, 'memory' | 'pods'>, text: (pod: Pod) => string, events: ControllerContext['events']): void {
  for (const pod of pods) {
    const { uid = '' } = pod.metadata!
    if (memory.refusals.get(uid) === text(pod)) continue
    memory.refusals.set(uid, text(pod))
    events.event(pod, 'Warning', 'FailedAttachVolume', text(pod))
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

const quoted = ({ metadata }: PersistentVolume): string => JSON.stringify(metadata?.name)

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
