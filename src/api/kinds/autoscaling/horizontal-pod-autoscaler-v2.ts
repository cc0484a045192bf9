import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type HorizontalPodAutoscalerV2 = types.HorizontalPodAutoscalerV2

export const HorizontalPodAutoscalerV2 = defineKind<HorizontalPodAutoscalerV2>({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  shortNames: ['hpa'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
