// A daemon's pods: how one is made for a node, and which node a pod is for.
import type { Affinity, PodTemplateSpec } from '#api/generated/types.ts'
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { TEMPLATE_GENERATION_ANNOTATION } from '#api/well-known.ts'
import { podFromTemplate } from '#controllers/pod-control.ts'
import { REVISION_HASH } from '#controllers/revision-history.ts'
import { daemonTolerations } from './eligibility.ts'

const GENERATION = 'pod-template-generation'

/** The scheduler places it, but only there: the node is asked for by name. */
export function newPod(set: DaemonSet, { node, hash }: { node: string; hash: string }): Pod {
  const template: PodTemplateSpec = set.spec!.template
  const pod = podFromTemplate(template, set, DaemonSet)
  const spec = pod.spec!
  const generation = templateGeneration(set)
  const labels = { ...pod.metadata?.labels, ...(generation ? { [GENERATION]: generation } : {}), [REVISION_HASH]: hash }
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: { ...spec, tolerations: daemonTolerations(spec), affinity: pinnedTo(node, spec.affinity) },
  }
}

function templateGeneration({ metadata }: DaemonSet): string | undefined {
  return metadata?.annotations?.[TEMPLATE_GENERATION_ANNOTATION]
}

/** Made from the present template, as either label says. */
export function isUpdated({ metadata }: Pod, set: DaemonSet, hash: string): boolean {
  const { labels } = metadata ?? {}
  const generation = templateGeneration(set)
  return labels?.[REVISION_HASH] === hash || (generation !== undefined && labels?.[GENERATION] === generation)
}

export function nodeOf({ spec }: Pod): string | undefined {
  if (spec?.nodeName) return spec.nodeName
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  for (const { matchFields } of terms) {
    const named = matchFields?.find(({ key, operator, values }) => key === 'metadata.name' && operator === 'In' && values?.length === 1)
    if (named) return named.values![0]
  }
  return undefined
}

/** Requirements on nodes have done their work when the node was chosen: one by name replaces them. */
function pinnedTo(node: string, affinity: Affinity | undefined): Affinity {
  const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }
  return {
    ...affinity,
    nodeAffinity: { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } },
  }
}
