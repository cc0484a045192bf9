// horizontal-pod-autoscaler-controller: every 15 s, as many replicas as the metrics of each autoscaler want, within its limits and at its pace. Scales
// anything that has a scale subresource; knows nothing of what it scales.
import type { HorizontalPodAutoscalerStatusV2, MetricStatusV2, Scale } from '#api/generated/types.ts'
import { HorizontalPodAutoscalerV2 } from '#api/kinds/autoscaling/horizontal-pod-autoscaler-v2.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { equal } from '#api/equal.ts'
import type { Kind } from '#api/kind.ts'
import { keyText, type ObjectKey } from '#api/object.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself } from '#client/triggers.ts'
import { formatTime } from '#lib/clock.ts'
import type { ClusterKinds } from '#controllers/cluster-kinds.ts'
import { textOf } from '#controllers/pod-control.ts'
import { AutoscalerConditions } from './autoscaler-conditions.ts'
import { ControlledPods, type Found } from './controlled-pods.ts'
import { noMatch } from './metrics-client.ts'
import { MetricFailure, type MetricProposal, proposalOf } from './metric-proposals.ts'
import { type Limited, limitByRange, type Limits, ScalingHistory } from './scaling-limits.ts'

const SYNC_MS = 15_000

/** One pass over one autoscaler. */
interface Pass {
  autoscaler: HorizontalPodAutoscalerV2
  conditions: AutoscalerConditions
  history: ScalingHistory
  context: ControllerContext
}

export function horizontalPodAutoscalerController(kinds: ClusterKinds): Controller {
  const histories = new Map<string, ScalingHistory>()
  const due = new Map<string, number>()
  const controlled = new ControlledPods()

  return {
    name: 'horizontal-pod-autoscaler-controller',
    account: 'horizontal-pod-autoscaler',
    component: 'horizontal-pod-autoscaler',
    workers: 5,
    triggers: [itself(HorizontalPodAutoscalerV2)],
    reads: [Pod, APIService, CustomResourceDefinition],
    async reconcile(key, context) {
      const text = keyText(key)
      const autoscaler = context.informers.of(HorizontalPodAutoscalerV2).get(key)
      if (!autoscaler) {
        histories.delete(text)
        due.delete(text)
        controlled.forget(key)
        return
      }
      // New ones and changed ones wait for their turn, as upstream's do: what was just created with its pods has no metrics yet.
      const now = context.clock.now()
      const early = (due.get(text) ?? now + SYNC_MS) - now
      if (early > 0 && early <= SYNC_MS) {
        due.set(text, now + early)
        return { requeueAfterMs: early }
      }
      due.set(text, now + SYNC_MS)
      const history = histories.get(text) ?? new ScalingHistory()
      histories.set(text, history)
      const conditions = new AutoscalerConditions(autoscaler.status?.conditions, context.clock)
      const begun = context.clock.monotonic()
      const count = (action: string, error: string) => {
        const seconds = (context.clock.monotonic() - begun) / 1000
        context.metrics.add('horizontal_pod_autoscaler_controller_reconciliations_total', [action, error])
        context.metrics.observe('horizontal_pod_autoscaler_controller_reconciliation_duration_seconds', [action, error], seconds)
      }
      try {
        const action = await pass({ autoscaler, conditions, history, context }, { kinds, controlled })
        count(action, 'none')
      } catch (error) {
        count('none', 'internal')
        // Told in a condition and an event already; the next turn is the retry.
        if (!context.signal.aborted) context.log.debug('could not autoscale', { key: text, error })
      }
      return { requeueAfterMs: SYNC_MS }
    },
  }
}

