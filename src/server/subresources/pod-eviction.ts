// Evicting a pod: a deletion that asks the pod's disruption budget first and charges it.
import { conditionOf } from '#api/conditions.ts'
import { isFinished } from '#api/finished-pod.ts'
import type { Eviction, PodDisruptionBudget as Budget } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { conflictError, forbiddenError, hasReason, notFoundError, type Status, StatusError } from '#api/status.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'
import { formatTime } from '#lib/clock.ts'
import { checkedOptions } from '#server/http/delete-options.ts'
import type { RemoveOptions, ServerContext, SubresourceHandler, SubresourceRequest } from '#server/request.ts'

/** Evictions that no controller has confirmed yet. */
const MOST_UNCONFIRMED = 2000
/** While the pod changes under our hands. */
const MOST_TRIES = 20
const BETWEEN_TRIES_MS = 500

export function podEviction(context: ServerContext): SubresourceHandler {
  return { kind: Pod, subresource: 'eviction', create: (request) => evict(context, request) }
}

async function evict(context: ServerContext, { object, key, dryRun: dryQuery }: SubresourceRequest): Promise<Status> {
  const eviction = object as Eviction
  if (eviction.metadata?.name !== key.name) throw new StatusError('BadRequest', 'name in URL does not match name in Eviction object')
  const options = optionsOf(eviction, dryQuery)
  for (let attempt = 1; ; attempt++) {
    const pod = context.reader.get(Pod, key)
    if (!pod) throw notFoundError(Pod, key.name)
    checkPreconditions(pod, options)
    if (!needsNoBudget(pod)) return evictByBudget(context, pod, options)
    try {
      await disrupt(context, pod, isFinished(pod) || pod.metadata?.deletionTimestamp ? options : asItIs(pod, options))
      return SUCCESS
    } catch (error) {
      if (!hasReason(error, 'Conflict') || options.preconditions?.resourceVersion || attempt >= MOST_TRIES) throw error
      await context.clock.sleep(BETWEEN_TRIES_MS)
    }
  }
}

const SUCCESS: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }

async function evictByBudget(context: ServerContext, pod: Pod, options: EvictOptions): Promise<Status> {
  const spared = await budgetAllows(context, pod, options.dryRun)
  try {
    await disrupt(context, pod, spared ? asItIs(pod, options) : options)
  } catch (error) {
    if (!spared || !hasReason(error, 'Conflict') || options.preconditions?.resourceVersion) throw error
    throw beingProcessed(spared)
  }
  return SUCCESS
}

type EvictOptions = RemoveOptions & { dryRun: boolean }

/** Judged by what the pod was like: if it has changed since, the judgement no longer holds. */
function asItIs(pod: Pod, options: EvictOptions): EvictOptions {
  return { ...options, preconditions: { resourceVersion: pod.metadata!.resourceVersion!, ...options.preconditions } }
}

function optionsOf({ deleteOptions = {} }: Eviction, asked: boolean): EvictOptions {
  const { dryRun = [] } = deleteOptions
  if (asked && dryRun.length > 0 && dryRun.join(' ') !== 'All')
    throw new StatusError('', `Non-matching dry-run options in request and content: [All] and [${dryRun.join(' ')}]`)
  return checkedOptions(asked ? { ...deleteOptions, dryRun: ['All'] } : deleteOptions)
}

/** Upstream speaks of a Pod here, not of pods. */
const RESOURCE = { group: '', plural: 'Pod' }

