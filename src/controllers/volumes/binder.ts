// persistentvolume-binder-controller: brings claims and volumes together. It provisions nothing itself: that is for the class's provisioner.
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { keyOf, keyText, type ObjectKey } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import { isReservedFor, mismatchOf, storageClassOf } from '#api/volume-claims.ts'
import type { Controller, ControllerContext, NextPass } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { itself, mapped } from '#client/triggers.ts'
import { equal } from '#api/equal.ts'
import { BIND_COMPLETED_ANNOTATION, BOUND_BY_CONTROLLER_ANNOTATION, SELECTED_NODE_ANNOTATION } from '#api/well-known.ts'
import { bestMatch } from './matching.ts'
import { defaultClass, provision, tellWaiting } from './provisioning.ts'
import { isProvisioned, reclaim, setVolumePhase } from './reclaim.ts'
import { nameClaimSuccessor, nameVolumeSuccessor } from './successor.ts'

/** How often upstream looks at every claim anew; what a claim waits for is told each time. */
const RESYNC_MS = 15_000
/** Where very many wait they take turns: upstream's controllers make no more than twenty writes a second. */
const TURN_MS = 50

export function persistentVolumeBinder(): Controller {
  const waiting = new Set<string>()
  return {
    name: 'persistentvolume-binder-controller',
    account: 'persistent-volume-binder',
    component: 'persistentvolume-controller',
    // One at a time: two claims must not reach for the same volume.
    workers: 1,
    retryMs: { most: RESYNC_MS },
    triggers: [
      itself(PersistentVolumeClaim),
      itself(PersistentVolume),
      mapped(PersistentVolume, claimsFor),
      mapped(PersistentVolumeClaim, volumesFor),
      mapped(StorageClass, (_, informers) => unboundClaims(informers).map((claim) => keyOf(claim))),
    ],
    reads: [Pod],
    async reconcile(key, context) {
      // Volumes have no namespace, claims always do.
      if (key.namespace === undefined) return syncVolume(key, context)
      const text = keyText(key)
      const seen = context.informers.of(PersistentVolumeClaim).get(key)
      const claim = seen && (await nameClaimSuccessor(seen, context.client))
      const bound = Object.hasOwn(claim?.metadata?.annotations ?? {}, BIND_COMPLETED_ANNOTATION)
      if (!claim || bound) waiting.delete(text)
      if (!claim) return
      if (bound) return syncBoundClaim(claim, context)
      if (!(await syncUnboundClaim(claim, context))) return
      waiting.add(text)
      return { requeueAfterMs: Math.max(RESYNC_MS, waiting.size * TURN_MS) }
    },
  }
}

/** Whether it waits for something. */
async function syncUnboundClaim(claim: PersistentVolumeClaim, context: ControllerContext): Promise<boolean> {
  const { informers, client } = context
  const { volumeName } = claim.spec ?? {}
  if (volumeName) {
    const volume = informers.of(PersistentVolume).get({ name: volumeName })
    const mismatch = volume && !volume.spec?.claimRef ? mismatchOf(volume, claim) : undefined
    if (mismatch) {
      const text = `Cannot bind to requested volume ${JSON.stringify(volumeName)}: ${mismatch}`
      context.events.event(claim, 'Warning', 'VolumeMismatch', text)
    } else if (volume && (!volume.spec?.claimRef || isReservedFor(volume, claim))) return bound(volume, claim, context)
    else if (volume)
      context.events.event(claim, 'Warning', 'FailedBinding', `volume ${JSON.stringify(volumeName)} already bound to a different claim.`)
    await setClaimStatus(claim, { phase: 'Pending' }, context)
    return true
  }
  const storageClass = informers.of(StorageClass).get({ name: storageClassOf(claim) ?? '' })
  // The scheduler chooses for those, and reserves what it has chosen.
  const delayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer'
  const volume = bestMatch(claim, informers.of(PersistentVolume).list(), { onlyReserved: delayed })
  if (volume) return bound(volume, claim, context)
  // Who asked for no class and finds no volume without one gets the default, even if it came later.
  const fallback = storageClassOf(claim) === undefined ? defaultClass(informers) : undefined
  if (fallback) {
    const spec = { ...claim.spec, storageClassName: fallback.metadata!.name! }
    await client.update(PersistentVolumeClaim, { ...claim, spec })
    return false
  }
  const waits = delayed && !Object.hasOwn(claim.metadata?.annotations ?? {}, SELECTED_NODE_ANNOTATION)
  const current = waits ? tellWaiting(claim, context) : await provision(claim, storageClass, context)
  await setClaimStatus(current, { phase: 'Pending' }, context)
  return true
}

