// What a walk needs of a schema, in the form it reads fastest: compiled once per schema, on first use, recursive types included.
import { GO_TYPES } from '#api/facts/go-types.ts'
import { definition } from '#api/definitions.ts'
import type { Schema } from '#api/schema.ts'
import { type Presence, presenceOf } from './presence.ts'

export type Shape =
  | 'struct'
  | 'map'
  | 'list'
  | 'string'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'double'
  | 'quantity'
  | 'int-or-string'
  | 'time'
  | 'micro-time'
  | 'bytes'
  | 'any'
  | 'schema-or-bool'
  | 'schema-or-array'
  | 'schema-or-strings'

/** How objects with these names, in this order, are put in order. */
export interface Order {
  readonly names: readonly string[]
  /** By the same places: what there is to be put in order below, of members that are not scalars. */
  readonly plans: readonly (Plan | undefined)[]
  /** Absent: it is in order. */
  readonly sorted: readonly string[] | undefined
}

export interface Plan {
  readonly shape: Shape
  /** Of a struct. A Map, so that a field called `constructor` or `__proto__` is as unknown as any other. */
  readonly fields: Map<string, Plan>
  /** Where each field comes in Go's JSON. */
  readonly places: Map<string, number>
  /** Of a list's items, a map's values, or the schema in `schema-or-...`. */
  items: Plan | undefined
  /** A struct's short name, as messages say it: `PodSpec`. */
  readonly struct: string
  /** How messages call the type: `v1.PodSpec`, `[]string`, `int32`. */
  goType: string
  /** Fields no one knows are kept. */
  readonly open: boolean
  /** Of a built-in struct: the fields whose zeros stay; all stay where there is none. */
  readonly keeps: ReadonlySet<string> | undefined
  /** Fields JSON always carries, for when nobody says what they are. */
  fills: readonly (readonly [name: string, plan: Plan])[]
  /** Those of them that are null then. */
  nulls: ReadonlySet<string>
  /** The last few orders in which the members of such structs came; see `inGoOrder`. */
  readonly orders: Order[]
  /** What was sent empty into such a field is nothing as well: so it comes back from where it is kept. */
  readonly emptiesAreNull: boolean
}

const JSON_SCHEMA_PROPS = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps'
const plans = new WeakMap<Schema, Plan>()

export function planOf(schema: Schema): Plan {
  const known = plans.get(schema)
  if (known) return known
  const shape = shapeOf(schema)
  const presence = shape === 'struct' ? presenceOf(schema.name) : undefined
  const struct = schema.name?.slice(schema.name.lastIndexOf('.') + 1) ?? ''
  const plan: Plan = {
    shape,
    fields: new Map(),
    places: new Map(),
    items: undefined,
    struct,
    goType: shape,
    open: schema.preserveUnknownFields === true,
    keeps: presence?.keeps,
    fills: [],
    nulls: NONE,
    orders: [],
    // Definitions of custom resources are kept as JSON, where empty is empty.
    emptiesAreNull: schema.name?.startsWith('io.k8s.apiextensions-apiserver.') !== true,
  }
  plans.set(schema, plan)
  const named = goTypesOf(schema.name)
  for (const [name, field] of Object.entries(schema.properties ?? {})) plan.fields.set(name, called(planOf(field), named?.[name]))
  for (const name of plan.fields.keys()) plan.places.set(name, plan.places.size)
  if (presence) {
    plan.fills = fillsOf(plan, presence)
    plan.nulls = new Set(plan.fills.filter(([, field]) => NULLABLE.has(field.shape)).map(([name]) => name))
  }
  const items = schema.items ?? schema.additionalProperties ?? (shape.startsWith('schema-or-') ? definition(JSON_SCHEMA_PROPS) : undefined)
  if (items) plan.items = planOf(items)
  plan.goType = goTypeOf(plan, schema)
  return plan
}

const NONE: ReadonlySet<string> = new Set()
/** What Go writes as null where it holds nothing. */
const NULLABLE: ReadonlySet<Shape> = new Set(['list', 'map', 'bytes', 'time', 'micro-time', 'any'])

function fillsOf({ fields }: Plan, { always, held }: Presence): Plan['fills'] {
  return [...always, ...held].flatMap((name) => {
    const field = fields.get(name)
    return field ? [[name, field] as const] : []
  })
}

function shapeOf(schema: Schema): Shape {
  switch (schema.type) {
    case 'object':
      if (schema.properties) return 'struct'
      if (schema.additionalProperties) return 'map'
      return schema.preserveUnknownFields ? 'any' : 'struct'
    case 'array':
      return 'list'
    case 'boolean':
      return 'boolean'
    case 'integer':
      return schema.format === 'int32' ? 'int32' : 'int64'
    case 'number':
      return 'double'
    case 'string':
      return STRING_SHAPES[schema.format ?? ''] ?? 'string'
    case 'any':
      return ANY_SHAPES[schema.format ?? ''] ?? 'any'
  }
}

const STRING_SHAPES: Record<string, Shape> = { quantity: 'quantity', 'date-time': 'time', 'micro-time': 'micro-time', byte: 'bytes' }
const ANY_SHAPES: Record<string, Shape> = {
  'int-or-string': 'int-or-string',
  'schema-or-bool': 'schema-or-bool',
  'schema-or-array': 'schema-or-array',
  'schema-or-strings': 'schema-or-strings',
}

function goTypesOf(definition: string | undefined): Readonly<Record<string, string>> | undefined {
  const message = definition?.split('.').slice(-3).join('.')
  return message !== undefined && Object.hasOwn(GO_TYPES, message) ? GO_TYPES[message] : undefined
}

/** A plan of the same shape under another name: strings, or a list of them. */
function called(plan: Plan, goType: string | undefined): Plan {
  if (!goType) return plan
  return plan.shape === 'list' ? { ...plan, goType: `[]${goType}`, items: called(plan.items!, goType) } : { ...plan, goType }
}

function goTypeOf(plan: Plan, { name }: Schema): string {
  const items = plan.items?.goType ?? 'interface {}'
  if (plan.shape === 'list') return `[]${items}`
  // Amounts by resource name have a type of their own.
  if (plan.shape === 'map') return plan.items?.shape === 'quantity' ? 'v1.ResourceList' : `map[string]${items}`
  return GO_SCALARS[plan.shape] ?? (name ? name.split('.').slice(-2).join('.') : plan.shape)
}

const GO_SCALARS: Partial<Record<Shape, string>> = {
  boolean: 'bool',
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  'micro-time': 'v1.MicroTime',
  quantity: 'resource.Quantity',
  'int-or-string': 'intstr.IntOrString',
  any: 'interface {}',
}
