import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { validateReview } from './review-validation.ts'

export type SelfSubjectAccessReview = types.SelfSubjectAccessReview

export const SelfSubjectAccessReview = defineKind<SelfSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  scope: 'Cluster',
  verbs: ['create'],
  virtual: true,
  validate: ({ spec, metadata }) => validateReview(spec, metadata, {}),
})
