// The schema of a custom resource in the shape every kind has, for apply and for OpenAPI. What only values must obey is kept as it was written.
import { definition } from '#api/definitions.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import type { Schema } from '#api/schema.ts'
import { mapValues } from '#lib/map-values.ts'

const STRUCTURAL = new Set([
  'type',
  'description',
  'properties',
  'required',
  'items',
  'additionalProperties',
  'enum',
  'default',
  'nullable',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
])

/** Of a whole resource: with the fields every object has. `published`: further keywords of the root. */
export function resourceSchema(root: JSONSchemaProps, published?: Record<string, unknown>): Schema {
  const steps = resourceSchemaInSteps(root, published)
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value
}

/** One schema a step: there may be very many. */
export function* resourceSchemaInSteps(root: JSONSchemaProps, published: Record<string, unknown> = {}): Generator<number, Schema> {
  const schema = {} as Schema
  const todo: Todo[] = [{ raw: { ...root, ...published }, schema }]
  for (let next = todo.pop(); next; next = todo.pop()) {
    fill(next, todo)
    yield 1
  }
  const metadata = definition('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')
  const text: Schema = { type: 'string' }
  schema.properties = { apiVersion: text, kind: text, ...schema.properties, metadata }
  return schema
}

interface Todo {
  raw: JSONSchemaProps
  /** Empty, and in its place. */
  schema: Schema
}

/** The schemas within are left to do. */
function fill({ raw, schema }: Todo, todo: Todo[]): void {
  const inner = (within: JSONSchemaProps): Schema => {
    const empty = {} as Schema
    todo.push({ raw: within, schema: empty })
    return empty
  }
  const embedded = raw['x-kubernetes-embedded-resource'] === true
  schema.type = (raw.type || 'any') as Schema['type']
  if (raw['x-kubernetes-int-or-string']) Object.assign(schema, { type: 'any', format: 'int-or-string' })
  if (raw.description) schema.description = raw.description
  if (raw.properties) schema.properties = mapValues(raw.properties, inner)
  if (raw.required?.length) schema.required = raw.required
  if (isSchema(raw.items)) schema.items = inner(raw.items)
  if (isSchema(raw.additionalProperties)) schema.additionalProperties = inner(raw.additionalProperties)
  else if (raw.additionalProperties === true) schema.additionalProperties = { type: 'any', preserveUnknownFields: true }
  if (raw.enum) schema.enum = raw.enum
  if (raw.default !== undefined) schema.default = raw.default
  if (raw.nullable) schema.nullable = true
  const listType = raw['x-kubernetes-list-type']
  if (listType) schema.listType = listType as NonNullable<Schema['listType']>
  if (raw['x-kubernetes-list-map-keys']) schema.listMapKeys = raw['x-kubernetes-list-map-keys']
  const mapType = raw['x-kubernetes-map-type']
  if (mapType) schema.mapType = mapType as NonNullable<Schema['mapType']>
  if (raw['x-kubernetes-preserve-unknown-fields']) schema.preserveUnknownFields = true
  if (embedded) {
    schema.embeddedResource = true
    schema.properties = { ...resourceSchema({ type: 'object' }).properties, ...schema.properties }
    schema.properties.metadata = definition('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')
  }
  const constraints = Object.fromEntries(Object.entries(raw).filter(([field]) => !STRUCTURAL.has(field)))
  if (Object.keys(constraints).length > 0) schema.constraints = constraints
}

const isSchema = (value: unknown): value is JSONSchemaProps => typeof value === 'object' && value !== null && !Array.isArray(value)
