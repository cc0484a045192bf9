import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type PodDisruptionBudget = types.PodDisruptionBudget

export const PodDisruptionBudget = defineKind<PodDisruptionBudget>({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  shortNames: ['pdb'],
  scope: 'Namespaced',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
