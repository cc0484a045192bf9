import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type SelfSubjectReview = types.SelfSubjectReview

export const SelfSubjectReview = defineKind<SelfSubjectReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  scope: 'Cluster',
  verbs: ['create'],
  virtual: true,
})
