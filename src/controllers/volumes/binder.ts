// persistentvolume-binder-controller: brings claims and volumes together. It provisions nothing itself: that is for the class's provisioner.
import { isFinished } from '#api/finished-pod.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { keyOf, type ObjectKey } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import { isReservedFor, mismatchOf, storageClassOf } from '#api/volume-claims.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { itself, mapped } from '#client/triggers.ts'
import { equal } from '#api/equal.ts'
import {
  BIND_COMPLETED_ANNOTATION,
  BOUND_BY_CONTROLLER_ANNOTATION,
  DEFAULT_STORAGE_CLASS_ANNOTATION,
  NO_PROVISIONER,
  SELECTED_NODE_ANNOTATION,
} from '#api/well-known.ts'
import { claimsOf } from './attachments.ts'
import { bestMatch } from './matching.ts'

const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by'
const PROVISIONER = 'volume.kubernetes.io/storage-provisioner'
const BETA_PROVISIONER = 'volume.beta.kubernetes.io/storage-provisioner'

export const persistentVolumeBinder: Controller = {
  name: 'persistentvolume-binder-controller',
  account: 'persistent-volume-binder',
  component: 'persistentvolume-controller',
  // One at a time: two claims must not reach for the same volume.
  workers: 1,
  triggers: [
    itself(PersistentVolumeClaim),
    itself(PersistentVolume),
    mapped(PersistentVolume, claimsFor),
    mapped(PersistentVolumeClaim, volumesFor),
    // What a claim waits for changes with the pods that wait for it.
    mapped(Pod, (pod, informers) =>
      pod.spec?.nodeName ? [] : claimsOf(pod).filter((key) => isPending(informers.of(PersistentVolumeClaim).get(key))),
    ),
    mapped(StorageClass, (_, informers) => unboundClaims(informers).map((claim) => keyOf(claim))),
  ],
  async reconcile(key, context) {
    // Volumes have no namespace, claims always do.
    if (key.namespace === undefined) return syncVolume(key, context)
    const claim = context.informers.of(PersistentVolumeClaim).get(key)
    if (!claim || claim.metadata?.deletionTimestamp) return
    if (Object.hasOwn(claim.metadata?.annotations ?? {}, BIND_COMPLETED_ANNOTATION)) return syncBoundClaim(claim, context)
    return syncUnboundClaim(claim, context)
  },
}

async function syncUnboundClaim(claim: PersistentVolumeClaim, context: ControllerContext): Promise<void> {
  const { informers, client } = context
  const { volumeName } = claim.spec ?? {}
  if (volumeName) {
    const volume = informers.of(PersistentVolume).get({ name: volumeName })
    const mismatch = volume && !volume.spec?.claimRef ? mismatchOf(volume, claim) : undefined
    if (mismatch) {
      const text = `Cannot bind to requested volume ${JSON.stringify(volumeName)}: ${mismatch}`
      context.events.event(claim, 'Warning', 'VolumeMismatch', text)
    } else if (volume && (!volume.spec?.claimRef || isReservedFor(volume, claim))) return bind(volume, claim, context)
    else if (volume)
      context.events.event(claim, 'Warning', 'FailedBinding', `volume ${JSON.stringify(volumeName)} already bound to a different claim.`)
    return setClaimStatus(claim, { phase: 'Pending' }, context)
  }
  const storageClass = informers.of(StorageClass).get({ name: storageClassOf(claim) ?? '' })
  const selected = claim.metadata?.annotations?.[SELECTED_NODE_ANNOTATION]
  const waits = storageClass?.volumeBindingMode === 'WaitForFirstConsumer' && !selected
  const volume = bestMatch(claim, informers.of(PersistentVolume).list(), { onlyReserved: waits })
  if (volume) return bind(volume, claim, context)
  // Who asked for no class and finds no volume without one gets the default, even if it came later.
  const fallback = storageClassOf(claim) === undefined ? defaultClass(informers) : undefined
  if (fallback) {
    const spec = { ...claim.spec, storageClassName: fallback.metadata!.name! }
    await client.update(PersistentVolumeClaim, { ...claim, spec })
    return
  }
  const current = await provision(claim, { storageClass, waits, context })
  return setClaimStatus(current, { phase: 'Pending' }, context)
}

