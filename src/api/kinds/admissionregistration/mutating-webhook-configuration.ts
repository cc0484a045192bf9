import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { staticNameWarnings } from './rules.ts'
import { defaultWebhook, validateConditions, validateWebhooks } from './webhooks.ts'

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
  columns: columnsOf<MutatingWebhookConfiguration>({
    name: 'Webhooks',
    type: 'integer',
    description: 'Number of webhooks.',
    value: ({ webhooks }) => webhooks?.length ?? 0,
  }),
})
