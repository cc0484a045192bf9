// A Job's pods: which ran to an end and how, which still run, and how new ones are made.
import type { Container, EnvVar } from '#api/generated/types.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Pod as PodKind, type Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { podFromTemplate } from '#controllers/pod-control.ts'
import { isActive, isReady, isTerminating } from '#controllers/pod-state.ts'

export const TRACKING = 'batch.kubernetes.io/job-tracking'
const INDEX = 'batch.kubernetes.io/job-completion-index'
const FAILURE_COUNT = 'batch.kubernetes.io/job-index-failure-count'
const IGNORED_COUNT = 'batch.kubernetes.io/job-index-ignored-failure-count'
/** Names made up by the server have so much room before what it adds. */
const PREFIX_LENGTH = 58

export interface JobPods {
  all: readonly Pod[]
  active: Pod[]
  terminating: Pod[]
  ready: number
}

export function isIndexed({ spec }: Job): boolean {
  return spec?.completionMode === 'Indexed'
}

export function classify(pods: readonly Pod[]): JobPods {
  return {
    all: pods,
    active: pods.filter((pod) => isActive(pod)),
    terminating: pods.filter((pod) => isTerminating(pod)),
    ready: pods.filter((pod) => isActive(pod) && isReady(pod)).length,
  }
}

export function isTracked({ metadata }: Pod): boolean {
  return metadata?.finalizers?.includes(TRACKING) ?? false
}

export function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata?.annotations?.[INDEX]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** How often this pod's index had failed before this pod. */
export function earlierFailures({ metadata }: Pod): number {
  return countIn(metadata?.annotations?.[FAILURE_COUNT])
}

/** And how often in ways that the failure policy does not count. */
export function ignoredFailures({ metadata }: Pod): number {
  return countIn(metadata?.annotations?.[IGNORED_COUNT])
}

/** Annotations are anyone's to write. */
function countIn(text: string | undefined): number {
  const count = /^\d{1,10}$/.test(text ?? '') ? Number(text) : 0
  return count <= 2_147_483_647 ? count : 0
}

/** Whether a pod on its way out is waited for. */
export function replacesOnlyFailed({ spec }: Job): boolean {
  return spec?.podReplacementPolicy === 'Failed' || spec?.podFailurePolicy !== undefined
}

/** A pod on its way out will not succeed any more; it counts at once unless the job waits for pods to fail for good. */
export function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true
  return !replacesOnlyFailed(job) && pod.metadata?.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded'
}

/** `counts`: of the pods of its index that failed before it, where the index has a limit of its own. */
export function newPod(job: Job, index: number | undefined, counts: { failures: number; ignored: number } | undefined): Pod {
  const pod = podFromTemplate(job.spec?.template, job, Job)
  const { metadata } = pod
  const finalizers = [...new Set([...(metadata?.finalizers ?? []), TRACKING])]
  if (index === undefined) return { ...pod, metadata: { ...metadata, finalizers } }
  const { name } = job.metadata!
  const withIndex = (container: Container): Container => ({ ...container, env: withIndexVariable(container.env) })
  const spec = pod.spec!
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: `${`${name}`.slice(0, PREFIX_LENGTH - `-${index}-`.length)}-${index}-`,
      finalizers,
      labels: { ...metadata?.labels, [INDEX]: String(index) },
      annotations: {
        ...metadata?.annotations,
        [INDEX]: String(index),
        ...(counts ? { [FAILURE_COUNT]: String(counts.failures) } : {}),
        ...(counts?.ignored ? { [IGNORED_COUNT]: String(counts.ignored) } : {}),
      },
    },
    spec: {
      ...spec,
      hostname: `${name}-${index}`.slice(0, 63),
      containers: spec.containers.map(withIndex),
      ...(spec.initContainers ? { initContainers: spec.initContainers.map(withIndex) } : {}),
    },
  }
}

function withIndexVariable(env: EnvVar[] = []): EnvVar[] {
  if (env.some(({ name }) => name === 'JOB_COMPLETION_INDEX')) return env
  return [...env, { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${INDEX}']` } } }]
}

/** When the pod came to its end, in milliseconds since the epoch: by its containers, else by what it says of readiness, else by its deletion. */
export function finishedAt({ metadata, status }: Pod): number {
  const at = (time: string | null | undefined) => Date.parse(time ?? '') || 0
  const ends = (status?.containerStatuses ?? []).map(({ state }) => at(state?.terminated?.finishedAt))
  if (ends.length > 0 && ends.every((end) => end > 0)) return Math.max(...ends)
  const unready = status?.conditions?.find((condition) => condition.type === 'Ready' && condition.status === 'False')
  const begun = at(metadata?.deletionTimestamp) && at(metadata?.deletionTimestamp) - (metadata?.deletionGracePeriodSeconds ?? 0) * 1000
  return at(unready?.lastTransitionTime) || begun || at(metadata?.creationTimestamp)
}

/** Takes the finalizer off: these pods need no counting any more. */
export async function untrack(pods: readonly Pod[], client: Client): Promise<void> {
  for (const pod of pods) {
    const { uid } = pod.metadata!
    const patch = { metadata: { uid, '$deleteFromPrimitiveList/finalizers': [TRACKING] } }
    await client.patch(PodKind, keyOf(pod), { type: 'strategic', patch }).catch(ignoreNotFound)
  }
}
