// Which driver makes and deletes a volume that an in-tree plugin was to make or has made: an annotation for the driver's provisioner. The plugin's name
// stays beside it.
import { driverOf } from '#api/in-tree-volumes.ts'
import type { Kind } from '#api/kind.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import type { KubeObject } from '#api/object.ts'
import type { Client } from '#client/client.ts'

export const PROVISIONER = 'volume.kubernetes.io/storage-provisioner'
export const BETA_PROVISIONER = 'volume.beta.kubernetes.io/storage-provisioner'
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by'
export const MIGRATED_TO = 'pv.kubernetes.io/migrated-to'

export function nameClaimSuccessor(claim: PersistentVolumeClaim, client: Client): Promise<PersistentVolumeClaim> {
  const { [PROVISIONER]: provisioner, [BETA_PROVISIONER]: beta } = claim.metadata?.annotations ?? {}
  return nameSuccessor(PersistentVolumeClaim, claim, { plugin: provisioner ?? beta, client })
}

export function nameVolumeSuccessor(volume: PersistentVolume, client: Client): Promise<PersistentVolume> {
  return nameSuccessor(PersistentVolume, volume, { plugin: volume.metadata?.annotations?.[PROVISIONED_BY], client })
}

async function nameSuccessor<T extends KubeObject>(
  kind: Kind<T>,
  object: T,
  { plugin, client }: { plugin: string | undefined; client: Client },
): Promise<T> {
  const { [MIGRATED_TO]: named = '', ...others } = object.metadata?.annotations ?? {}
  if (plugin === undefined || named === (driverOf(plugin) ?? '')) return object
  const driver = driverOf(plugin)
  const annotations = driver ? { ...others, [MIGRATED_TO]: driver } : others
  return client.update(kind, { ...object, metadata: { ...object.metadata, annotations } })
}
