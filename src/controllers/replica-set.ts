// replicaset-controller: pods of a ReplicaSet.
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { replicasController } from './replicas/engine.ts'

export const replicaSetController = replicasController<ReplicaSet>({
  name: 'replicaset-controller',
  account: 'replicaset-controller',
  kind: ReplicaSet,
  countsTerminating: true,
  selectorOf: (set) => set.spec?.selector,
})
