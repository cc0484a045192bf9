// Keeps claims that pods use, volumes that are bound, and classes that volumes have from vanishing while they are needed: a finalizer until nobody does.
import type { Kind } from '#api/kind.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { VolumeAttributesClass } from '#api/kinds/storage/volume-attributes-class.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { CLAIM_PROTECTION_FINALIZER, VOLUME_ATTRIBUTES_PROTECTION_FINALIZER, VOLUME_PROTECTION_FINALIZER } from '#api/well-known.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { isControlledBy } from '#controllers/owners.ts'
import { claimsOf } from './wanted-volumes.ts'

export const claimProtectionController: Controller = {
  name: 'persistentvolumeclaim-protection-controller',
  account: 'pvc-protection-controller',
  workers: 1,
  triggers: [itself(PersistentVolumeClaim), mapped(Pod, (pod) => claimsOf(pod))],
  async reconcile(key, context) {
    const claim = context.informers.of(PersistentVolumeClaim).get(key)
    if (!claim) return
    // A pod that has ended still uses it; one whose node has let go of it no longer uses what was made for it alone.
    const inUse = () =>
      context.informers
        .of(Pod)
        .list(key.namespace)
        .some(
          (pod) =>
            pod.spec?.nodeName &&
            claimsOf(pod).some(
              ({ name, ephemeral }) => name === key.name && (!ephemeral || (!isShutDown(pod) && isControlledBy(claim, pod))),
            ),
        )
    await protect(PersistentVolumeClaim, claim, { finalizer: CLAIM_PROTECTION_FINALIZER, inUse, context })
  },
}

export const volumeProtectionController: Controller = {
  name: 'persistentvolume-protection-controller',
  account: 'pv-protection-controller',
  workers: 1,
  triggers: [itself(PersistentVolume)],
  async reconcile(key, context) {
    const volume = context.informers.of(PersistentVolume).get(key)
    if (!volume) return
    await protect(PersistentVolume, volume, {
      finalizer: VOLUME_PROTECTION_FINALIZER,
      inUse: () => volume.status?.phase === 'Bound',
      context,
    })
  },
}

export const attributesClassProtectionController: Controller = {
  name: 'volumeattributesclass-protection-controller',
  workers: 1,
  triggers: [
    itself(VolumeAttributesClass),
    mapped(PersistentVolumeClaim, ({ spec, status }) =>
      namesOf(
        spec?.volumeAttributesClassName,
        status?.currentVolumeAttributesClassName,
        status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
      ),
    ),
    mapped(PersistentVolume, ({ spec }) => namesOf(spec?.volumeAttributesClassName)),
  ],
  async reconcile(key, context) {
    const { informers } = context
    const found = informers.of(VolumeAttributesClass).get(key)
    if (!found) return
    const inUse = () =>
      informers
        .of(PersistentVolume)
        .list()
        .some(({ spec }) => spec?.volumeAttributesClassName === key.name) ||
      informers
        .of(PersistentVolumeClaim)
        .list()
        .some(({ spec, status }) =>
          [
            spec?.volumeAttributesClassName,
            status?.currentVolumeAttributesClassName,
            status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
          ].includes(key.name),
        )
    await protect(VolumeAttributesClass, found, { finalizer: VOLUME_ATTRIBUTES_PROTECTION_FINALIZER, inUse, context })
  },
}

const namesOf = (...names: (string | undefined)[]): ObjectKey[] => names.flatMap((name) => (name ? [{ name }] : []))

async function protect<T extends KubeObject>(
  kind: Kind<T>,
  object: T,
  { finalizer, inUse, context }: { finalizer: string; inUse(): boolean; context: ControllerContext },
): Promise<void> {
  const finalizers = object.metadata?.finalizers ?? []
  const present = finalizers.includes(finalizer)
  const leaving = object.metadata?.deletionTimestamp !== undefined
  if (leaving === present && (!leaving || !inUse())) {
    const next = leaving ? finalizers.filter((one) => one !== finalizer) : [...finalizers, finalizer]
    await context.client.update(kind, { ...object, metadata: { ...object.metadata, finalizers: next } })
  }
}

function isShutDown({ metadata }: Pod): boolean {
  return metadata?.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0
}