async function pass(
  one: Pass,
  { kinds, controlled }: { kinds: ClusterKinds; controlled: ControlledPods },
): Promise<'scale_up' | 'scale_down' | 'none'> {
  const { autoscaler, conditions, history, context } = one
  const { events, clock } = context
  const { scaleTargetRef: reference, minReplicas: min = 1, maxReplicas: max, behavior } = autoscaler.spec
  const { kind, scale } = await scaleOf(one, kinds)
  conditions.set('AbleToScale', true, {
    reason: 'SucceededGetScale',
    message: "the HPA controller was able to get the target's current scale",
  })
  const current = scale.spec?.replicas ?? 0
  const now = clock.now()
  history.begin(current, now)

  let desired = current
  let why = ''
  let metrics: MetricStatusV2[] | undefined
  let failure: Error | undefined
  if (current === 0 && min !== 0) {
    conditions.set('ScalingActive', false, {
      reason: 'ScalingDisabled',
      message: 'scaling is disabled since the replica count of the target is zero',
    })
  } else if (current > max) {
    desired = max
    why = 'Current number of replicas above Spec.MaxReplicas'
  } else if (current < min) {
    desired = min
    why = 'Current number of replicas below Spec.MinReplicas'
  } else {
    const wanted = await wantedByMetrics(one, scale, { kinds, controlled })
    metrics = wanted.metrics
    failure = wanted.failure
    if (wanted.replicas === undefined) {
      events.event(autoscaler, 'Warning', 'FailedComputeMetricsReplicas', failure!.message)
      await writeStatus(one, { current, desired: autoscaler.status?.desiredReplicas ?? 0, metrics })
      throw failure!
    }
    if (wanted.replicas > current) why = `${wanted.by} above target`
    if (wanted.replicas < current) why = 'All metrics below target'
    desired = normalize(one, { current, desired: wanted.replicas, min, max, now })
  }

  const rescales = desired !== current
  if (rescales) {
    try {
      await context.client.update<any, Scale>(kind, { ...scale, spec: { ...scale.spec, replicas: desired } }, { subresource: 'scale' })
    } catch (error) {
      const text = textOf(error)
      events.event(autoscaler, 'Warning', 'FailedRescale', `New size: ${desired}; reason: ${why}; error: ${text}`)
      conditions.set('AbleToScale', false, {
        reason: 'FailedUpdateScale',
        message: `the HPA controller was unable to update the target scale: ${text}`,
      })
      await writeStatus(one, { current, desired: autoscaler.status?.desiredReplicas ?? 0, metrics })
      throw new Error(`failed to rescale ${reference.kind}/${autoscaler.metadata!.namespace}/${reference.name}: ${text}`, { cause: error })
    }
    conditions.set('AbleToScale', true, {
      reason: 'SucceededRescale',
      message: `the HPA controller was able to update the target scale to ${desired}`,
    })
    events.event(autoscaler, 'Normal', 'SuccessfulRescale', `New size: ${desired}; reason: ${why}`)
    history.scaled(behavior, current, desired, now)
  }
  await writeStatus(one, { current, desired, metrics, ...(rescales ? { scaledAt: now } : {}) })
  if (failure) throw failure
  if (!rescales) return 'none'
  return desired > current ? 'scale_up' : 'scale_down'
}

/** Without a scale there is nothing to do but to say so. */
async function scaleOf(one: Pass, kinds: ClusterKinds): Promise<{ kind: Kind<any>; scale: Scale }> {
  const { autoscaler, conditions, context } = one
  const { scaleTargetRef: reference } = autoscaler.spec
  const namespace = autoscaler.metadata!.namespace!
  try {
    const kind = kinds.find(reference.apiVersion ?? '', reference.kind)
    if (!kind) throw new Error(noMatch(reference))
    const key: ObjectKey = { namespace, name: reference.name }
    return { kind, scale: (await context.client.get<any>(kind, key, { subresource: 'scale' })) as Scale }
  } catch (error) {
    const text = textOf(error)
    context.events.event(autoscaler, 'Warning', 'FailedGetScale', text)
    conditions.set('AbleToScale', false, {
      reason: 'FailedGetScale',
      message: `the HPA controller was unable to get the target's current scale: ${text}`,
    })
    await writeStatus(one, undefined)
    throw new Error(`failed to query scale subresource for ${reference.kind}/${namespace}/${reference.name}: ${text}`, { cause: error })
  }
}

interface Wanted {
  /** Absent: nothing may be done. */
  replicas?: number
  by: string
  metrics: MetricStatusV2[] | undefined
  failure?: Error
}

/** The most any metric wants. One that says nothing does not keep the others from scaling up, but from scaling down. */
async function wantedByMetrics(
  one: Pass,
  scale: Scale,
  { kinds, controlled }: { kinds: ClusterKinds; controlled: ControlledPods },
): Promise<Wanted> {
  const { autoscaler, conditions, context } = one
  const specs = autoscaler.spec.metrics ?? []
  const replicas = scale.spec?.replicas ?? 0
  const selected = selectPods(one, scale.status?.selector ?? '', controlled)
  if (selected instanceof Error) return { by: '', metrics: undefined, failure: selected }
  const target = { replicas, statusReplicas: scale.status?.replicas ?? 0, ...selected }
  const statuses: MetricStatusV2[] = []
  const failures: MetricFailure[] = []
  let best: MetricProposal | undefined
  for (const spec of specs) {
    const begun = context.clock.monotonic()
    const count = (action: string, error: string) => {
      const labels = [action, error, spec.type]
      const seconds = (context.clock.monotonic() - begun) / 1000
      context.metrics.add('horizontal_pod_autoscaler_controller_metric_computation_total', labels)
      context.metrics.observe('horizontal_pod_autoscaler_controller_metric_computation_duration_seconds', labels, seconds)
    }
    try {
      const proposal = await proposalOf(autoscaler, spec, target, { context, kinds })
      count(proposal.replicas > replicas ? 'scale_up' : proposal.replicas < replicas ? 'scale_down' : 'none', 'none')
      statuses.push(proposal.status)
      if (!best || best.replicas === 0 || proposal.replicas > best.replicas) best = proposal
    } catch (error) {
      count('none', 'internal')
      if (!(error instanceof MetricFailure)) throw error
      context.events.event(autoscaler, 'Warning', error.reason, error.why)
      statuses.push({ type: '' })
      failures.push(error)
    }
  }
  const [first] = failures
  const failure =
    first && new Error(`invalid metrics (${failures.length} invalid out of ${specs.length}), first error is: ${first.message}`)
  if (!best || (first && best.replicas < replicas)) {
    if (first)
      conditions.set('ScalingActive', false, {
        reason: first.reason,
        message: `the HPA was unable to compute the replica count: ${first.why}`,
      })
    return { by: '', metrics: statuses, failure: failure ?? new Error('there are no metrics') }
  }
  conditions.set('ScalingActive', true, {
    reason: 'ValidMetricFound',
    message: `the HPA was able to successfully calculate a replica count from ${best.name}`,
  })
  return { replicas: best.replicas, by: best.name, metrics: statuses, ...(failure ? { failure } : {}) }
}

