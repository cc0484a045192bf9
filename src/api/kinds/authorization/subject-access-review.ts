import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { validateReview } from './review-validation.ts'

export type SubjectAccessReview = types.SubjectAccessReview

export const SubjectAccessReview = defineKind<SubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  scope: 'Cluster',
  verbs: ['create'],
  virtual: true,
  validate: ({ spec, metadata }) => validateReview(spec, metadata, { user: true }),
})
