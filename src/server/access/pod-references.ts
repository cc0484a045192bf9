// What a pod names that lives in the API: its kubelet may read that, and a pod that a kubelet makes up itself may name none of it.
import type { PersistentVolume, Pod } from '#api/generated/types.ts'
import { containersOf, secretsOf } from '#api/pod-secrets.ts'

/** Config maps in the pod's namespace. */
export function* configMapsOf({ spec }: Pod): Iterable<string> {
  for (const { env, envFrom } of containersOf(spec)) {
    for (const { configMapRef } of envFrom ?? []) if (configMapRef?.name) yield configMapRef.name
    for (const { valueFrom } of env ?? []) if (valueFrom?.configMapKeyRef?.name) yield valueFrom.configMapKeyRef.name
  }
  for (const { configMap, projected } of spec?.volumes ?? []) {
    if (configMap?.name) yield configMap.name
    for (const source of projected?.sources ?? []) if (source.configMap?.name) yield source.configMap.name
  }
}

/** The first kind of object that the pod refers to, as refusals name it; undefined where it stands by itself. */
export function referredKind(pod: Pod): string | undefined {
  const { spec } = pod
  if (spec?.serviceAccountName) return 'serviceaccounts'
  for (const _ of secretsOf(pod)) return 'secrets'
  for (const _ of configMapsOf(pod)) return 'configmaps'
  if (spec?.resourceClaims?.length) return 'resourceclaims'
  for (const { csi, glusterfs, persistentVolumeClaim, ephemeral, projected } of spec?.volumes ?? []) {
    if (csi) return 'csidrivers (via CSI volumes)'
    if (glusterfs) return 'endpoints (via glusterFS volumes)'
    if (persistentVolumeClaim) return 'persistentvolumeclaims'
    if (ephemeral) return 'persistentvolumeclaims (via ephemeral volumes)'
    for (const { serviceAccountToken, clusterTrustBundle, podCertificate } of projected?.sources ?? []) {
      if (serviceAccountToken) return 'serviceaccounts (via projected volumes)'
      if (clusterTrustBundle) return 'clustertrustbundles'
      if (podCertificate) return 'podcertificates'
    }
  }
  return undefined
}

/** Whether a kubelet needs that secret to mount the volume: those of its controllers alone are not for it. */
export function volumeNeedsSecret({ spec }: PersistentVolume, { namespace, name }: { namespace: string; name: string }): boolean {
  const { azureFile, cephfs, cinder, csi, flexVolume, iscsi, rbd, scaleIO, storageos } = spec ?? {}
  // Those that say no namespace mean the claim's.
  const home = spec?.claimRef?.namespace
  const isIt = (ref: { name?: string; namespace?: string } | undefined) => ref?.name === name && (ref.namespace || home) === namespace
  return (
    (azureFile?.secretName === name && (azureFile.secretNamespace || home) === namespace) ||
    [cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos].some((source) => isIt(source?.secretRef)) ||
    [csi?.nodePublishSecretRef, csi?.nodeStageSecretRef, csi?.nodeExpandSecretRef].some(isIt)
  )
}