function checkPreconditions({ metadata }: Pod, { preconditions: { uid, resourceVersion } = {} }: RemoveOptions): void {
  const { name = '', uid: ownUid, resourceVersion: ownVersion } = metadata ?? {}
  if (uid && uid !== ownUid)
    throw conflictError(
      RESOURCE,
      name,
      `the UID in the precondition (${uid}) does not match the UID in record (${ownUid}). The object might have been deleted and then recreated`,
    )
  if (resourceVersion && resourceVersion !== ownVersion)
    throw conflictError(
      RESOURCE,
      name,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${ownVersion}). The object might have been modified`,
    )
}

const needsNoBudget = (pod: Pod): boolean =>
  isFinished(pod) || pod.status?.phase === 'Pending' || pod.metadata?.deletionTimestamp !== undefined

/** Refuses, or charges the budget; answers with the budget where the pod may go without a charge. */
async function budgetAllows({ reader, writer, clock }: ServerContext, pod: Pod, dryRun: boolean): Promise<Budget | undefined> {
  const { namespace = '', name = '', labels } = pod.metadata ?? {}
  const budgets = [...reader.list(PodDisruptionBudget, namespace)].filter(({ spec }) => selectorMatches(spec?.selector, labels))
  if (budgets.length === 0) return undefined
  if (budgets.length > 1)
    throw new StatusError('', 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.')
  const [budget] = budgets as [Budget]
  if (!isReady(pod)) {
    const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {}
    if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return budget
    if (currentHealthy >= desiredHealthy && desiredHealthy > 0) return budget
  }
  try {
    const charge = (present: Budget) => chargeBudget(present, name, formatTime(clock.now()))
    await writer.modify(PodDisruptionBudget, { namespace, name: budget.metadata!.name! }, charge, { subresource: 'status', dryRun })
  } catch (error) {
    if (hasReason(error, 'Conflict')) throw beingProcessed(budget)
    throw error
  }
  return undefined
}

/** As upstream spells it in refusals. */
const BUDGET = { group: 'policy', plural: 'poddisruptionbudget' }

function chargeBudget(budget: Budget, podName: string, now: string): void {
  const status = (budget.status ??= {})
  const { disruptionsAllowed = 0, observedGeneration = 0, desiredHealthy = 0, currentHealthy = 0, disruptedPods = {} } = status
  if (observedGeneration < (budget.metadata?.generation ?? 0)) throw beingProcessed(budget)
  if (disruptionsAllowed < 0) throw forbiddenError(BUDGET, budget.metadata!.name!, 'pdb disruptions allowed is negative')
  if (Object.keys(disruptedPods).length > MOST_UNCONFIRMED)
    throw forbiddenError(BUDGET, budget.metadata!.name!, 'DisruptedPods map too big - too many evictions not confirmed by PDB controller')
  if (disruptionsAllowed === 0) throw tooManyRequests(budget, `needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`, 0)
  status.disruptionsAllowed = disruptionsAllowed - 1
  status.disruptedPods = { ...disruptedPods, [podName]: now }
  const condition = conditionOf(status.conditions, 'DisruptionAllowed')
  if (status.disruptionsAllowed === 0 && condition && condition.status !== 'False')
    Object.assign(condition, { status: 'False', reason: 'InsufficientPods', lastTransitionTime: now })
}

const beingProcessed = (budget: Budget): StatusError => tooManyRequests(budget, 'is still being processed by the server.', 10)

function tooManyRequests(budget: Budget, why: string, retryAfterSeconds: number): StatusError {
  const message = `The disruption budget ${budget.metadata?.name} ${why}`
  return new StatusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    details: { causes: [{ reason: 'DisruptionBudget', message }], ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}) },
  })
}

const isReady = (pod: Pod): boolean => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false

/** Says on the pod why it goes, then deletes it. */
async function disrupt({ writer, clock }: ServerContext, pod: Pod, options: EvictOptions): Promise<void> {
  const key = { namespace: pod.metadata!.namespace!, name: pod.metadata!.name! }
  if (options.dryRun) return void (await writer.delete(Pod, key, options))
  const marked = await writer.modify(
    Pod,
    key,
    (present) => {
      checkPreconditions(present, options)
      markDisrupted(present, formatTime(clock.now()))
    },
    { subresource: 'status' },
  )
  // The mark itself has changed the pod.
  const { resourceVersion } = marked.metadata!
  const preconditions = options.preconditions?.resourceVersion ? { ...options.preconditions, resourceVersion: resourceVersion! } : undefined
  await writer.delete(Pod, key, preconditions ? { ...options, preconditions } : options)
}

function markDisrupted(pod: Pod, now: string): void {
  const conditions = pod.status?.conditions ?? []
  const old = conditions.find(({ type }) => type === 'DisruptionTarget')
  const { generation } = pod.metadata!
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: (old?.status === 'True' && old.lastTransitionTime) || now,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  }
  pod.status = { ...pod.status, conditions: [...conditions.filter((one) => one !== old), condition] }
}
