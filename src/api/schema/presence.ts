// What becomes of zero values in a struct, as in Go: dropped where a field may be omitted, kept where it is a pointer or JSON always carries it, and
// put in where JSON would carry it all the same. Structs of no built-in type have no such facts: theirs stay as they are.
import { readFileSync } from 'node:fs'

export interface Presence {
  /** Zeros of these stay. */
  readonly keeps: ReadonlySet<string>
  /** Scalars that are never absent. */
  readonly always: readonly string[]
  /** Structs held by value: never absent either. */
  readonly held: readonly string[]
}

type Table = Record<string, string[]>
interface Facts {
  pointer: Table
  always: Table
  held: Table
}

let facts: Facts | undefined

/** `definition` is an OpenAPI name, e.g. `io.k8s.api.core.v1.PodSpec`; undefined for types that are not built in. */
export function presenceOf(definition: string | undefined): Presence | undefined {
  if (!definition?.startsWith('io.k8s.')) return undefined
  facts ??= { pointer: read('presence-pointer'), always: read('presence-always'), held: read('presence-held') }
  const message = definition.split('.').slice(-3).join('.')
  const of = (table: Table) => (Object.hasOwn(table, message) ? table[message]! : [])
  const always = of(facts.always)
  return { keeps: new Set([...of(facts.pointer), ...always]), always, held: of(facts.held) }
}

function read(name: keyof { [K in keyof Facts as `presence-${K}`]: K }): Table {
  return JSON.parse(readFileSync(new URL(`../facts/${name}.json`, import.meta.url), 'utf8')) as Table
}
