import { type Measured, measuredSchema, metricsKind, sumOfUsage, type Usage, USAGE_SCHEMA } from './metrics-kind.ts'

export interface PodMetrics extends Measured {
  containers: { name: string; usage: Usage }[]
}

export const PodMetrics = metricsKind<PodMetrics>({
  kind: 'PodMetrics',
  plural: 'pods',
  scope: 'Namespaced',
  schema: measuredSchema({
    description: 'PodMetrics is what the containers of a pod used during an interval.',
    properties: {
      containers: {
        type: 'array',
        description: 'One for each container that was measured.',
        items: { type: 'object', properties: { name: { type: 'string' }, usage: USAGE_SCHEMA }, required: ['name', 'usage'] },
      },
    },
    required: ['containers'],
  }),
  usageOf: ({ containers }) => sumOfUsage(containers.map(({ usage }) => usage)),
})
