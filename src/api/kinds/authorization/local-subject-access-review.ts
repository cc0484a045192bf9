import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type LocalSubjectAccessReview = types.LocalSubjectAccessReview

export const LocalSubjectAccessReview = defineKind<LocalSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  scope: 'Namespaced',
  verbs: ['create'],
  virtual: true,
})
