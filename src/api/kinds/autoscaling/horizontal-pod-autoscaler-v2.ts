import { defineKind } from '#api/define-kind.ts'
import { defaultQuantity } from '#api/defaults/resource-list.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { targetsText } from './hpa-targets.ts'
import { validateAutoscaler } from './hpa-validation.ts'

export type HorizontalPodAutoscalerV2 = types.HorizontalPodAutoscalerV2

/** The stored shape; v1 is a view of it. */
export const HorizontalPodAutoscalerV2 = defineKind<HorizontalPodAutoscalerV2>({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  shortNames: ['hpa'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: { status: { verbs: ['get', 'patch', 'update'] } },
  default: defaultAutoscaler,
  validate: validateAutoscaler,
  columns: columnsOf<HorizontalPodAutoscalerV2>(
    {
      name: 'Reference',
      description: 'What is scaled.',
      value: ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ''}/${spec?.scaleTargetRef?.name ?? ''}`,
    },
    {
      name: 'Targets',
      description: 'Metrics as they are and as they should be.',
      value: ({ spec, status }) => targetsText(spec?.metrics, status?.currentMetrics),
    },
    {
      name: 'MinPods',
      description: 'Fewest pods.',
      value: ({ spec }) => (spec?.minReplicas === undefined ? '<unset>' : String(spec.minReplicas)),
    },
    { name: 'MaxPods', description: 'Most pods.', value: ({ spec }) => spec?.maxReplicas ?? 0 },
    { name: 'Replicas', description: 'Pods there are.', value: ({ status }) => status?.currentReplicas ?? 0 },
  ),
})

export function defaultAutoscaler({ spec }: HorizontalPodAutoscalerV2): void {
  if (!spec) return
  spec.minReplicas ??= 1
  if (!spec.metrics?.length)
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }]
  for (const metric of spec.metrics) {
    const target = (metric.resource ?? metric.containerResource ?? metric.pods ?? metric.object ?? metric.external)?.target
    defaultQuantity(target, 'averageValue')
    defaultQuantity(target, 'value')
  }
  const { behavior } = spec
  if (!behavior) return
  defaultQuantity(behavior.scaleUp, 'tolerance')
  defaultQuantity(behavior.scaleDown, 'tolerance')
  behavior.scaleUp = {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Pods', value: 4, periodSeconds: 15 },
      { type: 'Percent', value: 100, periodSeconds: 15 },
    ],
    ...behavior.scaleUp,
  }
  behavior.scaleDown = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }], ...behavior.scaleDown }
}
