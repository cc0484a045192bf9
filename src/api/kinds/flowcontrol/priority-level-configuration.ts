import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { validatePriorityLevel } from './flow-validation.ts'

export type PriorityLevelConfiguration = types.PriorityLevelConfiguration

export const PriorityLevelConfiguration = defineKind<PriorityLevelConfiguration>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
  generationOf: ({ spec }) => spec,
  default({ spec }) {
    if (spec?.exempt) {
      spec.exempt.nominalConcurrencyShares ??= 0
      spec.exempt.lendablePercent ??= 0
    }
    if (!spec?.limited) return
    spec.limited.nominalConcurrencyShares ??= 30
    spec.limited.lendablePercent ??= 0
    const { queuing } = spec.limited.limitResponse ?? {}
    if (!queuing) return
    queuing.queues ||= 64
    queuing.handSize ||= 8
    queuing.queueLengthLimit ||= 50
  },
  validate: validatePriorityLevel,
  columns: columnsOf<PriorityLevelConfiguration>(
    { name: 'Type', description: 'Limited or exempt.', value: ({ spec }) => spec?.type ?? '' },
    {
      name: 'NominalConcurrencyShares',
      description: 'Its share of the seats.',
      value: ({ spec }) => spec?.limited?.nominalConcurrencyShares ?? '<none>',
    },
    { name: 'Queues', description: 'Number of queues.', value: ({ spec }) => spec?.limited?.limitResponse?.queuing?.queues ?? '<none>' },
    {
      name: 'HandSize',
      description: 'Queues a flow may use.',
      value: ({ spec }) => spec?.limited?.limitResponse?.queuing?.handSize ?? '<none>',
    },
    {
      name: 'QueueLengthLimit',
      description: 'Requests a queue holds.',
      value: ({ spec }) => spec?.limited?.limitResponse?.queuing?.queueLengthLimit ?? '<none>',
    },
  ),
})
