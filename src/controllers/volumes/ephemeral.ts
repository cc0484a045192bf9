// ephemeral-volume-controller: a claim of its own for every ephemeral volume of a pod, owned by the pod.
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { hasReason } from '#api/status.ts'
import type { Controller } from '#client/controller.ts'
import { mapped, ownersOf } from '#client/triggers.ts'
import { controllerReference, isControlledBy } from '#controllers/owners.ts'
import { isNamespaceTerminating, textOf } from '#controllers/pod-control.ts'

export const ephemeralVolumeController: Controller = {
  name: 'ephemeral-volume-controller',
  component: 'ephemeral_volume',
  workers: 5,
  triggers: [
    mapped(Pod, ({ metadata, spec }) =>
      spec?.volumes?.some(({ ephemeral }) => ephemeral) ? [{ namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' }] : [],
    ),
    ownersOf(PersistentVolumeClaim, Pod),
  ],
  async reconcile(key, { client, informers, events, metrics }) {
    const pod = informers.of(Pod).get(key)
    if (!pod || pod.metadata?.deletionTimestamp) return
    for (const { name: volume, ephemeral } of pod.spec?.volumes ?? []) {
      const template = ephemeral?.volumeClaimTemplate
      if (!template) continue
      const name = `${key.name}-${volume}`
      const present = informers.of(PersistentVolumeClaim).get({ namespace: key.namespace!, name })
      if (present) {
        if (isControlledBy(present, pod)) continue
        throw new Error(`PVC ${key.namespace}/${name} was not created for pod ${key.namespace}/${key.name} (pod is not owner)`)
      }
      const { annotations, labels } = template.metadata ?? {}
      const metadata = {
        namespace: key.namespace!,
        name,
        ...(annotations ? { annotations } : {}),
        ...(labels ? { labels } : {}),
        ownerReferences: [controllerReference(Pod, pod)],
      }
      try {
        metrics.add('ephemeral_volume_controller_create_total')
        await client.create(PersistentVolumeClaim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: template.spec })
      } catch (error) {
        metrics.add('ephemeral_volume_controller_create_failures_total')
        if (hasReason(error, 'AlreadyExists')) throw error
        if (isNamespaceTerminating(error)) return
        events.event(pod, 'Warning', 'FailedCreate', `ephemeral volume: create PVC ${name}: ${textOf(error)}`)
        throw error
      }
    }
  },
}
