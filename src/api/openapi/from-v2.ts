// The OpenAPI document of version 3 of a group and version whose server has version 2 alone. What version 2 cannot say is not made up.
import { isObject } from '#api/clone.ts'
import { byKey } from '#lib/order.ts'

type Json = Record<string, any>

export interface DocumentV2 {
  info?: unknown
  paths: [path: string, item: Json][]
  definitions: [name: string, schema: Json][]
  produces?: string[]
  consumes?: string[]
  securityDefinitions?: Json
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch']
const ANY_TYPE = ['*/*']
/** Of a parameter: what says how its value looks. */
const VALUE = [
  'type',
  'format',
  'items',
  'enum',
  'default',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'uniqueItems',
]
const [DEFINITIONS, SCHEMAS] = ['#/definitions/', '#/components/schemas/']

/** With the definitions that its paths refer to, directly or not. */
export function toV3({ info, paths, definitions, produces = [], consumes = [], securityDefinitions }: DocumentV2): Json {
  const known = new Map(definitions)
  const wanted = new Set<string>()
  const types = { produces, consumes, wanted }
  const items = paths.map(([path, item]) => [path, pathOf(item, types)] as const)
  const schemas: [string, unknown][] = []
  // Grows while it is walked.
  for (const name of wanted) if (known.has(name)) schemas.push([name, schemaOf(known.get(name)!, wanted)])
  schemas.sort(byKey)
  return {
    openapi: '3.0.0',
    info: info ?? { title: '', version: '' },
    paths: Object.fromEntries(items),
    components: {
      schemas: Object.fromEntries(schemas),
      ...(isObject(securityDefinitions) ? { securitySchemes: securityDefinitions } : {}),
    },
  }
}

interface Types {
  produces: string[]
  consumes: string[]
  wanted: Set<string>
}

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])
const extensionsOf = (value: Json): Json => Object.fromEntries(Object.entries(value).filter(([key]) => key.startsWith('x-')))
const picked = (value: Json, names: readonly string[]): Json =>
  Object.fromEntries(names.flatMap((name) => (Object.hasOwn(value, name) ? [[name, value[name]]] : [])))

function pathOf(item: Json, types: Types): Json {
  const shared = listOf(item['parameters'])
  const body = shared.find((one) => one['in'] === 'body')
  const operations = METHODS.filter((method) => isObject(item[method])).map((method) => [
    method,
    operationOf(item[method], { ...types, body }),
  ])
  const parameters = parametersOf(shared, types.wanted)
  return { ...Object.fromEntries(operations), ...(parameters.length > 0 ? { parameters } : {}), ...extensionsOf(item) }
}

function operationOf(operation: Json, types: Types & { body: Json | undefined }): Json {
  const { wanted } = types
  const given = listOf(operation['parameters'])
  const body = given.find((one) => one['in'] === 'body') ?? types.body
  const parameters = parametersOf(given, wanted)
  const produces = typesOf(operation['produces'], types.produces)
  const responses = isObject(operation['responses']) ? operation['responses'] : {}
  return {
    ...picked(operation, ['tags', 'summary', 'description', 'externalDocs', 'operationId', 'deprecated']),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: bodyOf(body, typesOf(operation['consumes'], types.consumes), wanted) } : {}),
    responses: Object.fromEntries(
      Object.entries(responses)
        .filter((entry): entry is [string, Json] => isObject(entry[1]))
        .map(([code, one]) => [code, { ...picked(one, ['description']), ...contentOf(one, produces, wanted), ...extensionsOf(one) }]),
    ),
    ...picked(operation, ['security']),
    ...extensionsOf(operation),
  }
}

function typesOf(own: unknown, all: readonly string[]): readonly string[] {
  const types = Array.isArray(own) ? own.filter((one) => typeof one === 'string') : all
  return types.length > 0 ? types : ANY_TYPE
}

function parametersOf(given: readonly Json[], wanted: Set<string>): Json[] {
  return given
    .filter((one) => one['in'] !== 'body')
    .map((one) => ({
      ...picked(one, ['name', 'in', 'description', 'required', 'allowEmptyValue']),
      schema: schemaOf(picked(one, VALUE), wanted),
      ...extensionsOf(one),
    }))
}

function bodyOf(body: Json, types: readonly string[], wanted: Set<string>): Json {
  return { ...picked(body, ['description']), ...contentOf(body, types, wanted), ...picked(body, ['required']) }
}

function contentOf({ schema }: Json, types: readonly string[], wanted: Set<string>): Json {
  if (!isObject(schema)) return {}
  return { content: Object.fromEntries(types.map((type) => [type, { schema: schemaOf(schema, wanted) }])) }
}

/** A reference says nothing beside itself in version 3: what is beside it goes around it. */
function schemaOf(schema: unknown, wanted: Set<string>): unknown {
  if (Array.isArray(schema)) return schema.map((one) => schemaOf(one, wanted))
  if (!isObject(schema)) return schema
  const entries = Object.entries(schema as Json).map(([key, value]): [string, unknown] => {
    if (key === 'properties' && isObject(value))
      return [key, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, schemaOf(one, wanted)]))]
    return [key, ['items', 'additionalProperties', 'allOf', 'anyOf', 'oneOf', 'not'].includes(key) ? schemaOf(value, wanted) : value]
  })
  const { $ref, ...rest } = Object.fromEntries(entries) as Json
  if (typeof $ref !== 'string') return rest
  const name = $ref.startsWith(DEFINITIONS) ? $ref.slice(DEFINITIONS.length) : undefined
  if (name !== undefined) wanted.add(name)
  const reference = { $ref: name === undefined ? $ref : SCHEMAS + name }
  return Object.keys(rest).length === 0 ? reference : { allOf: [reference], ...rest }
}
