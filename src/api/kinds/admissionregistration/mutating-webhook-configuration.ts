import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type MutatingWebhookConfiguration = types.MutatingWebhookConfiguration

export const MutatingWebhookConfiguration = defineKind<MutatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  categories: ['api-extensions'],
  scope: 'Cluster',
})
