// What makes a stateful set's pod this one and no other: its ordinal, its name, its labels, its claims.
import type { PersistentVolumeClaim, PodTemplateSpec, Volume } from '#api/generated/types.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { podFromTemplate } from '#controllers/pod-control.ts'
import { REVISION_HASH } from '#controllers/revision-history.ts'

const POD_NAME = 'statefulset.kubernetes.io/pod-name'
const POD_INDEX = 'apps.kubernetes.io/pod-index'

export function ordinalOf({ metadata }: Pod): number {
  const match = /-(\d+)$/.exec(metadata?.name ?? '')
  return match ? Number(match[1]) : -1
}

export function isMember(set: StatefulSet, pod: Pod): boolean {
  return pod.metadata?.name === `${set.metadata?.name}-${ordinalOf(pod)}`
}

export function startOf({ spec }: StatefulSet): number {
  return spec?.ordinals?.start ?? 0
}

function claimName(template: string, set: StatefulSet, ordinal: number): string {
  return `${template}-${set.metadata?.name}-${ordinal}`
}

export function newPod(set: StatefulSet, template: PodTemplateSpec, { ordinal, revision }: { ordinal: number; revision: string }): Pod {
  const pod = podFromTemplate(template, set, StatefulSet)
  const { generateName: _, ...metadata } = pod.metadata!
  const name = `${set.metadata?.name}-${ordinal}`
  const { serviceName } = set.spec!
  return {
    ...pod,
    metadata: {
      ...metadata,
      name,
      labels: { ...metadata.labels, [POD_NAME]: name, [POD_INDEX]: String(ordinal), [REVISION_HASH]: revision },
    },
    spec: {
      ...pod.spec!,
      hostname: name,
      ...(serviceName ? { subdomain: serviceName } : {}),
      volumes: volumesOf(set, pod.spec?.volumes ?? [], ordinal),
    },
  }
}

/** Labels of its identity that the pod has lost or that were changed; undefined when it is itself. */
export function lostLabels({ metadata }: Pod): Record<string, string> | undefined {
  const { name = '', labels } = metadata ?? {}
  const own = { [POD_NAME]: name, [POD_INDEX]: String(ordinalOf({ metadata: { name } })) }
  return Object.entries(own).every(([label, value]) => labels?.[label] === value) ? undefined : own
}

/** Claims as the set's templates describe them, for one ordinal. */
export function claimsOf(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  return (set.spec?.volumeClaimTemplates ?? []).map(({ metadata, spec }) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: claimName(metadata?.name ?? '', set, ordinal),
      namespace: set.metadata!.namespace!,
      labels: { ...metadata?.labels, ...set.spec?.selector.matchLabels },
      ...(metadata?.annotations ? { annotations: metadata.annotations } : {}),
    },
    ...(spec ? { spec } : {}),
  }))
}

/** A volume by a claim template's name gives way to the claim. */
function volumesOf(set: StatefulSet, volumes: readonly Volume[], ordinal: number): Volume[] {
  const claimed = (set.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata?.name ?? '')
  return [
    ...claimed.map((name) => ({ name, persistentVolumeClaim: { claimName: claimName(name, set, ordinal), readOnly: false } })),
    ...volumes.filter(({ name }) => !claimed.includes(name)),
  ]
}
