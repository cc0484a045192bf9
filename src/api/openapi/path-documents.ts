// Paths as OpenAPI spells them, version 2 or 3.
import { createHash } from 'node:crypto'
import { type Dialect, reference } from './definition-documents.ts'
import { type Operation, type Parameter, type PathItem, type Shape, shareParameters } from './model.ts'

type Json = Record<string, unknown>

/** A path item of version 3, and the definitions it refers to. */
export function pathV3(item: PathItem): { document: Json; refers: Set<string> } {
  const refers = new Set<string>()
  const { common, own } = shareParameters(item)
  const document: Json = {}
  for (const operation of item.operations) document[operation.method] = operationV3(operation, own.get(operation)!, refers)
  if (common.length > 0) document.parameters = common.map(parameterV3)
  return { document, refers }
}

function operationV3(operation: Operation, parameters: readonly Parameter[], refers: Set<string>): Json {
  const { body } = operation
  const content = (media: readonly string[], shape: Shape) =>
    Object.fromEntries(media.map((type) => [type, { schema: spell(shape, 'v3', refers) }]))
  const responses = operation.responses.map(([code, description, shape]) => {
    return [code, { description, ...(shape ? { content: content(operation.produces, shape) } : {}) }]
  })
  return {
    ...head(operation),
    ...(parameters.length > 0 ? { parameters: parameters.map(parameterV3) } : {}),
    ...(body ? { requestBody: { content: content(operation.consumes, body), ...(body.required ? { required: true } : {}) } } : {}),
    responses: Object.fromEntries(responses),
    ...tail(operation),
  }
}

function parameterV3({ name, in: place, type, description }: Parameter): Json {
  const required = place === 'path' ? { required: true } : {}
  return { name, in: place, ...(description ? { description } : {}), ...required, schema: { type, uniqueItems: true } }
}

/** A path item of version 2. Parameters used in many places are told once, in `shared`. */
export function pathV2(item: PathItem, shared: Map<string, Json>): { document: Json; refers: Set<string> } {
  const refers = new Set<string>()
  const { common, own } = shareParameters(item)
  const parameters = (list: readonly Parameter[]) => list.map((one) => sharedParameter(parameterV2(one), shared))
  const document: Json = {}
  for (const operation of item.operations) {
    const { body } = operation
    const inBody = body
      ? [{ in: 'body', name: 'body', ...(body.required ? { required: true } : {}), schema: spell(body, 'v2', refers) }]
      : []
    const all = [...inBody, ...parameters(own.get(operation)!)]
    const responses = operation.responses.map(([code, description, shape]) => {
      return [code, { description, ...(shape ? { schema: spell(shape, 'v2', refers) } : {}) }]
    })
    document[operation.method] = {
      ...head(operation),
      ...(operation.consumes.length > 0 ? { consumes: operation.consumes } : {}),
      produces: operation.produces,
      schemes: ['https'],
      ...(all.length > 0 ? { parameters: all } : {}),
      responses: Object.fromEntries(responses),
      ...tail(operation),
    }
  }
  if (common.length > 0) document.parameters = parameters(common)
  return { document, refers }
}

function parameterV2({ name, in: place, type, description }: Parameter): Json {
  const required = place === 'path' ? { required: true } : {}
  return { uniqueItems: true, type, ...(description ? { description } : {}), name, in: place, ...required }
}

/** Older clients look for these two by name and follow no references. */
const IN_PLACE = new Set(['dryRun', 'fieldValidation'])

function sharedParameter(parameter: Json, shared: Map<string, Json>): Json {
  const name = String(parameter.name)
  if (IN_PLACE.has(name) || (parameter.in === 'path' && name === 'name')) return parameter
  const hash = createHash('sha256').update(JSON.stringify(parameter)).digest('base64url').slice(0, 8)
  shared.set(`${name}-${hash}`, parameter)
  return { $ref: `#/parameters/${name}-${hash}` }
}

function spell(shape: Shape, dialect: Dialect, refers: Set<string>): Json {
  if (shape === 'string') return { type: 'string' }
  refers.add(shape.definition)
  return reference(shape.definition, dialect)
}

const head = ({ tag, description, id }: Operation): Json => ({ tags: [tag], description, operationId: id })
const tail = ({ action, kind }: Operation): Json => ({
  ...(action ? { 'x-kubernetes-action': action } : {}),
  ...(kind ? { 'x-kubernetes-group-version-kind': kind } : {}),
})
