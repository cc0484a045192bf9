// What becomes of a volume whose claim is gone. Nothing is deleted or wiped here: that is for its provisioner, and where there is none the volume says
// so, and stays `Failed` for its administrator.
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import type { ControllerContext } from '#client/controller.ts'
import { MIGRATED_TO, PROVISIONED_BY } from './successor.ts'

/** Of what is left in the tree, what knows no way to delete a volume; other types have no plugin at all. */
const UNDELETABLE = ['nfs', 'local'] as const

export async function reclaim(volume: PersistentVolume, context: ControllerContext): Promise<void> {
  const { spec, status } = volume
  if (status?.phase === 'Failed') return
  if (status?.phase !== 'Released') return setVolumePhase(volume, 'Released', context)
  const policy = spec?.persistentVolumeReclaimPolicy ?? 'Retain'
  if (policy === 'Retain' || has(volume, MIGRATED_TO)) return
  if (policy === 'Delete' && (isProvisioned(volume) || spec?.csi)) return
  const [reason, message] =
    policy === 'Recycle' ? ['VolumeFailedRecycle', 'No recycler plugin found for the volume!'] : ['VolumeFailedDelete', undeletable(volume)]
  await context.client.update(PersistentVolume, { ...volume, status: { ...status, phase: 'Failed', message } }, { subresource: 'status' })
  context.events.event(volume, 'Warning', reason, message)
}

function undeletable({ metadata, spec }: PersistentVolume): string {
  const path = spec?.hostPath?.path
  // Below /tmp upstream deletes what is on the controllers' own machine: none of theirs.
  if (path && !/\/tmp\/./.test(path)) return `host_path deleter only supports /tmp/.+ but received provided ${path}`
  const wanted = path || UNDELETABLE.some((type) => spec?.[type]) ? 'deletable volume plugin' : 'volume plugin'
  return `error getting deleter volume plugin for volume ${JSON.stringify(metadata?.name)}: no ${wanted} matched`
}

/** Made for its claim, by somebody who will also delete it. */
export function isProvisioned(volume: PersistentVolume): boolean {
  return has(volume, PROVISIONED_BY)
}

/** What was said of the phase before goes with it. */
export async function setVolumePhase(volume: PersistentVolume, phase: string, { client }: ControllerContext): Promise<void> {
  if (volume.status?.phase === phase) return
  const { message: _, ...status } = volume.status ?? {}
  await client.update(PersistentVolume, { ...volume, status: { ...status, phase } }, { subresource: 'status' })
}

function has({ metadata }: PersistentVolume, annotation: string): boolean {
  return Object.hasOwn(metadata?.annotations ?? {}, annotation)
}
