// The schemas of all built-in types, linked once on first use: a reference becomes the very object it names, so types may be recursive.
import { readFileSync } from 'node:fs'
import { mapValues } from '#lib/map-values.ts'
import type { Schema } from './schema.ts'

type Raw = Omit<Schema, 'properties' | 'items' | 'additionalProperties'> & {
  ref?: string
  message?: string
  properties?: Record<string, Raw>
  items?: Raw
  additionalProperties?: Raw
}

let linked: Map<string, Schema> | undefined

/** Every definition by its OpenAPI name, e.g. `io.k8s.api.core.v1.PodSpec`. */
export function definitions(): ReadonlyMap<string, Schema> {
  linked ??= link(JSON.parse(readFileSync(new URL('generated/schemas.json', import.meta.url), 'utf8')) as Record<string, Raw>)
  return linked
}

export function definition(name: string): Schema {
  const schema = definitions().get(name)
  if (!schema) throw new Error(`no definition named ${name}`)
  return schema
}

function link(raw: Record<string, Raw>): Map<string, Schema> {
  const schemas = new Map<string, Schema>()
  for (const [name, { type }] of Object.entries(raw)) schemas.set(name, { name, type })
  const resolve = ({ ref, message: _message, properties, items, additionalProperties, ...own }: Raw): Schema => {
    const target = ref === undefined ? undefined : schemas.get(ref)
    if (ref !== undefined && !target) throw new Error(`definition ${ref} is referred to but missing`)
    // A field that only refers shares the definition itself; one with merge facts of its own is a view of it.
    if (target && Object.keys(own).length === 0) return target
    const schema: Schema = target ? viewOf(target, own) : (own as Schema)
    if (properties) schema.properties = mapValues(properties, resolve)
    if (items) schema.items = resolve(items)
    if (additionalProperties) schema.additionalProperties = resolve(additionalProperties)
    return schema
  }
  for (const [name, definition] of Object.entries(raw)) Object.assign(schemas.get(name)!, resolve(definition))
  return schemas
}

/** Like `target`, with facts of one place where it is used. Reads through, because `target` may not be filled yet. */
function viewOf(target: Schema, own: Partial<Schema>): Schema {
  return Object.assign(Object.create(target), own) as Schema
}
