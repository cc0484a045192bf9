// What the two kinds of metrics.k8s.io share. They are measured, never stored, and no part of the cluster's own API: a metrics server may take over.
import type { ObjectMeta } from '#api/object.ts'
import type { Column, Kind } from '#api/kind.ts'
import { type Quantity, quantityOf, ZERO } from '#api/quantity.ts'
import type { Schema } from '#api/schema.ts'

export const METRICS_GROUP = 'metrics.k8s.io'
const METRICS_VERSION = 'v1beta1'

/** By resource: cpu, memory. */
export type Usage = Record<string, string>

export interface Measured {
  apiVersion?: string
  kind?: string
  metadata?: ObjectMeta
  /** When the window ended. */
  timestamp: string
  /** A Go duration. */
  window: string
}

export const USAGE_SCHEMA: Schema = {
  type: 'object',
  additionalProperties: { type: 'string', format: 'quantity' },
  description: 'What was used of each resource.',
}

export function measuredSchema(own: { description: string; properties: Record<string, Schema>; required: string[] }): Schema {
  return {
    type: 'object',
    description: own.description,
    properties: {
      metadata: { type: 'object' },
      timestamp: { type: 'string', format: 'date-time', description: 'When the interval of measurement ended.' },
      window: { type: 'string', description: 'How long the interval of measurement was.' },
      ...own.properties,
    },
    required: ['timestamp', 'window', ...own.required],
  }
}

type Source<T extends Measured> = Pick<Kind<T>, 'kind' | 'plural' | 'scope' | 'schema'> & { usageOf(object: T): Usage }

export function metricsKind<T extends Measured>({ usageOf, ...own }: Source<T>): Kind<T> {
  const amount = (resource: string): Column<T> => ({
    name: resource,
    description: '',
    format: 'quantity',
    value: (object) => quantityOf(usageOf(object)[resource]).toString(),
  })
  return {
    group: METRICS_GROUP,
    version: METRICS_VERSION,
    listKind: `${own.kind}List`,
    singular: '',
    verbs: ['get', 'list'],
    subresources: {},
    virtual: true,
    columns: [
      { name: 'Name', description: 'Name of the resource', format: 'name', value: ({ metadata }) => metadata?.name ?? '' },
      amount('cpu'),
      amount('memory'),
      { name: 'Window', description: '', format: 'duration', value: ({ window }) => window },
    ],
    ...own,
  }
}

export function sumOfUsage(usages: readonly Usage[]): Usage {
  const sums = new Map<string, Quantity>()
  for (const usage of usages)
    for (const [resource, amount] of Object.entries(usage)) sums.set(resource, (sums.get(resource) ?? ZERO).add(quantityOf(amount)))
  return Object.fromEntries([...sums].map(([resource, sum]) => [resource, sum.toString()]))
}
