// What a custom resource may hold: fields its schema does not name are dropped and told, metadata is read as everywhere. Changes in place.
import { getOwn, isObject, type JsonObject } from '#api/clone.ts'
import { definition } from '#api/definitions.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import type { KubeObject } from '#api/object.ts'
import { DecodeError, decodeInto } from '#api/schema/decode.ts'
import type { Schema } from '#api/schema.ts'

const ANYTHING: Schema = { type: 'any' }
const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const MAX_UNKNOWN = 100

/** Returns the paths of what was dropped, sorted, at most 100. Throws DecodeError for metadata of a wrong type. */
export function pruneResource(object: KubeObject, schema: JSONSchemaProps): string[] {
  // Depth and numbers, once for all walks that follow.
  decodeInto(object, ANYTHING)
  const unknown: string[] = []
  pruneMap(object as JsonObject, schema, { path: '', unknown, resource: true })
  return unknown.toSorted()
}

/** Of a value inside a resource. */
export function pruneValue(value: unknown, schema: JSONSchemaProps): void {
  prune(value, schema, { path: '', unknown: [] })
}

interface Place {
  path: string
  unknown: string[]
  resource?: boolean
}

function prune(value: unknown, schema: JSONSchemaProps, { path, unknown }: Place): void {
  if (Array.isArray(value)) {
    const items = schema.items as JSONSchemaProps | undefined
    if (!isObject(items)) return
    for (const [index, item] of value.entries()) prune(item, items, { path: `${path}[${index}]`, unknown })
  } else if (isObject(value)) pruneMap(value, schema, { path, unknown, resource: schema['x-kubernetes-embedded-resource'] === true })
}

function pruneMap(object: JsonObject, schema: JSONSchemaProps, { path, unknown, resource = false }: Place): void {
  if (resource) coerce(object, path, unknown)
  const { properties = {}, additionalProperties } = schema
  for (const name of Object.keys(object)) {
    if (resource && (name === 'apiVersion' || name === 'kind' || name === 'metadata')) continue
    const at = path ? `${path}.${name}` : name
    const property = getOwn(properties, name) as JSONSchemaProps | undefined
    if (property) prune(object[name], property, { path: at, unknown })
    else if (isObject(additionalProperties)) prune(object[name], additionalProperties as JSONSchemaProps, { path: at, unknown })
    else if (additionalProperties !== true && schema['x-kubernetes-preserve-unknown-fields'] !== true) {
      if (unknown.length < MAX_UNKNOWN) unknown.push(at)
      delete object[name]
    }
  }
}

/** What every object has, also one inside another. */
function coerce(object: JsonObject, path: string, unknown: string[]): void {
  for (const name of ['apiVersion', 'kind']) {
    if (object[name] === null) delete object[name]
    const value = getOwn(object, name)
    if (value !== undefined && typeof value !== 'string')
      throw new DecodeError(
        `json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go struct field .${name} of type string`,
      )
  }
  const metadata = getOwn(object, 'metadata')
  if (metadata === undefined) return
  if (metadata === null) return void delete object.metadata
  const found = decodeInto(metadata, definition(OBJECT_META)).unknown
  for (const field of found) if (unknown.length < MAX_UNKNOWN) unknown.push(`${path ? `${path}.` : ''}metadata.${field}`)
}
