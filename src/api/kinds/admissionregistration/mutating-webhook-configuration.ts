import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { staticNameWarnings } from './rules.ts'
import { defaultWebhook, validateConditions, validateWebhooks, webhookColumns } from './webhooks.ts'

export type MutatingWebhookConfiguration = types.MutatingWebhookConfiguration

export const MutatingWebhookConfiguration = defineKind<MutatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  categories: ['api-extensions'],
  scope: 'Cluster',
  requireResourceVersionOnUpdate: true,
  generationOf: ({ webhooks }) => webhooks,
  default({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      defaultWebhook(webhook)
      webhook.reinvocationPolicy ??= 'Never'
    }
  },
  validate: ({ webhooks }) => validateWebhooks(webhooks),
  validateFurther: ({ webhooks }, previous) => validateConditions(webhooks, previous?.webhooks),
  warnings: ({ metadata }) => staticNameWarnings(metadata?.name),
  columns: webhookColumns,
})
