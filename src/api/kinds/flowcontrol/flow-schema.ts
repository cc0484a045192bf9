import { conditionOf } from '#api/conditions.ts'
import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { validateFlowSchema } from './flow-validation.ts'

export type FlowSchema = types.FlowSchema

export const FlowSchema = defineKind<FlowSchema>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
  generationOf: ({ spec }) => spec,
  default({ spec }) {
    if (spec) spec.matchingPrecedence ||= 1000
  },
  validate: validateFlowSchema,
  // As they are asked.
  tableOrder: (one, other) =>
    (one.spec?.matchingPrecedence ?? 0) - (other.spec?.matchingPrecedence ?? 0) ||
    ((one.metadata?.name ?? '') < (other.metadata?.name ?? '') ? -1 : 1),
  columns: [
    nameColumn,
    {
      name: 'PriorityLevel',
      description: 'Level its requests are handled at.',
      value: ({ spec }) => spec?.priorityLevelConfiguration?.name ?? '',
    },
    {
      name: 'MatchingPrecedence',
      description: 'Which schema is asked first: lower goes first.',
      value: ({ spec }) => spec?.matchingPrecedence ?? 0,
    },
    {
      name: 'DistinguisherMethod',
      description: 'How flows are told apart.',
      value: ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>',
    },
    ageColumn,
    {
      name: 'MissingPL',
      description: 'Whether its level does not exist.',
      value: ({ status }) => conditionOf(status?.conditions, 'Dangling')?.status ?? '?',
    },
  ],
})
