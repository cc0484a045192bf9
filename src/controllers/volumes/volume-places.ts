// A CSI volume on one node after the other: asking its driver to attach it there or to detach it, and saying how that goes. The attachments are the
// state of the world: nothing is remembered but since when a detach is wanted and what was said.
import { Node } from '#api/kinds/core/node.ts'
import type { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import { OUT_OF_SERVICE_TAINT } from '#api/well-known.ts'
import type { ControllerContext } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { isNodeReady } from '#controllers/node-lifecycle/node-lifecycle.ts'
import { textOf } from '#controllers/pod-control.ts'
import { setAttached } from './attached-volumes.ts'
import { attachmentName, attachmentsOf, isManaged, podsByNode, uniqueName } from './attachments.ts'

const UNMOUNT_WAIT_MS = 360_000
const ATTACH_WAIT_MS = 120_000
/** Between attempts that fail; an attempt itself may take as long as is waited for a driver. */
const RETRY_MS = { first: 500, most: 122_000 }

/** A node where a volume is or should be. */
export interface Place {
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
  /** Attaching has failed: how often, what was said of it, and when it counts as failed again, in monotonic milliseconds. */
  failing?: { times: number; text: string; nextMs: number }
  /** Uids of pods that know that another node has it. */
  refused: Set<string>
}

export class VolumePlaces {
  /** Volume -> node -> what is to be remembered while it is attached or wanted there. */
  readonly #memories = new Map<string, Map<string, Memory>>()
  readonly #detaching: Set<string>

  /** `detaching`: names of attachments on their way out, which nodes are told of no longer. */
  constructor(detaching: Set<string>) {
    this.#detaching = detaching
  }

  /** Everywhere the volume is or should be. */
  of(name: string, volume: PersistentVolume | undefined, informers: Informers): Map<string, Place> {
    const known = this.#memories.get(name) ?? new Map<string, Memory>()
    const wanted = volume ? podsByNode(volume, informers) : new Map<string, Pod[]>()
    const places = new Map<string, Place>()
    const place = (node: string): Place => {
      const fresh = { volumeName: volume ? uniqueName(volume) : '', attachmentName: volume ? attachmentName(volume, node) : '' }
      const memory = known.get(node) ?? { ...fresh, refused: new Set() }
      return { pods: wanted.get(node) ?? [], memory }
    }
    for (const attachment of attachmentsOf(name, informers)) {
      const node = attachment.spec.nodeName
      // What was made by other hands is left to them.
      if (volume ? attachment.metadata?.name === attachmentName(volume, node) : known.has(node))
        places.set(node, { ...place(node), attachment })
    }
    for (const node of wanted.keys()) if (!places.has(node)) places.set(node, place(node))
    for (const [node, { attachmentName: gone }] of known) if (!places.get(node)?.attachment) this.#detaching.delete(gone)
    if (places.size === 0) this.#memories.delete(name)
    else this.#memories.set(name, new Map([...places].map(([node, { memory }]) => [node, memory])))
    return places
  }

  /** How long to wait before it may be tried; undefined: done, or something else must happen first. */
  async detach(node: string, { attachment, memory }: Place, context: ControllerContext): Promise<number | undefined> {
    const { informers, clock, client, metrics } = context
    const { metadata, status } = attachment!
    if (metadata?.deletionTimestamp) return undefined
    const now = clock.monotonic()
    memory.unwantedSince ??= now
    const found = informers.of(Node).get({ name: node })
    // Of a node that is gone nobody knows whether it still writes.
    const mounted = found ? found.status?.volumesInUse?.includes(memory.volumeName) : status?.attached
    const outOfService = found?.spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE_TAINT)
    const waitMs = memory.unwantedSince + UNMOUNT_WAIT_MS - now
    const healthy = found !== undefined && isNodeReady(found)
    if (mounted && !outOfService && (healthy || waitMs > 0)) return waitMs > 0 ? waitMs : undefined
    if (mounted) metrics.add('attachdetach_controller_forced_detaches', [outOfService ? 'out-of-service' : 'timeout'])
    // The node hears of it first: whatever it mounts afterwards would be lost.
    this.#detaching.add(metadata!.name!)
    if (isManaged(found)) await setAttached(found!, { informers, client, detaching: this.#detaching })
    await client.delete(VolumeAttachment, { name: metadata!.name! }, { preconditions: { uid: metadata!.uid! } }).catch(ignoreNotFound)
    return undefined
  }

  /** Says how attaching goes; returns how long until it must be said again, or that it takes too long. */
  watchOver(place: Place, volume: PersistentVolume, context: ControllerContext): number | undefined {
    const { attachment, memory, pods } = place
    const { clock, events } = context
    const { metadata, status } = attachment!
    const since = Date.parse(metadata?.creationTimestamp ?? '')
    const age = clock.now() - since
    if (status?.attached) {
      // What was attached long before this process began is no news.
      if (!memory.announced && age <= ATTACH_WAIT_MS)
        for (const pod of pods)
          events.event(pod, 'Normal', 'SuccessfulAttachVolume', `AttachVolume.Attach succeeded for volume ${quoted(volume)} `)
      memory.announced = true
      memory.refused.clear()
      delete memory.failing
      return undefined
    }
    if (!status?.attachError && age < ATTACH_WAIT_MS) return ATTACH_WAIT_MS - age
    const { driver, volumeHandle } = volume.spec!.csi!
    const late = `timed out waiting for external-attacher of ${driver} CSI driver to attach volume ${volumeHandle}`
    return failed(place, status?.attachError?.message ?? late, { volume, context, attemptMs: status?.attachError ? 0 : ATTACH_WAIT_MS })
  }

  /** Returns how long to wait before it may be tried again; undefined: it is for the driver now. */
  async attach(node: string, place: Place, { volume, context }: On): Promise<number | undefined> {
    const { memory } = place
    const name = attachmentName(volume, node)
    delete memory.unwantedSince
    memory.announced = false
    const leftMs = (memory.failing?.nextMs ?? 0) - context.clock.monotonic()
    if (leftMs > 0) return leftMs
    const spec = { nodeName: node, attacher: volume.spec!.csi!.driver, source: { persistentVolumeName: volume.metadata!.name! } }
    try {
      await context.client.create(VolumeAttachment, { apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttachment', metadata: { name }, spec })
      return undefined
    } catch (error) {
      // Made by other hands, for another volume of the same handle: as good as one's own while it is there.
      if (hasReason(error, 'AlreadyExists')) return ATTACH_WAIT_MS
      context.log.warn('could not attach', { volume: volume.metadata?.name, node, error })
      return failed(place, textOf(error), { volume, context })
    }
  }
}

interface On {
  volume: PersistentVolume
  context: ControllerContext
}

/** Says so once for every attempt; returns how long until the next one fails, which takes `attemptMs` if nothing comes between. */
function failed({ memory, pods }: Place, why: string, { volume, context, attemptMs = 0 }: On & { attemptMs?: number }): number {
  const text = `AttachVolume.Attach failed for volume ${quoted(volume)} : ${why}`
  const now = context.clock.monotonic()
  const { times, text: said, nextMs } = memory.failing ?? { times: 0, text: '', nextMs: now }
  if (said === text && now < nextMs) return nextMs - now
  for (const pod of pods) context.events.event(pod, 'Warning', 'FailedAttachVolume', text)
  const waitMs = Math.min(RETRY_MS.first * 2 ** times, RETRY_MS.most) + attemptMs
  memory.failing = { times: times + 1, text, nextMs: now + waitMs }
  return waitMs
}

/** How long a driver may still be at work on it; 0: that has come to an end, good or bad, or takes too long. */
export function underWayMs({ attachment }: Place, { clock }: ControllerContext): number {
  const { metadata, status } = attachment ?? {}
  if (!metadata?.deletionTimestamp && (status?.attached || status?.attachError)) return 0
  const since = Date.parse(metadata?.deletionTimestamp ?? metadata?.creationTimestamp ?? '') || clock.now()
  return Math.max(0, since + ATTACH_WAIT_MS - clock.now())
}

export const quoted = ({ metadata }: PersistentVolume): string => JSON.stringify(metadata?.name)
