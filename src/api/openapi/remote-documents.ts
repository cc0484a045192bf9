// Other servers' paths and definitions put beside one's own. A definition of the same name that says something else gets a name of its own.
import { equal } from '#api/equal.ts'
import { byKey } from '#lib/order.ts'
import type { Entries } from './gnostic-writer.ts'
import type { RemoteDocument } from './openapi.ts'

type Json = Record<string, unknown>

const PREFIX = '#/definitions/'

export function mergeRemote(
  own: { paths: Entries; definitions: Entries },
  remote: readonly RemoteDocument[],
): { paths: Entries; definitions: Entries } {
  if (remote.length === 0) return own
  const paths = new Map(own.paths)
  const definitions = new Map(own.definitions)
  for (const document of remote) {
    const theirs = new Map(document.definitions)
    const names = rename(definitions, theirs, document.paths)
    for (const [name, as] of names) definitions.set(as, withNames(theirs.get(name), names) as Json)
    for (const [path, item] of document.paths) if (!paths.has(path)) paths.set(path, withNames(item, names) as Json)
  }
  return { paths: byName(paths), definitions: byName(definitions) }
}

/** Every definition the paths need, and the name it goes by here. */
function rename(taken: ReadonlyMap<string, Json>, theirs: ReadonlyMap<string, Json>, paths: Entries): Map<string, string> {
  const names = new Map<string, string>()
  const wanted = new Set<string>()
  eachReference(paths, (name) => wanted.add(name))
  // Grows while it is walked.
  for (const name of wanted) {
    const definition = theirs.get(name)
    if (definition === undefined) continue
    eachReference(definition, (inner) => wanted.add(inner))
    let as = name
    for (let number = 2; taken.has(as) && !equal(taken.get(as), definition); number++) as = `${name}_v${number}`
    names.set(name, as)
  }
  return names
}

function eachReference(value: unknown, found: (name: string) => void): void {
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    if (key === '$ref' && typeof inner === 'string' && inner.startsWith(PREFIX)) found(inner.slice(PREFIX.length))
    else eachReference(inner, found)
  }
}

function withNames(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => withNames(one, names))
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key !== '$ref' || typeof inner !== 'string' || !inner.startsWith(PREFIX)) return [key, withNames(inner, names)]
      const name = inner.slice(PREFIX.length)
      return [key, PREFIX + (names.get(name) ?? name)]
    }),
  )
}

const byName = (entries: ReadonlyMap<string, Json>): Entries => [...entries].toSorted(byKey)
