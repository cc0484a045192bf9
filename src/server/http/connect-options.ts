// What a streaming request asks for, as an object: PodExecOptions and the like, read off the query. Admission sees and changes it; the handlers read
// the query, made anew from what was changed.
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import { isSet } from './request-info.ts'

type Read = (values: string[]) => unknown

const FLAG: Read = ([first]) => isSet(first ?? null)
const TEXT: Read = ([first]) => first
const OPTIONS: Record<string, Record<string, Read>> = {
  PodAttachOptions: { stdin: FLAG, stdout: FLAG, stderr: FLAG, tty: FLAG, container: TEXT },
  PodExecOptions: { stdin: FLAG, stdout: FLAG, stderr: FLAG, tty: FLAG, container: TEXT, command: (values) => values },
  PodPortForwardOptions: {
    ports: (values) =>
      values
        .flatMap((text) => text.split(','))
        .map(Number)
        .filter(Number.isSafeInteger),
  },
  PodProxyOptions: { path: TEXT },
  NodeProxyOptions: { path: TEXT },
  ServiceProxyOptions: { path: TEXT },
}

/** The options of what a webhook answered: they have no published schema. Unknown fields are dropped. */
export function readOptions(given: Readonly<Record<string, unknown>>): KubeObject {
  const { kind, apiVersion } = given
  const options: Record<string, unknown> = { kind, apiVersion }
  for (const [name, read] of Object.entries(OPTIONS[String(kind)] ?? {})) {
    const value = given[name] ?? undefined
    const wanted = read === FLAG ? 'boolean' : name === 'ports' ? 'number' : 'string'
    const isList = Array.isArray(value)
    if (isList !== ['command', 'ports'].includes(name) && value !== undefined) throw new Error(`${kind}.${name}: not what it must be`)
    for (const one of isList ? value : [value ?? []].flat())
      if (typeof one !== wanted) throw new Error(`${kind}.${name}: must be ${wanted}`)
    if (value !== undefined) options[name] = value
  }
  return options
}

/** The query that asks for what admission made of the options. A path is not asked for by query: nobody may lead elsewhere. */
export function changedQuery(options: KubeObject, query: URLSearchParams): URLSearchParams {
  const known = OPTIONS[options.kind ?? ''] ?? {}
  if ('path' in known)
    throw new StatusError('InternalError', `Internal error occurred: the path of ${options.kind} cannot be changed by admission`)
  const changed = new URLSearchParams(query)
  for (const name of Object.keys(known)) {
    changed.delete(name)
    const value = (options as Record<string, unknown>)[name]
    for (const one of [value ?? []].flat()) if (one !== false) changed.append(name, String(one))
  }
  return changed
}

export function connectOptions(kind: Kind, subresource: string, query: URLSearchParams): KubeObject | undefined {
  const own = kind.subresources[subresource]?.kind
  if (!own) return undefined
  const object: Record<string, unknown> = { kind: own.kind, apiVersion: apiVersionOf(own) }
  for (const [name, read] of Object.entries(OPTIONS[own.kind] ?? {})) {
    const values = query.getAll(name)
    if (values.length > 0) object[name] = read(values)
  }
  return object
}
