// Which pods belong together: those a service selects, or those of one workload.
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { ReplicationController } from '#api/kinds/core/replication-controller.ts'
import { Service } from '#api/kinds/core/service.ts'
import { type LabelRequirement, matchesLabels, type Selector, selectorOf } from '#api/label-selector.ts'
import type { Informers } from '#client/informer.ts'

/** undefined where nothing says with whom the pod belongs. */
export type SiblingSelector = (pod: Pod) => Selector | undefined

export function siblingSelector(informers: Informers): SiblingSelector {
  const services = informers.of(Service)
  const replicaSets = informers.of(ReplicaSet)
  const statefulSets = informers.of(StatefulSet)
  const replicationControllers = informers.of(ReplicationController)
  return ({ metadata }) => {
    const namespace = metadata?.namespace ?? ''
    const requirements: LabelRequirement[] = []
    for (const { spec } of services.list(namespace)) {
      if (!spec?.selector || Object.keys(spec.selector).length === 0) continue
      const selector = selectorOf({ matchLabels: spec.selector })
      if (matchesLabels(selector, metadata?.labels)) requirements.push(...selector.requirements)
    }
    const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
    if (owner) {
      const key = { namespace, name: owner.name }
      const workload = owner.kind === 'ReplicaSet' ? replicaSets.get(key) : owner.kind === 'StatefulSet' ? statefulSets.get(key) : undefined
      if (workload) requirements.push(...selectorOf(workload.spec?.selector).requirements)
      else if (owner.kind === 'ReplicationController') {
        requirements.push(...selectorOf({ matchLabels: replicationControllers.get(key)?.spec?.selector ?? {} }).requirements)
      }
    }
    return requirements.length ? { requirements } : undefined
  }
}
