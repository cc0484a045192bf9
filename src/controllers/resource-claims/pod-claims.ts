// resourceclaim-controller: makes the ResourceClaims that pods ask for by template, names them in the pod's status, and reserves claims for pods
// that were bound past the scheduler. It allocates nothing: that is the scheduler's.
import type { PodResourceClaim } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceClaimTemplate } from '#api/kinds/resource/resource-claim-template.ts'
import { keyOf, keyText, type ObjectKey } from '#api/object.ts'
import { type ClaimLookup, claimLookups, claimNamesOf, isReservedForPod, POD_CLAIM_ANNOTATION } from '#api/pod-resource-claims.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { mapped } from '#client/triggers.ts'
import { controllerOf, controllerReference, isControlledBy } from '#controllers/owners.ts'
import { isNamespaceTerminating, textOf } from '#controllers/pod-control.ts'
import { Repeats } from '#controllers/repeats.ts'
import { isDone } from './reservations.ts'

const FIELD_MANAGER = 'ResourceClaimController'
const MAX_RESERVED = 256
/** Leaves room for a hyphen and five random characters in a name of 63. */
const MAX_BASE = 57

export function resourceClaimController(): Controller {
  const lost = new Repeats()
  return {
    name: 'resourceclaim-controller',
    account: 'resource-claim-controller',
    component: 'resource_claim',
    workers: 50,
    triggers: [mapped(Pod, podKeys), mapped(ResourceResourceClaim, podsUsing), mapped(ResourceClaimTemplate, podsWaitingFor)],
    async reconcile(key, context) {
      const pod = context.informers.of(Pod).get(key)
      if (!pod || pod.metadata?.deletionTimestamp || isDone(pod)) return
      const named = new Map<string, string>()
      let changed = false
      for (const lookup of claimLookups(pod)) {
        const name = await ensured(pod, lookup, { ...context, lost })
        if (name) named.set(lookup.entry.name, name)
        changed ||= name !== undefined && name !== lookup.name
      }
      if (changed) await tell(pod, named, context)
      if (pod.spec?.nodeName) await reserve(pod, context)
    },
  }
}

/** `lost`: claims that came out as another's, by pod. */
type MakingContext = ControllerContext & { lost: Repeats }

/** The name of the pod's own claim, made if it is missing; undefined for entries that need none from a template. */
async function ensured(pod: Pod, lookup: ClaimLookup, context: MakingContext): Promise<string | undefined> {
  const { entry, state, name } = lookup
  if (!entry.resourceClaimTemplateName || state === 'none') return undefined
  const { namespace = '' } = pod.metadata!
  const present = state === 'named' ? context.informers.of(ResourceResourceClaim).get({ namespace, name }) : undefined
  if (present && !isControlledBy(present, pod)) throw notForPod(present, pod)
  if (present) return name
  // Made before, but the pod was never told.
  const orphan = context.informers
    .of(ResourceResourceClaim)
    .ownedBy(pod.metadata!.uid!)
    .find(({ metadata }) => metadata?.annotations?.[POD_CLAIM_ANNOTATION] === entry.name)
  if (orphan) return orphan.metadata!.name!
  try {
    return (await make(pod, entry, context)).metadata!.name!
  } catch (error) {
    const text = `PodResourceClaim ${entry.name}: ${textOf(error)}`
    if (!isNamespaceTerminating(error)) context.events.event(pod, 'Warning', 'FailedResourceClaimCreation', text)
    throw new Error(`pod ${keyText(keyOf(pod))}, ${text}`, { cause: error })
  }
}

