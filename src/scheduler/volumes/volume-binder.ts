// Volumes of pods about to be placed: which node can reach or get them, keeping chosen ones from being chosen twice, and having them bound in time.
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { CSIStorageCapacity } from '#api/kinds/storage/csi-storage-capacity.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { matchesLabels, selectorOf } from '#api/label-selector.ts'
import { matchesNodeSelector } from '#api/node-selector.ts'
import { keyOf } from '#api/object.ts'
import { quantityOf } from '#api/quantity.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import type { Client } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import type { Clock } from '#lib/clock.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import type { PodRefusal, Refusal } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { isReachable, suitableVolume } from './matching.ts'
import { podClaims } from './pod-claims.ts'

/** What the pod's claims stand at: bound to volumes, or to be bound on the node chosen. */
export interface ClaimState {
  bound: readonly PersistentVolumeClaim[]
  waiting: readonly PersistentVolumeClaim[]
}

type Choice = { claim: PersistentVolumeClaim; volume?: PersistentVolume }

const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed'
const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller'
const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
const NO_PROVISIONER = 'kubernetes.io/no-provisioner'

const UNREACHABLE: Refusal = { reasons: ["node(s) didn't match PersistentVolume's node affinity"], final: true }
const NO_VOLUME: Refusal = { reasons: ["node(s) didn't find available persistent volumes to bind"], final: true }
const NO_SPACE: Refusal = { reasons: ['node(s) did not have enough free storage'], final: true }
const VANISHED: Refusal = { reasons: ['node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)'], final: true }

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
      else return { message: 'pod has unbound immediate PersistentVolumeClaims' }
    }
    return { bound, waiting }
  }

  refusalOf({ bound, waiting }: ClaimState, node: NodeInfo, pod: PodInfo): Refusal | undefined {
    for (const claim of bound) {
      const volume = this.#options.informers.of(PersistentVolume).get({ name: claim.spec?.volumeName ?? '' })
      if (!volume) return VANISHED
      if (!isReachable(volume, node)) return UNREACHABLE
    }
    if (waiting.length === 0) return undefined
    const choices = this.#choose(waiting, node, pod)
    return Array.isArray(choices) ? undefined : choices
  }

  /** Keeps what suits the pod on the node for it, until bound or released. Whether there is anything to bind. */
  reserve(pod: PodInfo, node: NodeInfo): boolean {
    const state = this.stateOf(pod)
    if (!state || 'message' in state || state.waiting.length === 0) return false
    const found = this.#choose(state.waiting, node, pod)
    const choices = Array.isArray(found) ? found : []
    this.#choices.set(pod.uid, choices)
    for (const { volume } of choices) if (volume) this.#taken.set(volume.metadata?.name ?? '', pod.uid)
    return choices.length > 0
  }

  release({ uid }: PodInfo): void {
    for (const { volume } of this.#choices.get(uid) ?? []) if (volume) this.#taken.delete(volume.metadata?.name ?? '')
    this.#choices.delete(uid)
  }

  /** Has the reserved volumes bound to their claims, and made where none was there; resolves when all are bound. */
  async bind(pod: PodInfo, node: string, timeoutMs: number): Promise<void> {
    const choices = this.#choices.get(pod.uid)
    if (!choices?.length) return
    await Promise.all(choices.map((choice) => this.#request(choice, node)))
    await this.#allBound(choices, timeoutMs)
  }

  #waitsForConsumer(claim: PersistentVolumeClaim): boolean {
    return this.#classOf(claim)?.volumeBindingMode === 'WaitForFirstConsumer'
  }

  #classOf(claim: PersistentVolumeClaim): StorageClass | undefined {
    return this.#options.informers.of(StorageClass).get({ name: storageClassOf(claim) ?? '' })
  }

  #choose(claims: readonly PersistentVolumeClaim[], node: NodeInfo, { uid }: PodInfo): Choice[] | Refusal {
    const volumes = this.#options.informers.of(PersistentVolume).list()
    const chosen = new Set<string>()
    const choices: Choice[] = []
    for (const claim of claims) {
      const taken = (name: string) => chosen.has(name) || (this.#taken.get(name) ?? uid) !== uid
      const selected = claim.metadata?.annotations?.[SELECTED_NODE]
      if (selected && selected !== node.name) return NO_VOLUME
      const volume = suitableVolume(claim, volumes, { node, taken })
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

  async #request({ claim, volume }: Choice, node: string): Promise<void> {
    const { client, signal } = this.#options
    if (!volume) {
      const patch = { metadata: { annotations: { [SELECTED_NODE]: node } } }
      await client.patch(PersistentVolumeClaim, keyOf(claim), { type: 'merge', patch }, { signal })
      return
    }
    if (volume.spec?.claimRef?.uid) return
    const { namespace, name, uid, resourceVersion } = claim.metadata ?? {}
    const claimRef = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion }
    const patch = {
      metadata: { resourceVersion: volume.metadata?.resourceVersion, annotations: { [BOUND_BY_CONTROLLER]: 'yes' } },
      spec: { claimRef },
    }
    await client.patch(PersistentVolume, { name: volume.metadata?.name ?? '' }, { type: 'merge', patch }, { signal })
  }

  async #allBound(choices: readonly Choice[], timeoutMs: number): Promise<void> {
    const { informers, clock, signal } = this.#options
    const claims = informers.of(PersistentVolumeClaim)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = () => {
      const current = choices.map(({ claim }) => claims.get(keyOf(claim)))
      if (current.some((claim) => !claim)) reject(new Error('a claim of the pod was deleted'))
      else if (current.every((claim) => isBound(claim!))) resolve()
    }
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    using _subscription = claims.subscribe(check)
    using _timeout = clock.after(timeoutMs, () => reject(new Error('binding volumes: context deadline exceeded')))
    try {
      check()
      await promise
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }
}

function isBound({ metadata, spec }: PersistentVolumeClaim): boolean {
  return Boolean(spec?.volumeName) && Object.hasOwn(metadata?.annotations ?? {}, BIND_COMPLETED)
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