async function bound(volume: PersistentVolume, claim: PersistentVolumeClaim, context: ControllerContext): Promise<false> {
  await bind(volume, claim, context)
  return false
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
  await setClaimStatus(current, { phase: 'Bound', volume: bound }, context)
}

async function syncVolume({ name }: ObjectKey, context: ControllerContext): Promise<NextPass | void> {
  const present = context.informers.of(PersistentVolume).get({ name })
  if (!present) return
  const volume = await nameVolumeSuccessor(present, context.client)
  const reference = volume.spec?.claimRef
  if (!reference?.uid) return setVolumePhase(volume, 'Available', context)
  const key = { namespace: reference.namespace ?? '', name: reference.name ?? '' }
  const seen = context.informers.of(PersistentVolumeClaim).get(key)
  const claim = seen?.metadata?.uid === reference.uid ? seen : await context.client.get(PersistentVolumeClaim, key).catch(ignoreNotFound)
  if (!claim || claim.metadata?.uid !== reference.uid) {
    return reclaim(volume, context)
  }
  if (claim.spec?.volumeName === name) return setVolumePhase(volume, 'Bound', context)
  if (!claim.spec?.volumeName) return tellModes(volume, claim, context)
  // The claim went elsewhere: what was made for it is deleted, what this controller had reserved for it is free again.
  if (isProvisioned(volume) && volume.spec?.persistentVolumeReclaimPolicy === 'Delete') return reclaim(volume, context)
  const ours = Object.hasOwn(volume.metadata?.annotations ?? {}, BOUND_BY_CONTROLLER_ANNOTATION)
  const { claimRef: _, ...spec } = volume.spec!
  const { [BOUND_BY_CONTROLLER_ANNOTATION]: __, ...annotations } = volume.metadata?.annotations ?? {}
  const { uid: ___, ...place } = reference
  const freed = await context.client.update(PersistentVolume, {
    ...volume,
    metadata: { ...volume.metadata, annotations },
    spec: ours ? spec : { ...spec, claimRef: place },
  })
  return setVolumePhase(freed, 'Available', context)
}

/** A volume that is set aside for a claim of another mode never gets to it. */
function tellModes(volume: PersistentVolume, claim: PersistentVolumeClaim, { events }: ControllerContext): NextPass | void {
  const { volumeMode = 'Filesystem' } = claim.spec ?? {}
  if ((volume.spec?.volumeMode ?? 'Filesystem') === volumeMode) return
  const text = (what: string, where: string) =>
    `Cannot bind PersistentVolume ${what}to requested PersistentVolumeClaim ${where}due to incompatible volumeMode.`
  events.event(volume, 'Warning', 'VolumeMismatch', text('', `${JSON.stringify(claim.metadata?.name)} `))
  events.event(claim, 'Warning', 'VolumeMismatch', text(`${JSON.stringify(volume.metadata?.name)} `, ''))
  return { requeueAfterMs: RESYNC_MS }
}

/** Without a volume a claim has neither size nor ways of access. Size and attributes are those of the volume once; then others tell them. */
async function setClaimStatus(
  claim: PersistentVolumeClaim,
  { phase, volume }: { phase: string; volume?: PersistentVolume },
  { client }: ControllerContext,
): Promise<void> {
  const { accessModes: _, capacity: present, currentVolumeAttributesClassName: before, ...rest } = claim.status ?? {}
  const begins = volume && rest.phase !== phase
  const accessModes = volume?.spec?.accessModes
  const capacity = begins ? volume.spec?.capacity : volume && present
  const current = begins ? volume.spec?.volumeAttributesClassName : before
  const status = {
    ...rest,
    phase,
    ...(accessModes ? { accessModes } : {}),
    ...(capacity ? { capacity } : {}),
    ...(current === undefined ? {} : { currentVolumeAttributesClassName: current }),
  }
  if (!equal(status, claim.status)) await client.update(PersistentVolumeClaim, { ...claim, status }, { subresource: 'status' })
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

function volumesFor(claim: PersistentVolumeClaim): ObjectKey[] {
  return claim.spec?.volumeName ? [{ name: claim.spec.volumeName }] : []
}
