// A Job's pods: which ran to an end and how, which still run, and how new ones are made.
import type { Container, EnvVar } from '#api/generated/types.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Pod as PodKind, type Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { podFromTemplate } from '#controllers/pod-control.ts'
import { isActive, isReady, isTerminating } from '#controllers/pod-state.ts'

const TRACKING = 'batch.kubernetes.io/job-tracking'
const INDEX = 'batch.kubernetes.io/job-completion-index'
const FAILURE_COUNT = 'batch.kubernetes.io/job-index-failure-count'

export interface JobPods {
  active: Pod[]
  terminating: Pod[]
  ready: number
  succeeded: Pod[]
  failed: Pod[]
}

export function isIndexed({ spec }: Job): boolean {
  return spec?.completionMode === 'Indexed'
}

export function classify(job: Job, pods: readonly Pod[]): JobPods {
  return {
    active: pods.filter((pod) => isActive(pod)),
    terminating: pods.filter((pod) => isTerminating(pod)),
    ready: pods.filter((pod) => isActive(pod) && isReady(pod)).length,
    succeeded: pods.filter(({ status }) => status?.phase === 'Succeeded'),
    failed: pods.filter((pod) => hasFailed(job, pod)),
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
  return Number(metadata?.annotations?.[FAILURE_COUNT] ?? 0)
}

/** A pod on its way out will not succeed any more; it counts at once unless the job waits for pods to fail for good. */
function hasFailed({ spec }: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true
  if (spec?.podReplacementPolicy === 'Failed' || spec?.podFailurePolicy) return false
  return pod.metadata?.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded'
}

export function newPod(job: Job, index: number | undefined, failures: number | undefined): Pod {
  const pod = podFromTemplate(job.spec?.template, job, Job)
  const { metadata } = pod
  const finalizers = [...(metadata?.finalizers ?? []), TRACKING]
  if (index === undefined) return { ...pod, metadata: { ...metadata, finalizers } }
  const { name } = job.metadata!
  const withIndex = (container: Container): Container => ({ ...container, env: withIndexVariable(container.env) })
  const spec = pod.spec!
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: `${name}-${index}-`,
      finalizers,
      labels: { ...metadata?.labels, [INDEX]: String(index) },
      annotations: {
        ...metadata?.annotations,
        [INDEX]: String(index),
        ...(failures === undefined ? {} : { [FAILURE_COUNT]: String(failures) }),
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
