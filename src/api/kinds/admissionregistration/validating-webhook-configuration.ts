import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ValidatingWebhookConfiguration = types.ValidatingWebhookConfiguration

export const ValidatingWebhookConfiguration = defineKind<ValidatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  categories: ['api-extensions'],
  scope: 'Cluster',
})
