// The last link: to the verb of a resource, or to one of the fixed endpoints. Paths nobody knows are answered as upstream's mux does.
import type { Verb } from '#api/kind.ts'
import { notFoundError, StatusError } from '#api/status.ts'
import type { Endpoint } from '#server/endpoints/endpoint.ts'
import { type Engine, handlerOf } from '#server/engine/engine.ts'
import type { RequestMetrics } from '#server/metrics.ts'
import { notAllowed } from '#server/engine/subresource.ts'
import type { Resource, StoredResource } from '#server/registry.ts'
import { answer, type Call, type Link } from './call.ts'
import type { FanOut } from './fan-out.ts'
import type { SlabPool } from './slab-writer.ts'
import { refuseUnrouted } from './media-routes.ts'
import { resourceVerbs } from './resource-verbs.ts'
import { serveHandler, serveScale } from './subresource-verbs.ts'

export interface DispatchOptions {
  engine: Engine
  pool: SlabPool
  fanOut: FanOut
  endpoints: readonly Endpoint[]
  metrics: RequestMetrics
}

export function dispatch({ engine, pool, fanOut, endpoints, metrics }: DispatchOptions): Link {
  return async (call) => {
    const { info } = call
    if (info.isResourceRequest) {
      const resource = engine.registry.find(info.group, info.version, info.resource)
      if (!resource || !fitsScope(call, resource)) return notFound(call, engine)
      call.resource = resource
      return serveResource(call, { engine, pool, fanOut, resource, metrics })
    }
    const { method, path } = call.exchange
    for (const endpoint of endpoints) {
      if (!endpoint.serves(path)) continue
      if (endpoint.methods && !endpoint.methods.includes(method)) throw notAllowed()
      return endpoint.answer(call)
    }
    notFound(call, engine)
  }
}

interface Serving extends Omit<DispatchOptions, 'endpoints'> {
  resource: Resource
}

async function serveResource(call: Call, { engine, pool, fanOut, resource, metrics }: Serving): Promise<void> {
  const { info } = call
  // Reading without the body is on offer only where a path is handed on.
  if (call.exchange.method === 'HEAD' && !handlerOf(engine, resource.kind, info.subresource)?.connect) throw notAllowed()
  const { kind } = resource
  if (kind.deprecated) call.warnings.add(kind.deprecated)
  if (info.subresource) {
    const subresource = Object.hasOwn(kind.subresources, info.subresource) ? kind.subresources[info.subresource] : undefined
    if (!subresource || !info.name) return notFound(call, engine)
    if (!subresource.verbs.includes(info.verb)) throw notAllowed()
    if (!handlerOf(engine, kind, info.subresource)?.connect) refuseUnrouted(call, kind)
    if (await serveHandler(engine, call, resource)) return
    if (info.subresource === 'scale' && kind.scale) return serveScale(engine, call, resource as StoredResource)
    const ownKind = subresource.kind === undefined || subresource.kind.kind === kind.kind
    if (!ownKind || !resource.cache) throw unavailable(call)
    if (info.rest) return notFound(call, engine)
  } else {
    if (!kind.verbs.includes(info.verb as Verb)) throw notAllowed()
    if (!info.name && (info.verb === 'update' || info.verb === 'patch')) throw notAllowed()
    if (kind.scope === 'Namespaced' && !info.namespace && !SPANNING.includes(info.verb)) throw notAllowed()
    refuseUnrouted(call, kind)
    if (await serveHandler(engine, call, resource)) return
    if (!resource.cache) throw unavailable(call)
  }
  if (info.verb === 'watch' && call.exchange.method !== 'GET') throw notAllowed()
  using _open = info.verb === 'watch' ? metrics.open(call) : undefined
  const verb = Object.hasOwn(resourceVerbs, info.verb) ? resourceVerbs[info.verb] : undefined
  if (!verb) throw notAllowed()
  // A name on create is the path of an object that is not there yet: nothing is made that way.
  if (info.verb === 'create' && info.name && !info.subresource) throw notAllowed()
  await verb(call, { engine, resource: resource as StoredResource, pool, fanOut })
}

/** Objects of a namespaced kind are named in a namespace; only their collections span all. */
function fitsScope({ info }: Call, { kind }: Resource): boolean {
  if (kind.scope === 'Cluster') return !info.namespace || kind.plural === 'namespaces'
  return info.namespace !== '' || !info.name || SPANNING.includes(info.verb)
}

const SPANNING = ['list', 'watch']

function unavailable({ info }: Call): StatusError {
  if (info.name)
    return notFoundError(
      { group: info.group, plural: info.subresource ? `${info.resource}/${info.subresource}` : info.resource },
      info.name,
    )
  return notAllowed()
}

/** Below what this server's own groups serve, a Status; elsewhere, custom groups among it, what a mux says that has no route. */
function notFound(call: Call, { registry }: Engine): void {
  const [root, group] = call.exchange.path.split('/').slice(1)
  const own =
    root === 'api' || root === 'version' || (root === 'apis' && registry.kinds().some((kind) => kind.group === group && !kind.madeOf))
  if (own) throw new StatusError('NotFound', 'the server could not find the requested resource', { details: {} })
  answer(call, 404, { type: 'text/plain; charset=utf-8', body: '404 page not found\n', headers: { 'x-content-type-options': 'nosniff' } })
}
