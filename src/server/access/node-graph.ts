// Which nodes have to do with which secrets, config maps, claims and accounts, through the pods bound to them. Counted, so that it can be kept
// change by change; invariant: equals a fresh build over all pods.
import { secretsOf } from '#api/pod-secrets.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import { MIRROR_ANNOTATION } from '#api/well-known.ts'
import { Following } from '#server/following.ts'
import type { ObjectChange, ObjectReader } from '#server/request.ts'
import { configMapsOf, volumeNeedsSecret } from './pod-references.ts'

export type Reachable = 'pods' | 'secrets' | 'configmaps' | 'persistentvolumeclaims' | 'serviceaccounts' | 'resourceclaims'

export class NodeGraph implements Disposable {
  /** `secrets/ns/name` -> node -> how many pods. */
  #uses = new Map<string, Map<string, number>>()
  readonly #reader: ObjectReader
  readonly #following: Following<Pod>
  /** Until all pods are counted. */
  loading: Promise<void> | undefined

  constructor(reader: ObjectReader) {
    this.#reader = reader
    const tell = ({ object, previous }: ObjectChange<Pod>) => {
      if (object) this.#count(object, 1)
      if (previous) this.#count(previous, -1)
    }
    this.#following = new Following(reader, { kind: Pod, tell, glance: true })
    this.loading = this.#following.load()?.then(() => (this.loading = undefined))
  }

  reaches(node: string, what: Reachable, namespace: string, name: string): boolean {
    return this.#uses.get(`${what}/${namespace}/${name}`)?.has(node) ?? false
  }

  reachesVolume(node: string, name: string): boolean {
    const claim = this.#reader.get(PersistentVolume, { name })?.spec?.claimRef
    return !!claim && this.reaches(node, 'persistentvolumeclaims', claim.namespace ?? '', claim.name ?? '')
  }

  reachesAttachment(node: string, name: string): boolean {
    return this.#reader.get(VolumeAttachment, { name })?.spec?.nodeName === node
  }

  isSliceOf(node: string, name: string): boolean {
    return this.#reader.get(ResourceSlice, { name })?.spec?.nodeName === node
  }

  /** A secret that a volume of one of the node's pods names. */
  reachesVolumeSecret(node: string, namespace: string, name: string): boolean {
    for (const [use, nodes] of this.#uses) {
      if (!use.startsWith('persistentvolumeclaims/') || !nodes.has(node)) continue
      const [, claimNamespace = '', claimName = ''] = use.split('/')
      const volumeName = this.#reader.get(PersistentVolumeClaim, { namespace: claimNamespace, name: claimName })?.spec?.volumeName
      const volume = volumeName ? this.#reader.get(PersistentVolume, { name: volumeName }) : undefined
      if (volume && volumeNeedsSecret(volume, { namespace, name })) return true
    }
    return false
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]()
  }

  #count(pod: Pod, step: 1 | -1): void {
    const node = pod.spec?.nodeName
    if (!node) return
    for (const use of usesOf(pod)) {
      const nodes = this.#uses.get(use) ?? new Map<string, number>()
      const count = (nodes.get(node) ?? 0) + step
      if (count > 0) nodes.set(node, count)
      else nodes.delete(node)
      if (nodes.size > 0) this.#uses.set(use, nodes)
      else this.#uses.delete(use)
    }
  }
}

function usesOf(pod: Pod): Set<string> {
  const { namespace = '', name = '', annotations } = pod.metadata ?? {}
  const uses = new Set([`pods/${namespace}/${name}`])
  if (annotations?.[MIRROR_ANNOTATION] !== undefined) return uses
  const add = (what: Reachable, used: string | undefined) => used && uses.add(`${what}/${namespace}/${used}`)
  const { spec } = pod
  add('serviceaccounts', spec?.serviceAccountName)
  for (const secret of secretsOf(pod)) add('secrets', secret)
  for (const configMap of configMapsOf(pod)) add('configmaps', configMap)
  for (const volume of spec?.volumes ?? []) {
    add('persistentvolumeclaims', volume.persistentVolumeClaim?.claimName)
    if (volume.ephemeral) add('persistentvolumeclaims', `${name}-${volume.name}`)
  }
  for (const claim of pod.status?.resourceClaimStatuses ?? []) add('resourceclaims', claim.resourceClaimName)
  for (const claim of spec?.resourceClaims ?? []) add('resourceclaims', claim.resourceClaimName)
  add('resourceclaims', pod.status?.extendedResourceClaimStatus?.resourceClaimName)
  return uses
}
