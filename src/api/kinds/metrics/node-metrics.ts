import { type Measured, measuredSchema, metricsKind, type Usage, USAGE_SCHEMA } from './metrics-kind.ts'

export interface NodeMetrics extends Measured {
  usage: Usage
}

export const NodeMetrics = metricsKind<NodeMetrics>({
  kind: 'NodeMetrics',
  plural: 'nodes',
  scope: 'Cluster',
  schema: measuredSchema({
    description: 'NodeMetrics is what a node used during an interval.',
    properties: { usage: USAGE_SCHEMA },
    required: ['usage'],
  }),
  usageOf: ({ usage }) => usage,
})
