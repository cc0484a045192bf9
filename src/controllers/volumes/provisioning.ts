// Claims for which there is no volume: their provisioner is told that they are wanted, the user what is being waited for.
import { equal } from '#api/equal.ts'
import { isFinished } from '#api/finished-pod.ts'
import { driverOf } from '#api/in-tree-volumes.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import { DEFAULT_STORAGE_CLASS_ANNOTATIONS } from '#api/well-known.ts'
import type { ControllerContext } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { BETA_PROVISIONER, PROVISIONER } from './successor.ts'
import { claimsOf } from './wanted-volumes.ts'

export async function provision(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass | undefined,
  { events, client }: ControllerContext,
): Promise<PersistentVolumeClaim> {
  const name = storageClassOf(claim)
  if (!name) {
    events.event(claim, 'Normal', 'FailedBinding', 'no persistent volumes available for this claim and no storage class is set')
    return claim
  }
  if (!storageClass) {
    events.event(claim, 'Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io ${JSON.stringify(name)} not found`)
    return claim
  }
  const provisioner = driverOf(storageClass.provisioner) ?? storageClass.provisioner
  if (provisioner.startsWith('kubernetes.io/')) {
    events.event(claim, 'Warning', 'ProvisioningFailed', `no volume plugin matched name: ${provisioner}`)
    return claim
  }
  const text = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`
  events.event(claim, 'Normal', 'ExternalProvisioning', text)
  const annotations = { ...claim.metadata?.annotations, [PROVISIONER]: provisioner, [BETA_PROVISIONER]: provisioner }
  if (equal(annotations, claim.metadata?.annotations)) return claim
  return client.update(PersistentVolumeClaim, { ...claim, metadata: { ...claim.metadata, annotations } })
}

/** Says whether a pod is missing that uses the claim, or a node for those there are. */
export function tellWaiting(claim: PersistentVolumeClaim, { informers, events }: ControllerContext): PersistentVolumeClaim {
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
  return claim
}

/** The newest of the classes marked as default. */
export function defaultClass(informers: Informers): StorageClass | undefined {
  const defaults = informers
    .of(StorageClass)
    .list()
    .filter(({ metadata }) => DEFAULT_STORAGE_CLASS_ANNOTATIONS.some((one) => metadata?.annotations?.[one] === 'true'))
  const created = ({ metadata }: StorageClass) => Date.parse(metadata?.creationTimestamp ?? '') || 0
  return defaults.toSorted((a, b) => created(b) - created(a) || (a.metadata!.name! < b.metadata!.name! ? -1 : 1))[0]
}
