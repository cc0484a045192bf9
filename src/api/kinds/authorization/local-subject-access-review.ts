import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { validateReview } from './review-validation.ts'

export type LocalSubjectAccessReview = types.LocalSubjectAccessReview

export const LocalSubjectAccessReview = defineKind<LocalSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  scope: 'Namespaced',
  verbs: ['create'],
  virtual: true,
  validate: ({ spec, metadata }) => validateReview(spec, metadata, { user: true, local: true }),
})
