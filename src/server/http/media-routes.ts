// Built-in kinds are routed by media type, as upstream's router does it: what no route takes is refused in the router's own words, before any
// handler speaks. Custom kinds have no such routes: their handlers refuse.
import type { Kind } from '#api/kind.ts'
import { StatusError } from '#api/status.ts'
import type { Call } from './call.ts'

const PATCHES = new Set([
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
])
const WRITTEN = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
const STREAMED = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch']
const TAKEN = new Set([...WRITTEN, 'application/*', '*/*'])

export function refuseUnrouted({ exchange, info }: Call, kind: Kind): void {
  if (kind.madeOf) return
  const { accept, 'content-type': type } = exchange.headers
  if (exchange.method === 'PATCH' && !PATCHES.has(typeOf(type ?? '')))
    throw new StatusError('UnsupportedMediaType', '415: Unsupported Media Type', { details: {} })
  if (!accept || accept === 'application/json' || accept.split(',', 64).some((clause) => TAKEN.has(typeOf(clause)))) return
  const available = info.verb === 'list' || info.verb === 'watch' ? [...WRITTEN, ...STREAMED] : WRITTEN
  throw new StatusError('NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${available.join(', ')}`, { details: {} })
}

const typeOf = (clause: string): string => clause.split(';', 1)[0]!.trim().toLowerCase()
