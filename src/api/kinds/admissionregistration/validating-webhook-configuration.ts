import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { staticNameWarnings } from './rules.ts'
import { defaultWebhook, validateConditions, validateWebhooks, webhookColumns } from './webhooks.ts'

export type ValidatingWebhookConfiguration = types.ValidatingWebhookConfiguration

export const ValidatingWebhookConfiguration = defineKind<ValidatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  categories: ['api-extensions'],
  scope: 'Cluster',
  requireResourceVersionOnUpdate: true,
  generationOf: ({ webhooks }) => webhooks,
  default: ({ webhooks }) => webhooks?.forEach(defaultWebhook),
  validate: ({ webhooks }) => validateWebhooks(webhooks),
  validateFurther: ({ webhooks }, previous) => validateConditions(webhooks, previous?.webhooks),
  warnings: ({ metadata }) => staticNameWarnings(metadata?.name),
  columns: webhookColumns,
})
