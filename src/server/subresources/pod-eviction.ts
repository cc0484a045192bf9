// Evicting a pod: a deletion that asks the pod's disruption budget first and charges it.
import type { Eviction, PodDisruptionBudget as Budget } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { forbiddenError, hasReason, notFoundError, type Status, StatusError } from '#api/status.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'
import { formatTime } from '#lib/clock.ts'
import type { RemoveOptions, ServerContext, SubresourceHandler, SubresourceRequest } from '#server/request.ts'

/** Evictions that no controller has confirmed yet. */
const MOST_UNCONFIRMED = 2000

export function podEviction(context: ServerContext): SubresourceHandler {
  return { kind: Pod, subresource: 'eviction', create: (request) => evict(context, request) }
}

async function evict(context: ServerContext, { object, key, dryRun: dryQuery }: SubresourceRequest): Promise<Status> {
  const eviction = object as Eviction
  if (eviction.metadata?.name && eviction.metadata.name !== key.name)
    throw new StatusError('BadRequest', 'name in URL does not match name in Eviction object')
  const options = removeOptions(eviction)
  const dryRun = dryQuery || (eviction.deleteOptions?.dryRun?.includes('All') ?? false)
  const pod = context.reader.get(Pod, key)
  if (!pod) throw notFoundError(Pod, key.name)
  const { uid, resourceVersion } = options.preconditions ?? {}
  if (uid && uid !== pod.metadata?.uid)
    throw new StatusError(
      'Conflict',
      `Operation cannot be fulfilled on pods "${key.name}": the UID in the precondition (${uid}) does not match the UID in record (${pod.metadata?.uid}). The object might have been deleted and then recreated`,
    )
  const preconditions = { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) }
  const spared = needsNoBudget(pod) || (await budgetAllows(context, pod, dryRun))
  // Judged by what the pod was like: if it has changed since, the judgement no longer holds.
  if (spared === 'as it is') preconditions.resourceVersion = pod.metadata!.resourceVersion!
  if (!dryRun && !isTerminal(pod) && !preconditions.resourceVersion) await markDisrupted(context, pod)
  await context.writer.delete(Pod, key, { ...options, dryRun, ...(Object.keys(preconditions).length > 0 ? { preconditions } : {}) })
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }
}

function removeOptions({ deleteOptions = {} }: Eviction): RemoveOptions {
  const { gracePeriodSeconds, propagationPolicy, preconditions } = deleteOptions
  return {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy ? { propagationPolicy: propagationPolicy as NonNullable<RemoveOptions['propagationPolicy']> } : {}),
    ...(preconditions ? { preconditions } : {}),
  }
}

const isTerminal = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'

const needsNoBudget = (pod: Pod): 'as it is' | boolean => {
  if (isTerminal(pod)) return true
  return pod.metadata?.deletionTimestamp || pod.status?.phase === 'Pending' ? 'as it is' : false
}

/** Refuses, or charges the budget; 'as it is' when the pod may go without a charge. */
async function budgetAllows({ reader, writer, clock }: ServerContext, pod: Pod, dryRun: boolean): Promise<'as it is' | boolean> {
  const { namespace = '', name = '', labels } = pod.metadata ?? {}
  const budgets = [...reader.list(PodDisruptionBudget, namespace)].filter(({ spec }) => selectorMatches(spec?.selector, labels))
  if (budgets.length === 0) return true
  if (budgets.length > 1)
    throw new StatusError(
      'InternalError',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    )
  const [budget] = budgets as [Budget]
  if (!isReady(pod)) {
    const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {}
    if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return 'as it is'
    if (currentHealthy >= desiredHealthy && desiredHealthy > 0) return 'as it is'
  }
  try {
    const charge = (present: Budget) => chargeBudget(present, name, formatTime(clock.now()))
    await writer.modify(PodDisruptionBudget, { namespace, name: budget.metadata!.name! }, charge, { subresource: 'status', dryRun })
  } catch (error) {
    if (hasReason(error, 'Conflict')) throw tooManyRequests(budget, 'is still being processed by the server.', 10)
    throw error
  }
  return true
}

function chargeBudget(budget: Budget, podName: string, now: string): void {
  const status = (budget.status ??= {})
  const { disruptionsAllowed = 0, observedGeneration = 0, desiredHealthy = 0, currentHealthy = 0, disruptedPods = {} } = status
  if (observedGeneration < (budget.metadata?.generation ?? 0)) throw tooManyRequests(budget, 'is still being processed by the server.', 10)
  if (disruptionsAllowed < 0) throw forbiddenError(PodDisruptionBudget, budget.metadata!.name!, 'pdb disruptions allowed is negative')
  if (Object.keys(disruptedPods).length > MOST_UNCONFIRMED)
    throw forbiddenError(
      PodDisruptionBudget,
      budget.metadata!.name!,
      'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
    )
  if (disruptionsAllowed === 0) throw tooManyRequests(budget, `needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`, 0)
  status.disruptionsAllowed = disruptionsAllowed - 1
  status.disruptedPods = { ...disruptedPods, [podName]: now }
  const condition = status.conditions?.find(({ type }) => type === 'DisruptionAllowed')
  if (status.disruptionsAllowed === 0 && condition && condition.status !== 'False')
    Object.assign(condition, { status: 'False', reason: 'InsufficientPods', lastTransitionTime: now })
}

function tooManyRequests(budget: Budget, why: string, retryAfterSeconds: number): StatusError {
  const message = `The disruption budget ${budget.metadata?.name} ${why}`
  return new StatusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    details: { causes: [{ reason: 'DisruptionBudget', message }], ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}) },
  })
}

const isReady = (pod: Pod): boolean => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false

async function markDisrupted({ writer, clock }: ServerContext, { metadata }: Pod): Promise<void> {
  const condition = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' }
  await writer.modify(
    Pod,
    { namespace: metadata!.namespace!, name: metadata!.name! },
    (pod) => {
      const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== condition.type)
      pod.status = { ...pod.status, conditions: [...others, { ...condition, lastTransitionTime: formatTime(clock.now()) }] }
    },
    { subresource: 'status' },
  )
}
