// Volumes of pods about to be placed: which node can reach or get them, keeping chosen ones from being chosen twice, and having them bound in time.
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Node } from '#api/kinds/core/node.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { CSIStorageCapacity } from '#api/kinds/storage/csi-storage-capacity.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { matchesLabels, selectorOf } from '#api/label-selector.ts'
import { matchesNodeSelector } from '#api/node-selector.ts'
import { type KubeObject, keyOf } from '#api/object.ts'
import { quantityOf } from '#api/quantity.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import { BIND_COMPLETED_ANNOTATION, BOUND_BY_CONTROLLER_ANNOTATION, NO_PROVISIONER, SELECTED_NODE_ANNOTATION } from '#api/well-known.ts'
import type { Client } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import { until } from '#client/until.ts'
import type { Clock } from '#lib/clock.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import type { PodRefusal, Refusal } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { asKnownOn } from './in-tree.ts'
import { isReachable, suitableVolume } from './matching.ts'
import { podClaims } from './pod-claims.ts'

/** What the pod's claims stand at: bound to volumes, or to be bound on the node chosen. */
export interface ClaimState {
  bound: readonly PersistentVolumeClaim[]
  waiting: readonly PersistentVolumeClaim[]
}

type Choice = { claim: PersistentVolumeClaim; volume?: PersistentVolume }

const UNREACHABLE = "node(s) didn't match PersistentVolume's node affinity"
const NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
const NO_SPACE = 'node(s) did not have enough free storage'
const VANISHED = 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)'

export class VolumeBinder {
  readonly #options: { client: Client; informers: Informers; clock: Clock; signal: AbortSignal }
  /** Volume name -> pod it was chosen for. */
  readonly #taken = new Map<string, string>()
  readonly #choices = new Map<string, Choice[]>()

  constructor(options: { client: Client; informers: Informers; clock: Clock; signal: AbortSignal }) {
    this.#options = options
  }

