import { defineKind } from '#api/define-kind.ts'
import { defaultPodSpec } from '#api/defaults/pod-spec.ts'
import { defaultResourceList, defaultResources } from '#api/defaults/resource-list.ts'
import { isFinished } from '#api/finished-pod.ts'
import type * as types from '#api/generated/types.ts'
import type { CreateContext, HookContext } from '#api/kind.ts'
import { Quantity, quantityOf } from '#api/quantity.ts'
import { formatTime } from '#lib/clock.ts'
import { applyAppArmorAnnotations } from './pod-app-armor.ts'
import { ephemeralContainersOnly, resizeOnly } from './pod-subresources.ts'
import { podColumns } from './pod-columns.ts'
import { qosClassOf } from './pod-qos.ts'
import { validatePod } from './pod-validation.ts'
import { podWarnings } from './pod-warnings.ts'

export type Pod = types.Pod

export const Pod = defineKind<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  shortNames: ['po'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: {
    attach: { verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind: 'PodAttachOptions' } },
    binding: { verbs: ['create'], kind: { group: '', version: 'v1', kind: 'Binding' } },
    ephemeralcontainers: { verbs: ['get', 'patch', 'update'] },
    eviction: { verbs: ['create'], kind: { group: 'policy', version: 'v1', kind: 'Eviction' }, alsoVersions: ['v1beta1'] },
    exec: { verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind: 'PodExecOptions' } },
    log: { verbs: ['get'] },
    portforward: { verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind: 'PodPortForwardOptions' } },
    proxy: { verbs: ['create', 'delete', 'get', 'patch', 'update'], kind: { group: '', version: 'v1', kind: 'PodProxyOptions' } },
    resize: { verbs: ['get', 'patch', 'update'] },
    status: { verbs: ['get', 'patch', 'update'] },
  },
  fields: {
    'spec.nodeName': ({ spec }) => spec?.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec?.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec?.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec?.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec?.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.podIPs': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
  generationOf: ({ spec }) => spec,
  gracePeriodSeconds,
  default: defaultPod,
  prepareForCreate,
  prepareForUpdate,
  validate: validatePod,
  warnings: podWarnings,
  columns: podColumns,
  rowConditions: ({ status }) => {
    if (status?.phase === 'Succeeded')
      return [{ type: 'Completed', status: 'True', reason: 'Succeeded', message: 'The pod has completed successfully.' }]
    if (status?.phase === 'Failed') return [{ type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' }]
    return []
  },
})

/** A pod no node knows of, or one that has ended, goes at once. */
function gracePeriodSeconds({ spec, status }: Pod, asked?: number): number {
  if (!spec?.nodeName || isFinished({ status })) return 0
  const seconds = asked ?? spec.terminationGracePeriodSeconds ?? 30
  return seconds < 0 ? 1 : seconds
}

function defaultPod(pod: Pod): void {
  const spec = (pod.spec ??= { containers: [] })
  defaultPodSpec(spec)
  spec.enableServiceLinks ??= true
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  for (const { resources, ports } of containers) {
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests }
    if (spec.hostNetwork) for (const port of ports ?? []) port.hostPort ||= port.containerPort
  }
  if (spec.resources?.limits) defaultPodRequests(spec, spec.resources.limits)
  for (const status of [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]) {
    defaultResources(status.resources)
    defaultResourceList(status.allocatedResources)
  }
}

/** Pod-level requests: what the containers ask for together, else the pod's own limit. */
function defaultPodRequests(spec: types.PodSpec, limits: Record<string, string>): void {
  const requests: Record<string, string> = { ...spec.resources?.requests }
  for (const [name, limit] of Object.entries(limits)) {
    if (requests[name] !== undefined || !(name === 'cpu' || name === 'memory' || name.startsWith('hugepages-'))) continue
    const asked = (spec.containers ?? []).map(({ resources }) => resources?.requests?.[name]).filter((one) => one !== undefined)
    requests[name] = asked.length > 0 ? asked.reduce((sum, one) => sum.add(quantityOf(one)), new Quantity(0n)).toString() : limit
  }
  spec.resources = { ...spec.resources, requests }
}

function prepareForCreate(pod: Pod, { now, warn }: CreateContext): void {
  const spec = pod.spec!
  pod.status = { phase: 'Pending', qosClass: qosClassOf(spec) }
  if (spec.schedulingGates?.length) {
    pod.status.conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates',
        lastTransitionTime: formatTime(now),
      },
    ]
  }
  applyLabelKeys(pod)
  applyAppArmorAnnotations(pod, warn)
}

/** `matchLabelKeys` become requirements on the pod's own values, once and for all. */
function applyLabelKeys({ metadata, spec }: Pod): void {
  const labels = metadata?.labels ?? {}
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {}
  const terms = [podAffinity, podAntiAffinity].flatMap((rules) => [
    ...(rules?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(rules?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ])
  const add = (selector: types.LabelSelector, keys: readonly string[] | undefined, operator: string) => {
    for (const key of keys ?? []) {
      if (!Object.hasOwn(labels, key)) continue
      const requirement = { key, operator, values: [labels[key]!] }
      const present = selector.matchExpressions?.some((one) => JSON.stringify(one) === JSON.stringify(requirement))
      if (!present) selector.matchExpressions = [...(selector.matchExpressions ?? []), requirement]
    }
  }
  for (const { labelSelector, matchLabelKeys, mismatchLabelKeys } of terms) {
    if (!labelSelector) continue
    add(labelSelector, matchLabelKeys, 'In')
    add(labelSelector, mismatchLabelKeys, 'NotIn')
  }
  for (const { labelSelector, matchLabelKeys } of spec?.topologySpreadConstraints ?? [])
    if (labelSelector) add(labelSelector, matchLabelKeys, 'In')
}

function prepareForUpdate(next: Pod, previous: Pod, { subresource }: HookContext): void {
  if (subresource === 'status') {
    next.metadata = { ...next.metadata }
    if (previous.metadata?.ownerReferences) next.metadata.ownerReferences = previous.metadata.ownerReferences
    else delete next.metadata.ownerReferences
    if (next.status && !next.status.qosClass && previous.status?.qosClass) next.status.qosClass = previous.status.qosClass
  } else if (subresource === 'ephemeralcontainers') ephemeralContainersOnly(next, previous)
  else if (subresource === 'resize') resizeOnly(next, previous)
}
