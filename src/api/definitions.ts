// The schemas of all built-in types, linked when they are first asked for: a reference becomes the very object it names, so types may be recursive.
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

let known: Definitions | undefined

/** Every definition by its OpenAPI name, e.g. `io.k8s.api.core.v1.PodSpec`. */
export function definitions(): Pick<ReadonlyMap<string, Schema>, 'get' | 'has'> {
  known ??= new Definitions(JSON.parse(readFileSync(new URL('generated/schemas.json', import.meta.url), 'utf8')) as Record<string, Raw>)
  return known
}

export function definition(name: string): Schema {
  const schema = definitions().get(name)
  if (!schema) throw new Error(`no definition named ${name}`)
  return schema
}

class Definitions {
  readonly #raw: Map<string, Raw>
  readonly #linked = new Map<string, Schema>()

  constructor(raw: Record<string, Raw>) {
    this.#raw = new Map(Object.entries(raw))
  }

  has(name: string): boolean {
    return this.#linked.has(name) || this.#raw.has(name)
  }

  /** With all that it refers to, so that it never changes once it has been seen. */
  get(name: string): Schema | undefined {
    const linked = this.#linked.get(name)
    if (linked) return linked
    const raw = this.#raw.get(name)
    if (!raw) return undefined
    this.#raw.delete(name)
    const schema: Schema = { name, type: raw.type }
    this.#linked.set(name, schema)
    return Object.assign(schema, this.#link(raw))
  }

  #link = ({ ref, message: _message, properties, items, additionalProperties, ...own }: Raw): Schema => {
    const target = ref === undefined ? undefined : this.get(ref)
    if (ref !== undefined && !target) throw new Error(`definition ${ref} is referred to but missing`)
    // A field that only refers shares the definition itself; one with merge facts of its own is a view of it.
    if (target && Object.keys(own).length === 0) return target
    const schema: Schema = target ? viewOf(target, own) : (own as Schema)
    if (properties) schema.properties = mapValues(properties, this.#link)
    if (items) schema.items = this.#link(items)
    if (additionalProperties) schema.additionalProperties = this.#link(additionalProperties)
    return schema
  }
}

/** Like `target`, with facts of one place where it is used. Reads through, because `target` may not be filled yet. */
function viewOf(target: Schema, own: Partial<Schema>): Schema {
  return Object.assign(Object.create(target), own) as Schema
}
