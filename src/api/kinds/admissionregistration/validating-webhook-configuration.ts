import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { staticNameWarnings } from './rules.ts'
import { defaultWebhook, validateConditions, validateWebhooks } from './webhooks.ts'

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
  default({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      defaultWebhook(webhook)
    }
  },
  validate: ({ webhooks }) => validateWebhooks(webhooks),
  validateFurther: ({ webhooks }, previous) => validateConditions(webhooks, previous?.webhooks),
  warnings: ({ metadata }) => staticNameWarnings(metadata?.name),
  columns: columnsOf<ValidatingWebhookConfiguration>({
    name: 'Webhooks',
    type: 'integer',
    description: 'Number of webhooks.',
    value: ({ webhooks }) => webhooks?.length ?? 0,
  }),
})