/** An error has been told. */
function selectPods(
  { autoscaler, conditions, context }: Pass,
  selector: string,
  controlled: ControlledPods,
): { selector: string; pods: readonly Pod[] } | Error {
  const refuse = (reason: string, message: string, { event = reason, text = message } = {}) => {
    context.events.event(autoscaler, 'Warning', event, text)
    conditions.set('ScalingActive', false, { reason, message })
    return new Error(text)
  }
  if (selector === '') {
    const more = { event: 'SelectorRequired', text: 'selector is required' }
    return refuse('InvalidSelector', "the HPA target's scale is missing a selector", more)
  }
  const { namespace = '', name = '' } = autoscaler.metadata!
  let found: Found
  try {
    found = controlled.find({ namespace, name }, { text: selector, pods: context.informers.of(Pod).list(namespace) })
  } catch (error) {
    return refuse('InvalidSelector', `couldn't convert selector into a corresponding internal selector object: ${textOf(error)}`)
  }
  const { pods, owners } = found
  if (owners.length <= 1) return { selector, pods }
  const named = owners.map((owner) => `{${owner} ${namespace}}`).join(' ')
  return refuse('AmbiguousSelector', `pods by selector ${selector} are controlled by multiple HPAs: [${named}]`)
}

function normalize({ autoscaler, conditions, history }: Pass, limits: Limits): number {
  const { behavior } = autoscaler.spec
  const steady = behavior ? history.stabilizeBy(behavior, limits) : history.stabilize(limits.desired, limits.now)
  conditions.set('AbleToScale', true, steady)
  const within = { ...limits, desired: steady.replicas }
  const limited: Limited = behavior ? history.limitBy(behavior, within) : limitByRange(within)
  conditions.set('ScalingLimited', limited.replicas !== steady.replicas, limited)
  return limited.replicas
}

interface Outcome {
  current: number
  desired: number
  metrics: MetricStatusV2[] | undefined
  scaledAt?: number
}

/** What was found to be in the status already: mostly the next pass has nothing else to say. */
const told = new WeakMap<HorizontalPodAutoscalerV2, Outcome>()

function isTold(autoscaler: HorizontalPodAutoscalerV2, { current, desired, metrics = [], scaledAt }: Outcome): boolean {
  const before = told.get(autoscaler)
  if (!before || scaledAt !== undefined || before.current !== current || before.desired !== desired) return false
  const { metrics: said = [] } = before
  return said.length === metrics.length && metrics.every((metric, at) => metric === said[at])
}

/** `outcome` absent: only conditions changed. */
async function writeStatus({ autoscaler, conditions, context }: Pass, outcome: Outcome | undefined): Promise<void> {
  if (outcome && !conditions.changed && isTold(autoscaler, outcome)) return
  const { lastScaleTime, observedGeneration } = autoscaler.status ?? {}
  const scaled = outcome?.scaledAt === undefined ? lastScaleTime : formatTime(outcome.scaledAt)
  const status: HorizontalPodAutoscalerStatusV2 = {
    ...(outcome
      ? {
          ...(observedGeneration === undefined ? {} : { observedGeneration }),
          ...(scaled ? { lastScaleTime: scaled } : {}),
          currentReplicas: outcome.current,
          desiredReplicas: outcome.desired,
          ...(outcome.metrics ? { currentMetrics: outcome.metrics } : {}),
        }
      : { desiredReplicas: 0, ...autoscaler.status }),
    conditions: [...conditions.list],
  }
  if (equal(status, autoscaler.status)) {
    if (outcome) told.set(autoscaler, outcome)
    return
  }
  try {
    await context.client.update(HorizontalPodAutoscalerV2, { ...autoscaler, status }, { subresource: 'status' })
  } catch (error) {
    context.events.event(autoscaler, 'Warning', 'FailedUpdateStatus', textOf(error))
    throw error
  }
}
