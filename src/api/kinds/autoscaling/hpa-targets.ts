// The Targets column of autoscalers: each metric as `current/target`, the first two of them.
import type { MetricSpecV2, MetricStatusV2, MetricTargetV2 } from '#api/generated/types.ts'

const UNKNOWN = '<unknown>'

export function targetsText(metrics: MetricSpecV2[] | undefined, current: MetricStatusV2[] | null | undefined): string {
  if (!metrics?.length) return '<none>'
  const texts = metrics.slice(0, 2).map((metric, index) => targetText(metric, current?.[index]))
  return metrics.length > 2 ? `${texts.join(', ')} + ${metrics.length - 2} more...` : texts.join(', ')
}

function targetText(metric: MetricSpecV2, status: MetricStatusV2 | undefined): string {
  const { external, object, pods, resource, containerResource } = metric
  switch (metric.type) {
    case 'Pods':
      return `${status?.pods?.current?.averageValue ?? UNKNOWN}/${pods?.target.averageValue ?? ''}`
    case 'Object':
    case 'External': {
      const target = (object ?? external)?.target
      const now = (metric.type === 'Object' ? status?.object : status?.external)?.current
      if (target?.averageValue !== undefined) return `${now?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`
      return `${now?.value ?? UNKNOWN}/${target?.value ?? ''}`
    }
    case 'Resource':
      return `${resource?.name}: ${resourceText(resource?.target, status?.resource?.current)}`
    case 'ContainerResource':
      return `${containerResource?.name}: ${resourceText(containerResource?.target, status?.containerResource?.current)}`
    default:
      return '<unknown type>'
  }
}

function resourceText(target: MetricTargetV2 | undefined, now: { averageUtilization?: number; averageValue?: string } | undefined): string {
  if (target?.averageValue !== undefined) return `${now?.averageValue ?? UNKNOWN}/${target.averageValue}`
  const current = now?.averageUtilization === undefined ? UNKNOWN : `${now.averageUtilization}%`
  return `${current}/${target?.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`}`
}
