import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

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
})
