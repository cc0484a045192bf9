import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { fromV2, toV2 } from './hpa-conversion.ts'
import { HorizontalPodAutoscalerV2 } from './horizontal-pod-autoscaler-v2.ts'
import { validateAutoscaler } from './hpa-validation.ts'

export type HorizontalPodAutoscaler = types.HorizontalPodAutoscaler

/** The older view: one CPU target as a field, everything newer in annotations. */
export const HorizontalPodAutoscaler = defineKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  shortNames: ['hpa'],
  categories: ['all'],
  scope: 'Namespaced',
  storageVersion: { group: 'autoscaling', version: 'v2' },
  convert: { toStorage: toV2, fromStorage: (stored) => fromV2(stored as types.HorizontalPodAutoscalerV2) },
  subresources: { status: { verbs: ['get', 'patch', 'update'] } },
  default({ spec }) {
    if (spec) spec.minReplicas ??= 1
  },
  validate: (next, previous, context) => validateAutoscaler(toV2(next), previous, context),
  columns: HorizontalPodAutoscalerV2.columns.map((column) => ({
    ...column,
    value: (object, context) => column.value(toV2(object), context),
  })),
})
