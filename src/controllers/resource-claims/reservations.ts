// The resourceclaim-controller's other half: gives back claims. Pods that will not run any more lose their reservation, a claim that nobody has
// reserved loses its devices, and a claim made for a pod that is done goes before its pod does. Consumers other than pods are left alone.
import { isFinished } from '#api/finished-pod.ts'
import type { ResourceClaimConsumerReference } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { CLAIM_FINALIZER, claimNamesOf } from '#api/pod-resource-claims.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { controllerOf } from '#controllers/owners.ts'

export const resourceClaimReservations: Controller = {
  name: 'resourceclaim-reservations-controller',
  account: 'resource-claim-controller',
  component: 'resource_claim',
  workers: 50,
  triggers: [
    itself(ResourceResourceClaim),
    mapped(Pod, (pod) => claimNamesOf(pod).map((name) => ({ namespace: pod.metadata?.namespace ?? '', name }))),
  ],
  async reconcile(key, context) {
    const seen = context.informers.of(ResourceResourceClaim).get(key)
    if (!seen) return
    const { reservedFor = [] } = seen.status ?? {}
    const valid: ResourceClaimConsumerReference[] = []
    for (const consumer of reservedFor) if (await isValid(consumer, seen, context)) valid.push(consumer)
    let claim = seen
    if (valid.length < reservedFor.length) claim = await release(claim, valid, context)
    else if (valid.length === 0 && claim.metadata?.deletionTimestamp && isProtected(claim)) {
      if (claim.status?.allocation) claim = await release(claim, valid, context)
      else claim = await unprotect(claim, context)
    }
    if (valid.length === 0) await deleteUnused(claim, context)
  },
}

/** Certain that none of its containers runs or ever will. */
export function isDone(pod: Pod): boolean {
  return isFinished(pod) || (pod.metadata?.deletionTimestamp !== undefined && !pod.spec?.nodeName)
}

async function isValid(
  { apiGroup = '', resource, name, uid }: ResourceClaimConsumerReference,
  { metadata }: ResourceResourceClaim,
  { client, informers }: ControllerContext,
): Promise<boolean> {
  if (apiGroup !== '' || resource !== 'pods') return true
  const key = { namespace: metadata?.namespace ?? '', name }
  // What is not seen here may be so new that the scheduler alone knows of it: the API is asked before devices are taken away.
  const pod = informers.of(Pod).get(key) ?? (await client.get(Pod, key).catch(ignoreNotFound))
  return pod?.metadata?.uid === uid && !isDone(pod)
}

/** An update, not a patch: it must fail if anything changed meanwhile. Without a user left the devices are free for others. */
async function release(
  claim: ResourceResourceClaim,
  reservedFor: ResourceClaimConsumerReference[],
  context: ControllerContext,
): Promise<ResourceResourceClaim> {
  const { reservedFor: _, ...status } = claim.status ?? {}
  if (reservedFor.length > 0) Object.assign(status, { reservedFor })
  else if (isProtected(claim)) delete status.allocation
  const written = await context.client.update(ResourceResourceClaim, { ...claim, status }, { subresource: 'status' })
  return isProtected(written) && !written.status?.allocation ? unprotect(written, context) : written
}

function isProtected({ metadata }: ResourceResourceClaim): boolean {
  return metadata?.finalizers?.includes(CLAIM_FINALIZER) ?? false
}

function unprotect(claim: ResourceResourceClaim, { client }: ControllerContext): Promise<ResourceResourceClaim> {
  const finalizers = claim.metadata!.finalizers!.filter((one) => one !== CLAIM_FINALIZER)
  return client.update(ResourceResourceClaim, { ...claim, metadata: { ...claim.metadata, finalizers } })
}

/** The garbage collector would do it as well, but a finished pod may stay for long. */
async function deleteUnused({ metadata }: ResourceResourceClaim, { client, informers }: ControllerContext): Promise<void> {
  const owner = controllerOf({ metadata: metadata! })
  if (owner?.kind !== 'Pod' || owner.apiVersion !== 'v1' || metadata?.deletionTimestamp) return
  const key = { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' }
  const pod = informers.of(Pod).get({ namespace: key.namespace, name: owner.name })
  if (!pod || (pod.metadata?.uid === owner.uid && !isDone(pod))) return
  await client.delete(ResourceResourceClaim, key, { preconditions: { uid: metadata!.uid! } }).catch(ignoreNotFound)
}
