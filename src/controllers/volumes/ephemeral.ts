// ephemeral-volume-controller: a claim of its own for every ephemeral volume of a pod, owned by the pod.
import type { Volume } from '#api/generated/types.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
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
  async reconcile(key, context) {
    const pod = context.informers.of(Pod).get(key)
    if (!pod || pod.metadata?.deletionTimestamp) return
    for (const volume of pod.spec?.volumes ?? [])
      try {
        await ensureClaim(pod, volume, context)
      } catch (error) {
        if (isNamespaceTerminating(error)) return
        context.events.event(pod, 'Warning', 'FailedBinding', `ephemeral volume ${volume.name}: ${textOf(error)}`)
        throw error
      }
  },
}

async function ensureClaim(
  pod: Pod,
  { name: volume, ephemeral }: Volume,
  { client, informers, metrics }: ControllerContext,
): Promise<void> {
  const template = ephemeral?.volumeClaimTemplate
  if (!template) return
  const { namespace = '', name: podName } = pod.metadata!
  const name = `${podName}-${volume}`
  const present = informers.of(PersistentVolumeClaim).get({ namespace, name })
  if (present) {
    if (isControlledBy(present, pod)) return
    throw new Error(`PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`)
  }
  const { annotations, labels } = template.metadata ?? {}
  const metadata = {
    namespace,
    name,
    ...(annotations ? { annotations } : {}),
    ...(labels ? { labels } : {}),
    ownerReferences: [controllerReference(Pod, pod)],
  }
  metrics.add('ephemeral_volume_controller_create_total')
  try {
    await client.create(PersistentVolumeClaim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: template.spec })
  } catch (error) {
    metrics.add('ephemeral_volume_controller_create_failures_total')
    if (isNamespaceTerminating(error)) throw error
    throw new Error(`create PVC ${name}: ${textOf(error)}`, { cause: error })
  }
}
