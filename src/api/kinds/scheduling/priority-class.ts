import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type PriorityClass = types.PriorityClass

export const PriorityClass = defineKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  shortNames: ['pc'],
  scope: 'Cluster',
})
