import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type SelfSubjectRulesReview = types.SelfSubjectRulesReview

export const SelfSubjectRulesReview = defineKind<SelfSubjectRulesReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  scope: 'Cluster',
  verbs: ['create'],
  virtual: true,
})
