// What every cluster has, exactly so: requests that are never held back, and a place for all that has no other.
import type { FlowSchemaSpec, PriorityLevelConfigurationSpec } from '#api/generated/types.ts'

const resourceRules = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }]
const nonResourceRules = [{ verbs: ['*'], nonResourceURLs: ['*'] }]
const groups = (...names: string[]) => names.map((name) => ({ kind: 'Group', group: { name } }))

export const EXEMPT_SCHEMA: FlowSchemaSpec = {
  priorityLevelConfiguration: { name: 'exempt' },
  matchingPrecedence: 1,
  rules: [{ subjects: groups('system:masters'), resourceRules, nonResourceRules }],
}

export const CATCH_ALL_SCHEMA: FlowSchemaSpec = {
  priorityLevelConfiguration: { name: 'catch-all' },
  matchingPrecedence: 10_000,
  distinguisherMethod: { type: 'ByUser' },
  rules: [{ subjects: groups('system:unauthenticated', 'system:authenticated'), resourceRules, nonResourceRules }],
}

export const CATCH_ALL_LEVEL: PriorityLevelConfigurationSpec = {
  type: 'Limited',
  limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
}
