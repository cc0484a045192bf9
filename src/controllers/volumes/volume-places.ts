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
import { attachmentName, attachmentsOf, isManaged, partsOf, volumeNameOfAttachment } from './attachments.ts'
import { InlineVolumes, wantedOn } from './wanted-volumes.ts'

const UNMOUNT_WAIT_MS = 360_000
const ATTACH_WAIT_MS = 120_000
/** Between attempts that fail; an attempt itself may take as long as is waited for a driver. */
const RETRY_MS = { first: 500, most: 122_000 }

/** A node where a volume is or should be. */
export interface Place {
  node: string
  volumeName: string
  attachment?: VolumeAttachment
  /** As the oldest of its pods knows it; nobody wants it there without. */
  volume?: PersistentVolume
  pods: readonly Pod[]
  memory: Memory
}

export type WantedPlace = Place & { volume: PersistentVolume }

/** Of a volume on a node. */
interface Memory {
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
  /** Name of a volume -> node -> what is to be remembered while it is attached or wanted there. */
  readonly #memories = new Map<string, Map<string, Memory>>()
  readonly #detaching: Set<string>
  readonly #inline = new InlineVolumes()

  /** `detaching`: names of attachments on their way out, which nodes are told of no longer. */
  constructor(detaching: Set<string>) {
    this.#detaching = detaching
  }

  /** Everywhere the volume is or should be; where it was wanted first comes first. */
  of(volumeName: string, informers: Informers): Place[] {
    const known = this.#memories.get(volumeName) ?? new Map<string, Memory>()
    const wanted = wantedOn(volumeName, informers, this.#inline)
    const attached = attachmentsOf(volumeName, informers).map(({ spec }) => spec.nodeName)
    const nodes = new Set([...wanted.keys(), ...attached, ...known.keys()])
    const places: Place[] = []
    for (const node of nodes) {
      // What was made by other hands has another name, and is left to them.
      const attachment = informers.of(VolumeAttachment).get({ name: attachmentName(volumeName, node) })
      if (!attachment) this.#detaching.delete(attachmentName(volumeName, node))
      const memory = known.get(node) ?? { refused: new Set() }
      const there = wanted.get(node) ?? { pods: [] }
      if (attachment) places.push({ node, volumeName, attachment, ...there, memory })
      else if (wanted.has(node)) places.push({ node, volumeName, ...there, memory })
    }
    if (places.length === 0) this.#memories.delete(volumeName)
    else this.#memories.set(volumeName, new Map(places.map(({ node, memory }) => [node, memory])))
    return places
  }

  /** Also after the PersistentVolume it was made for is gone. */
  volumeNameOf(attachment: VolumeAttachment, informers: Informers): string {
    const name = volumeNameOfAttachment(attachment, informers)
    if (name) return name
    const node = attachment.spec.nodeName
    for (const [known, nodes] of this.#memories)
      if (nodes.has(node) && attachmentName(known, node) === attachment.metadata?.name) return known
    return ''
  }

  /** How long to wait before it may be tried; undefined: done, or something else must happen first. */
  async detach({ node, volumeName, attachment, memory }: Place, context: ControllerContext): Promise<number | undefined> {
    const { informers, clock, client, metrics } = context
    const { metadata, status } = attachment!
    if (metadata?.deletionTimestamp) return undefined
    const now = clock.monotonic()
    memory.unwantedSince ??= now
    const found = informers.of(Node).get({ name: node })
    // Of a node that is gone nobody knows whether it still writes.
    const mounted = found ? found.status?.volumesInUse?.includes(volumeName) : status?.attached
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
  watchOver(place: WantedPlace, context: ControllerContext): number | undefined {
    const { attachment, memory, pods, volume } = place
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
    const { driver, handle } = partsOf(place.volumeName)
    const late = `timed out waiting for external-attacher of ${driver} CSI driver to attach volume ${handle}`
    return failed(place, status?.attachError?.message ?? late, { context, attemptMs: status?.attachError ? 0 : ATTACH_WAIT_MS })
  }

  /** Returns how long to wait before it may be tried again; undefined: it is for the driver now. */
  async attach(place: WantedPlace, context: ControllerContext): Promise<number | undefined> {
    const { node, volumeName, volume, memory } = place
    delete memory.unwantedSince
    memory.announced = false
    const leftMs = (memory.failing?.nextMs ?? 0) - context.clock.monotonic()
    if (leftMs > 0) return leftMs
    const metadata = { name: attachmentName(volumeName, node) }
    // What only pods speak of is told in full.
    const source = volume.metadata?.uid ? { persistentVolumeName: volume.metadata.name! } : { inlineVolumeSpec: volume.spec! }
    const spec = { nodeName: node, attacher: partsOf(volumeName).driver, source }
    try {
      await context.client.create(VolumeAttachment, { apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttachment', metadata, spec })
      return undefined
    } catch (error) {
      // As good as one's own, and soon to be seen.
      if (hasReason(error, 'AlreadyExists')) return undefined
      context.log.warn('could not attach', { volume: volume.metadata?.name, node, error })
      return failed(place, textOf(error), { context })
    }
  }
}

interface Attempt {
  context: ControllerContext
  attemptMs?: number
}

/** Says so once for every attempt; returns how long until the next one fails, which takes `attemptMs` if nothing comes between. */
function failed({ memory, pods, volume }: WantedPlace, why: string, { context, attemptMs = 0 }: Attempt): number {
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