/** Tells the claim's provisioner that it is wanted, or the user what is being waited for. */
async function provision(
  claim: PersistentVolumeClaim,
  { storageClass, waits, context }: { storageClass: StorageClass | undefined; waits: boolean; context: ControllerContext },
): Promise<PersistentVolumeClaim> {
  const { events, client } = context
  if (waits) {
    tellWaiting(claim, context)
    return claim
  }
  const name = storageClassOf(claim)
  if (!name) {
    events.event(claim, 'Normal', 'FailedBinding', 'no persistent volumes available for this claim and no storage class is set')
    return claim
  }
  if (!storageClass) {
    events.event(claim, 'Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io ${JSON.stringify(name)} not found`)
    return claim
  }
  const { provisioner } = storageClass
  if (provisioner.startsWith('kubernetes.io/')) {
    const reason = provisioner === NO_PROVISIONER ? 'storageclass has no provisioner' : `no volume plugin matched name: ${provisioner}`
    events.event(claim, 'Warning', 'ProvisioningFailed', reason)
    return claim
  }
  const text = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`
  events.event(claim, 'Normal', 'ExternalProvisioning', text)
  const annotations = { ...claim.metadata?.annotations, [PROVISIONER]: provisioner, [BETA_PROVISIONER]: provisioner }
  if (equal(annotations, claim.metadata?.annotations)) return claim
  return client.update(PersistentVolumeClaim, { ...claim, metadata: { ...claim.metadata, annotations } })
}

/** Says whether a pod is missing that uses the claim, or a node for those there are. */
function tellWaiting(claim: PersistentVolumeClaim, { informers, events }: ControllerContext): void {
  const { namespace, name } = claim.metadata!
  const pods = informers
    .of(Pod)
    .list(namespace)
    .filter((pod) => !pod.spec?.nodeName && !isFinished(pod) && claimsOf(pod).some((one) => one.name === name))
  const names = pods.map(({ metadata }) => metadata!.name!).sort()
  if (names.length === 0) events.event(claim, 'Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding')
  else {
    const text = `waiting for pod${names.length > 1 ? 's' : ''} ${names.join(',')} to be scheduled`
    events.event(claim, 'Normal', 'WaitForPodScheduled', text)
  }
}

async function syncBoundClaim(claim: PersistentVolumeClaim, context: ControllerContext): Promise<void> {
  const lose = (reason: string, message: string) => {
    if (claim.status?.phase !== 'Lost') context.events.event(claim, 'Warning', reason, message)
    return setClaimStatus(claim, { phase: 'Lost' }, context)
  }
  const { volumeName } = claim.spec ?? {}
  if (!volumeName) return lose('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!')
  const volume =
    context.informers.of(PersistentVolume).get({ name: volumeName }) ??
    (await context.client.get(PersistentVolume, { name: volumeName }).catch(ignoreNotFound))
  if (!volume) return lose('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!')
  const reference = volume.spec?.claimRef
  if (reference && reference.uid !== claim.metadata?.uid)
    return lose('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly')
  return bind(volume, claim, context)
}

/** Volume first, claim second: whoever sees a bound claim may use its volume. Every step is done at most once. */
async function bind(volume: PersistentVolume, claim: PersistentVolumeClaim, context: ControllerContext): Promise<void> {
  const { client } = context
  const { namespace, name, uid, resourceVersion } = claim.metadata!
  let bound = volume
  if (volume.spec?.claimRef?.uid !== uid) {
    const claimRef = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      namespace: namespace!,
      name: name!,
      uid: uid!,
      resourceVersion: resourceVersion!,
    }
    const annotations = volume.spec?.claimRef
      ? volume.metadata?.annotations
      : { ...volume.metadata?.annotations, [BOUND_BY_CONTROLLER_ANNOTATION]: 'yes' }
    bound = await client.update(PersistentVolume, {
      ...volume,
      metadata: { ...volume.metadata, ...(annotations ? { annotations } : {}) },
      spec: { ...volume.spec, claimRef },
    })
  }
  await setVolumePhase(bound, 'Bound', context)
  let current = claim
  const chosen = !claim.spec?.volumeName
  const annotations = {
    ...claim.metadata?.annotations,
    [BIND_COMPLETED_ANNOTATION]: 'yes',
    ...(chosen ? { [BOUND_BY_CONTROLLER_ANNOTATION]: 'yes' } : {}),
  }
  if (chosen || !equal(annotations, claim.metadata?.annotations)) {
    const spec = { ...claim.spec, volumeName: bound.metadata!.name! }
    current = await client.update(PersistentVolumeClaim, { ...claim, metadata: { ...claim.metadata, annotations }, spec })
  }
  const { accessModes, capacity } = bound.spec ?? {}
  const grown = current.status?.phase === 'Bound' ? {} : { ...(accessModes ? { accessModes } : {}), ...(capacity ? { capacity } : {}) }
  await setClaimStatus(current, { phase: 'Bound', ...grown }, context)
}

async function syncVolume({ name }: ObjectKey, context: ControllerContext): Promise<void> {
  const volume = context.informers.of(PersistentVolume).get({ name })
  if (!volume) return
  const reference = volume.spec?.claimRef
  if (!reference?.uid) return setVolumePhase(volume, 'Available', context)
  const key = { namespace: reference.namespace ?? '', name: reference.name ?? '' }
  const seen = context.informers.of(PersistentVolumeClaim).get(key)
  const claim = seen?.metadata?.uid === reference.uid ? seen : await context.client.get(PersistentVolumeClaim, key).catch(ignoreNotFound)
  if (!claim || claim.metadata?.uid !== reference.uid) {
    return reclaim(volume, context)
  }
  if (claim.spec?.volumeName === name) return setVolumePhase(volume, 'Bound', context)
  if (!claim.spec?.volumeName) return
  // The claim went elsewhere: what this controller had reserved for it is free again.
  const ours = Object.hasOwn(volume.metadata?.annotations ?? {}, BOUND_BY_CONTROLLER_ANNOTATION)
  const { claimRef: _, ...spec } = volume.spec!
  const { [BOUND_BY_CONTROLLER_ANNOTATION]: __, ...annotations } = volume.metadata?.annotations ?? {}
  const { uid: ___, resourceVersion: ____, ...place } = reference
  const freed = await context.client.update(PersistentVolume, {
    ...volume,
    metadata: { ...volume.metadata, annotations },
    spec: ours ? spec : { ...spec, claimRef: place },
  })
  return setVolumePhase(freed, 'Available', context)
}

async function setClaimStatus(
  claim: PersistentVolumeClaim,
  change: NonNullable<PersistentVolumeClaim['status']>,
  { client }: ControllerContext,
): Promise<void> {
  const status = { ...claim.status, ...change }
  if (!equal(status, claim.status)) await client.update(PersistentVolumeClaim, { ...claim, status }, { subresource: 'status' })
}

async function setVolumePhase(volume: PersistentVolume, phase: string, { client }: ControllerContext): Promise<void> {
  if (volume.status?.phase === phase) return
  await client.update(PersistentVolume, { ...volume, status: { ...volume.status, phase } }, { subresource: 'status' })
}

/** What a volume holds is deleted by its provisioner. Where there is none it says so, and stays `Failed` for its administrator. */
async function reclaim(volume: PersistentVolume, context: ControllerContext): Promise<void> {
  const { spec, status, metadata } = volume
  if (status?.phase === 'Failed') return
  if (status?.phase !== 'Released') return setVolumePhase(volume, 'Released', context)
  const policy = spec?.persistentVolumeReclaimPolicy ?? 'Retain'
  if (policy === 'Retain' || Object.hasOwn(metadata?.annotations ?? {}, PROVISIONED_BY)) return
  const quoted = JSON.stringify(metadata?.name)
  const [reason, message] =
    policy === 'Recycle'
      ? ['VolumeFailedRecycle', 'No recycler plugin found for the volume!']
      : ['VolumeFailedDelete', `error getting deleter volume plugin for volume ${quoted}: no deletable volume plugin matched`]
  await context.client.update(PersistentVolume, { ...volume, status: { ...status, phase: 'Failed', message } }, { subresource: 'status' })
  context.events.event(volume, 'Warning', reason, message)
}

/** The newest of the classes marked as default. */
function defaultClass(informers: Informers): StorageClass | undefined {
  const defaults = informers
    .of(StorageClass)
    .list()
    .filter(({ metadata }) => metadata?.annotations?.[DEFAULT_STORAGE_CLASS_ANNOTATION] === 'true')
  const created = ({ metadata }: StorageClass) => Date.parse(metadata?.creationTimestamp ?? '') || 0
  return defaults.toSorted((a, b) => created(b) - created(a) || (a.metadata!.name! < b.metadata!.name! ? -1 : 1))[0]
}

function unboundClaims(informers: Informers): PersistentVolumeClaim[] {
  return informers
    .of(PersistentVolumeClaim)
    .list()
    .filter(({ status }) => status?.phase !== 'Bound')
}

function claimsFor(volume: PersistentVolume, informers: Informers): ObjectKey[] {
  const reference = volume.spec?.claimRef
  if (reference) return [{ namespace: reference.namespace ?? '', name: reference.name ?? '' }]
  return unboundClaims(informers)
    .filter((claim) => (storageClassOf(claim) ?? '') === (storageClassOf(volume) ?? '') || claim.spec?.volumeName === volume.metadata?.name)
    .map((claim) => keyOf(claim))
}

function isPending(claim: PersistentVolumeClaim | undefined): boolean {
  return claim?.status?.phase === 'Pending'
}

function volumesFor(claim: PersistentVolumeClaim): ObjectKey[] {
  return claim.spec?.volumeName ? [{ name: claim.spec.volumeName }] : []
}