  /** undefined: the pod mounts no claims. */
  stateOf({ pod, namespace }: PodInfo): ClaimState | PodRefusal | undefined {
    const names = podClaims(pod)
    if (names.length === 0) return undefined
    const bound: PersistentVolumeClaim[] = []
    const waiting: PersistentVolumeClaim[] = []
    let unbound = false
    for (const { name, ephemeral } of names) {
      const claim = this.#options.informers.of(PersistentVolumeClaim).get({ namespace, name })
      if (!claim) {
        if (ephemeral)
          return { message: `waiting for ephemeral volume controller to create the persistentvolumeclaim ${JSON.stringify(name)}` }
        return { message: `persistentvolumeclaim ${JSON.stringify(name)} not found` }
      }
      if (claim.status?.phase === 'Lost')
        return {
          message: `persistentvolumeclaim ${JSON.stringify(name)} bound to non-existent persistentvolume ${JSON.stringify(claim.spec?.volumeName ?? '')}`,
        }
      if (claim.metadata?.deletionTimestamp) return { message: `persistentvolumeclaim ${JSON.stringify(name)} is being deleted` }
      if (ephemeral && !claim.metadata?.ownerReferences?.some(({ uid, controller }) => controller && uid === pod.metadata?.uid)) {
        return { message: `PVC ${namespace}/${name} was not created for pod ${namespace}/${pod.metadata?.name} (pod is not owner)` }
      }
      if (isBound(claim)) bound.push(claim)
      else if (this.#waitsForConsumer(claim)) waiting.push(claim)
      else unbound = true
    }
    return unbound ? { message: 'pod has unbound immediate PersistentVolumeClaims' } : { bound, waiting }
  }

  refusalOf({ bound, waiting }: ClaimState, node: NodeInfo, pod: PodInfo): Refusal | undefined {
    const reasons: string[] = []
    for (const claim of bound) {
      const volume = this.#options.informers.of(PersistentVolume).get({ name: claim.spec?.volumeName ?? '' })
      if (volume && isReachable(this.#asKnownOn(node.name, volume), node)) continue
      reasons.push(volume ? UNREACHABLE : VANISHED)
      break
    }
    const choices = waiting.length === 0 ? [] : this.#choose(waiting, node, pod)
    if (typeof choices === 'string') reasons.push(choices)
    return reasons.length === 0 ? undefined : { reasons, final: true }
  }

  /** Keeps what suits the pod on the node for it, until bound or released. Whether there is anything to bind. */
  reserve(pod: PodInfo, node: NodeInfo): boolean {
    const state = this.stateOf(pod)
    if (!state || 'message' in state || state.waiting.length === 0) return false
    const found = this.#choose(state.waiting, node, pod)
    const choices = typeof found === 'string' ? [] : found
    this.#choices.set(pod.uid, choices)
    for (const { volume } of choices) if (volume) this.#taken.set(volume.metadata?.name ?? '', pod.uid)
    return choices.length > 0
  }

  release({ uid }: PodInfo): void {
    for (const { volume } of this.#choices.get(uid) ?? []) if (volume) this.#taken.delete(volume.metadata?.name ?? '')
    this.#choices.delete(uid)
  }

  /** Has the reserved volumes bound to their claims, and made where none was there; resolves when all are bound. */
  async bind(pod: PodInfo, node: string, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
    const choices = this.#choices.get(pod.uid)
    if (!choices?.length) return
    await Promise.all(choices.map((choice) => this.#request(choice, node, signal)))
    try {
      await this.#allBound(choices, node, { timeoutMs, signal })
    } catch (error) {
      throw new Error(`binding volumes: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }

  #asKnownOn(name: string, volume: PersistentVolume): PersistentVolume {
    return asKnownOn(this.#options.informers.of(CSINode).get({ name }), volume)
  }

  #waitsForConsumer(claim: PersistentVolumeClaim): boolean {
    return this.#classOf(claim)?.volumeBindingMode === 'WaitForFirstConsumer'
  }

  #classOf(claim: PersistentVolumeClaim): StorageClass | undefined {
    return this.#options.informers.of(StorageClass).get({ name: storageClassOf(claim) ?? '' })
  }

  #choose(claims: readonly PersistentVolumeClaim[], node: NodeInfo, { uid }: PodInfo): Choice[] | string {
    const volumes = this.#options.informers.of(PersistentVolume).list()
    const chosen = new Set<string>()
    const choices: Choice[] = []
    for (const claim of claims) {
      const taken = (name: string) => chosen.has(name) || (this.#taken.get(name) ?? uid) !== uid
      const selected = claim.metadata?.annotations?.[SELECTED_NODE_ANNOTATION]
      if (selected && selected !== node.name) return NO_VOLUME
      // A volume is being made for it already.
      const volume = selected ? undefined : suitableVolume(claim, volumes, { node, taken })
      if (!volume) {
        const storageClass = this.#classOf(claim)
        if (!canProvision(storageClass, node)) return NO_VOLUME
        if (!this.#hasSpace(claim, storageClass!, node)) return NO_SPACE
      }
      if (volume) chosen.add(volume.metadata?.name ?? '')
      choices.push(volume ? { claim, volume } : { claim })
    }
    return choices
  }

  /** Only drivers that say they tell of their space are asked for it. */
  #hasSpace(claim: PersistentVolumeClaim, { metadata, provisioner }: StorageClass, { labels }: NodeInfo): boolean {
    const { informers } = this.#options
    if (!informers.of(CSIDriver).get({ name: provisioner })?.spec?.storageCapacity) return true
    const size = quantityOf(claim.spec?.resources?.requests?.storage)
    return informers
      .of(CSIStorageCapacity)
      .list()
      .some(
        ({ storageClassName, capacity, maximumVolumeSize, nodeTopology }) =>
          storageClassName === metadata?.name &&
          (maximumVolumeSize ?? capacity) !== undefined &&
          quantityOf(maximumVolumeSize ?? capacity).compare(size) >= 0 &&
          nodeTopology !== undefined &&
          matchesLabels(selectorOf(nodeTopology), labels),
      )
  }

  /** Resolves once what was written is seen here. */
  async #request({ claim, volume }: Choice, node: string, signal: AbortSignal): Promise<void> {
    const { client, informers } = this.#options
    if (!volume) {
      const patch = { metadata: { annotations: { [SELECTED_NODE_ANNOTATION]: node } } }
      const { metadata } = await client.patch(PersistentVolumeClaim, keyOf(claim), { type: 'merge', patch }, { signal })
      return informers.of(PersistentVolumeClaim).seen(metadata?.resourceVersion ?? '0')
    }
    if (volume.spec?.claimRef?.uid) return
    const { namespace, name, uid, resourceVersion } = claim.metadata ?? {}
    const claimRef = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion }
    const patch = {
      metadata: { resourceVersion: volume.metadata?.resourceVersion, annotations: { [BOUND_BY_CONTROLLER_ANNOTATION]: 'yes' } },
      spec: { claimRef },
    }
    const { metadata } = await client.patch(PersistentVolume, { name: volume.metadata?.name ?? '' }, { type: 'merge', patch }, { signal })
    return informers.of(PersistentVolume).seen(metadata?.resourceVersion ?? '0')
  }

  #allBound(choices: readonly Choice[], node: string, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
    const { clock } = this.#options
    const informers = [PersistentVolumeClaim, PersistentVolume, Node].map((kind) => this.#options.informers.of<KubeObject>(kind))
    const bound = () => choices.map((choice) => this.#isReady(choice, node)).every(Boolean)
    return until(bound, { informers, clock, timeoutMs, timeout: 'context deadline exceeded', signal })
  }

  /** Whether the claim is bound. Throws where it will not come about, so that the pod is placed anew. */
  #isReady({ claim: { metadata }, volume: chosen }: Choice, nodeName: string): boolean {
    const { informers } = this.#options
    const key = { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' }
    const node = informers.of(Node).get({ name: nodeName })
    if (!node) throw new Error(`failed to get node ${JSON.stringify(nodeName)}: node ${JSON.stringify(nodeName)} not found`)
    const what = chosen ? 'binding' : 'provisioning pvc'
    const reachable = (volume: PersistentVolume) => {
      const { metadata: { name = '' } = {}, spec } = this.#asKnownOn(nodeName, volume)
      const required = spec?.nodeAffinity?.required
      if (!required || matchesNodeSelector(required, { name: nodeName, labels: node.metadata?.labels ?? {} })) return
      throw new Error(
        `pv ${JSON.stringify(name)} node affinity doesn't match node ${JSON.stringify(nodeName)}: no matching NodeSelectorTerms`,
      )
    }
    const volumeNamed = (name: string) => informers.of(PersistentVolume).get({ name })
    if (chosen) {
      const name = chosen.metadata?.name ?? ''
      const volume = volumeNamed(name)
      if (!volume) throw new Error(`failed to check binding: could not find v1.PersistentVolume ${JSON.stringify(name)}`)
      reachable(volume)
      if (!volume.spec?.claimRef?.uid) throw new Error(`ClaimRef got reset for pv ${JSON.stringify(name)}`)
    }
    const claim = informers.of(PersistentVolumeClaim).get(key)
    if (!claim || claim.metadata?.uid !== metadata?.uid)
      throw new Error(`failed to check ${what}: could not find v1.PersistentVolumeClaim ${JSON.stringify(`${key.namespace}/${key.name}`)}`)
    if (chosen) return isBound(claim)
    // Whoever should make the volume, and cannot, takes the node back.
    const { [SELECTED_NODE_ANNOTATION]: selected } = claim.metadata?.annotations ?? {}
    if (selected !== nodeName) throw new Error(`provisioning failed for PVC ${JSON.stringify(key.name)}`)
    const made = claim.spec?.volumeName ? volumeNamed(claim.spec.volumeName) : undefined
    if (claim.spec?.volumeName && !made) return false
    if (made) reachable(made)
    return isBound(claim)
  }
}

function isBound({ metadata, spec }: PersistentVolumeClaim): boolean {
  return Boolean(spec?.volumeName) && Object.hasOwn(metadata?.annotations ?? {}, BIND_COMPLETED_ANNOTATION)
}

function canProvision(storageClass: StorageClass | undefined, node: NodeInfo): boolean {
  if (!storageClass?.provisioner || storageClass.provisioner === NO_PROVISIONER) return false
  const topologies = storageClass.allowedTopologies ?? []
  if (topologies.length === 0) return true
  const nodeSelectorTerms = topologies.map(({ matchLabelExpressions = [] }) => ({
    matchExpressions: matchLabelExpressions.map(({ key, values }) => ({ key, operator: 'In', values })),
  }))
  return matchesNodeSelector({ nodeSelectorTerms }, node)
}
