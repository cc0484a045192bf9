// Which pods belong together: those a service selects, or those of one workload.
import type { LabelSelector } from '#api/generated/types.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { ReplicationController } from '#api/kinds/core/replication-controller.ts'
import { Service } from '#api/kinds/core/service.ts'
import { type LabelRequirement, matchesLabels, type Selector, selectorOf } from '#api/label-selector.ts'
import type { ObjectKey } from '#api/object.ts'
import type { Informers } from '#client/informer.ts'

/** undefined where nothing says with whom the pod belongs. */
export type SiblingSelector = (pod: Pod) => Selector | undefined

export function siblingSelector(informers: Informers): SiblingSelector {
  const services = informers.of(Service)
  const replicaSets = informers.of(ReplicaSet)
  const statefulSets = informers.of(StatefulSet)
  const replicationControllers = informers.of(ReplicationController)
  /** By what owner references say of them. */
  const workloads = new Map<string, (key: ObjectKey) => LabelSelector | undefined>([
    ['apps/v1 ReplicaSet', (key) => replicaSets.get(key)?.spec?.selector],
    ['apps/v1 StatefulSet', (key) => statefulSets.get(key)?.spec?.selector],
    ['v1 ReplicationController', (key) => ({ matchLabels: replicationControllers.get(key)?.spec?.selector ?? {} })],
  ])
  return ({ metadata }) => {
    const namespace = metadata?.namespace ?? ''
    const requirements: LabelRequirement[] = []
    for (const { spec } of services.list(namespace)) {
      if (!spec?.selector || Object.keys(spec.selector).length === 0) continue
      const selector = selectorOf({ matchLabels: spec.selector })
      if (matchesLabels(selector, metadata?.labels)) requirements.push(...selector.requirements)
    }
    const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
    const selected = owner && workloads.get(`${owner.apiVersion} ${owner.kind}`)?.({ namespace, name: owner.name })
    if (selected) requirements.push(...selectorOf(selected).requirements)
    return requirements.length ? { requirements } : undefined
  }
}
