// The secrets a pod names, wherever it may.
import type { Pod, Volume } from '#api/generated/types.ts'

/** Secrets in the pod's namespace. */
export function* secretsOf({ spec }: Pod): Iterable<string> {
  for (const { name } of spec?.imagePullSecrets ?? []) if (name) yield name
  for (const { env, envFrom } of containersOf(spec)) {
    for (const { secretRef } of envFrom ?? []) if (secretRef?.name) yield secretRef.name
    for (const { valueFrom } of env ?? []) if (valueFrom?.secretKeyRef?.name) yield valueFrom.secretKeyRef.name
  }
  for (const volume of spec?.volumes ?? []) yield* secretsOfVolume(volume)
}

/** Of every kind. */
export const containersOf = (spec: Pod['spec']) => [
  ...(spec?.containers ?? []),
  ...(spec?.initContainers ?? []),
  ...(spec?.ephemeralContainers ?? []),
]

function* secretsOfVolume(volume: Volume): Iterable<string> {
  const { azureFile, cephfs, cinder, csi, flexVolume, iscsi, projected, rbd, scaleIO, secret, storageos } = volume
  if (secret?.secretName) yield secret.secretName
  if (azureFile?.secretName) yield azureFile.secretName
  for (const source of projected?.sources ?? []) if (source.secret?.name) yield source.secret.name
  for (const source of [cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos])
    if (source?.secretRef?.name) yield source.secretRef.name
  if (csi?.nodePublishSecretRef?.name) yield csi.nodePublishSecretRef.name
}
