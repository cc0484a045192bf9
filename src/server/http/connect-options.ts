// What a streaming request asks for, as an object: PodExecOptions and the like, read off the query. Admission sees it; the handlers read the query themselves.
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
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
