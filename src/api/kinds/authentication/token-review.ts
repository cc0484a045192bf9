import { defineKind } from '#api/define-kind.ts'
import { required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'

export type TokenReview = types.TokenReview

export const TokenReview = defineKind<TokenReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  scope: 'Cluster',
  verbs: ['create'],
  virtual: true,
  validate: ({ spec }) => (spec?.token ? [] : [required('spec.token')]),
})
