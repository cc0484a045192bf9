// replicationcontroller-controller: pods of a ReplicationController, whose selector is a plain map of labels.
import { ReplicationController } from '#api/kinds/core/replication-controller.ts'
import { replicasController } from './replicas/engine.ts'

export const replicationControllerController = replicasController<ReplicationController>({
  name: 'replicationcontroller-controller',
  account: 'replication-controller',
  kind: ReplicationController,
  countsTerminating: false,
  selectorOf: ({ spec }) => (spec?.selector && Object.keys(spec.selector).length > 0 ? { matchLabels: spec.selector } : undefined),
})