async function make(pod: Pod, entry: PodResourceClaim, { client, informers, lost, clock }: MakingContext): Promise<ResourceResourceClaim> {
  const { namespace = '', name: podName = '' } = pod.metadata!
  const templateName = entry.resourceClaimTemplateName!
  const template = informers.of(ResourceClaimTemplate).get({ namespace, name: templateName })
  const quoted = JSON.stringify(templateName)
  if (!template) throw new Error(`resource claim template ${quoted}: resourceclaimtemplate.resource.k8s.io ${quoted} not found`)
  const { annotations, labels } = template.spec?.metadata ?? {}
  const metadata = {
    namespace,
    generateName: generateName(podName, entry.name),
    annotations: { ...annotations, [POD_CLAIM_ANNOTATION]: entry.name },
    ...(labels ? { labels } : {}),
    ownerReferences: [controllerReference(Pod, pod)],
  }
  const { uid = '' } = pod.metadata!
  if (lost.waitMs(uid, 1, clock.now()) > 0) throw new Error(`claims are not the pod's as they are made, the last was ${lost.last(uid)}`)
  const claim: ResourceResourceClaim = {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata,
    spec: structuredClone(template.spec.spec),
  }
  try {
    const made = await client.create(ResourceResourceClaim, claim)
    if (!isControlledBy(made, pod)) lost.note(uid, made.metadata!.name!, clock.now())
    return made
  } catch (error) {
    if (isNamespaceTerminating(error)) throw error
    // Upstream names the claim here, which has no name yet.
    throw new Error(`create ResourceClaim : ${textOf(error)}`, { cause: error })
  }
}

/** `POD-ENTRY-`; when that is too long both are shortened in proportion, so that the entry stays recognisable. */
export function generateName(pod: string, entry: string): string {
  const whole = `${pod}-${entry}-`
  if (whole.length <= MAX_BASE) return whole
  const cut = (name: string) => name.slice(0, Math.floor((name.length * MAX_BASE) / whole.length))
  return `${cut(pod)}-${cut(entry)}`
}

/** All claims of the pod's, not the new ones alone: what is applied is everything this manager has to say. */
async function tell(pod: Pod, named: ReadonlyMap<string, string>, { client }: ControllerContext): Promise<void> {
  const { namespace = '', name = '' } = pod.metadata!
  const resourceClaimStatuses = [...named].map(([entry, resourceClaimName]) => ({ name: entry, resourceClaimName }))
  const patch = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name }, status: { resourceClaimStatuses } } as Pod
  await client.patch(Pod, keyOf(pod), { type: 'apply', patch, force: true }, { subresource: 'status', fieldManager: FIELD_MANAGER })
}

async function reserve(pod: Pod, { client, informers }: ControllerContext): Promise<void> {
  const { namespace = '', name: podName = '', uid = '' } = pod.metadata!
  for (const { state, name, generated } of claimLookups(pod)) {
    const claim = state === 'named' ? informers.of(ResourceResourceClaim).get({ namespace, name }) : undefined
    if (!claim?.status?.allocation || isReservedForPod(pod, claim)) continue
    if (generated && !isControlledBy(claim, pod)) throw notForPod(claim, pod)
    const { reservedFor = [] } = claim.status
    if (reservedFor.length >= MAX_RESERVED) continue
    const status = { ...claim.status, reservedFor: [...reservedFor, { resource: 'pods', name: podName, uid }] }
    await client.update(ResourceResourceClaim, { ...claim, status }, { subresource: 'status' })
  }
}

function notForPod(claim: ResourceResourceClaim, pod: Pod): Error {
  return new Error(`ResourceClaim ${keyText(keyOf(claim))} was not created for pod ${keyText(keyOf(pod))} (pod is not owner)`)
}

function podKeys(pod: Pod): ObjectKey[] {
  return pod.spec?.resourceClaims?.length ? [keyOf(pod)] : []
}

/** A claim made for a pod is that pod's alone; for others the namespace is searched. */
function podsUsing(claim: ResourceResourceClaim, informers: Informers): ObjectKey[] {
  const { namespace = '', name = '' } = claim.metadata!
  const owner = controllerOf(claim)
  if (owner?.kind === 'Pod') return [{ namespace, name: owner.name }]
  const pods = informers.of(Pod).list(namespace)
  return pods.filter((pod) => pod.spec?.resourceClaims && claimNamesOf(pod).includes(name)).map((pod) => keyOf(pod))
}

function podsWaitingFor({ metadata }: ResourceClaimTemplate, informers: Informers): ObjectKey[] {
  const pods = informers.of(Pod).list(metadata?.namespace)
  const waits = (pod: Pod) =>
    claimLookups(pod).some(({ entry, state }) => state === 'pending' && entry.resourceClaimTemplateName === metadata?.name)
  return pods.filter((pod) => pod.spec?.resourceClaims && waits(pod)).map((pod) => keyOf(pod))
}
