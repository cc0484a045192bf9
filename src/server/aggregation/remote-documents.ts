// What an extension server says of itself: its resources as aggregated discovery tells them, and its OpenAPI documents. Kept until it says otherwise;
// what it said before is used, marked stale, while it does not answer.
import { createHash } from 'node:crypto'
import { getOwn, isObject } from '#api/clone.ts'
import type { RemoteVersion } from '#api/discovery/group-order.ts'
import { toV3 } from '#api/openapi/from-v2.ts'
import type { RemoteDocument } from '#api/openapi/openapi.ts'
import type { GroupVersion } from './automanaged.ts'
import type { RemoteServer } from './remote-server.ts'

const LIMIT = 8 * 1024 * 1024
const AGGREGATED = ['v2', 'v2beta1'].map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)

type Json = Record<string, any>

export interface Asking {
  signal: AbortSignal
  parse(text: Buffer): Promise<unknown>
}

/** Throws when it does not answer as it should; `undefined`: it answers, but not for that group and version. */
export async function fetchDiscovery(
  server: RemoteServer,
  { group, version }: GroupVersion,
  { signal, parse }: Asking,
): Promise<RemoteVersion['resources'] | undefined> {
  const whole = await server.ask('/apis', { headers: { accept: [...AGGREGATED, 'application/json'].join() }, signal, limit: LIMIT })
  if (whole.status === 200) {
    const document = (await parse(whole.body)) as Json
    if (document['kind'] === 'APIGroupDiscoveryList') {
      const own = listOf(document['items']).find(({ metadata }) => metadata?.name === group)
      const found = listOf(own?.['versions']).find((one) => one['version'] === version)
      return found && listOf(found['resources'])
    }
  }
  const { status, body } = await server.ask(`/apis/${group}/${version}`, { signal, limit: LIMIT })
  if (status !== 200) throw new Error(`bad status ${status}`)
  return fromResourceList({ group, version }, listOf(((await parse(body)) as Json)['resources']))
}

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : [])

/** Subresources of a plain list stand beside their parents; aggregated discovery puts them inside. */
function fromResourceList(own: GroupVersion, resources: Json[]): Json[] {
  const responseKind = ({ group, version, kind }: Json) => ({ group: group ?? '', version: version ?? '', kind })
  const parents = new Map<string, Json>()
  for (const one of resources) {
    if (typeof one['name'] !== 'string' || one['name'].includes('/')) continue
    parents.set(one['name'], {
      resource: one['name'],
      responseKind: responseKind(one),
      scope: one['namespaced'] ? 'Namespaced' : 'Cluster',
      singularResource: one['singularName'] ?? '',
      verbs: one['verbs'] ?? [],
      ...(one['shortNames'] ? { shortNames: one['shortNames'] } : {}),
      ...(one['categories'] ? { categories: one['categories'] } : {}),
    })
  }
  for (const one of resources) {
    const [parent = '', subresource] = String(one['name']).split('/')
    const found = parents.get(parent)
    if (!subresource || !found) continue
    found['subresources'] = [...(found['subresources'] ?? []), { subresource, responseKind: responseKind(one), verbs: one['verbs'] ?? [] }]
  }
  return [...parents.values()]
}

export interface OpenApiQuestion {
  group: string
  version: string
  /** What it said before: asked whether that still holds. */
  before: RemoteDocument | undefined
}

/** Absent where it has none: not every extension server describes itself. Throws where it does not answer. */
export async function fetchOpenApi(
  server: RemoteServer,
  { group, version, before }: OpenApiQuestion,
  { signal, parse }: Asking,
): Promise<RemoteDocument | undefined> {
  const root = `apis/${group}/${version}`
  const ask = async (path: string, etag?: string) => {
    const answered = await server.ask(path, { signal, limit: LIMIT, ...(etag ? { headers: { 'if-none-match': etag } } : {}) })
    if (answered.status >= 500) throw new Error(`${path}: bad status ${answered.status}`)
    return answered
  }
  const index = await ask('/openapi/v3')
  const listed = index.status === 200 ? ((await parse(index.body)) as Json)['paths'] : undefined
  const hash = hashOf(listed?.[root]?.serverRelativeURL)
  // Who does not know version 3 at all has it made of version 2.
  const legacy = index.status === 404
  const v2 = await ask('/openapi/v2', before?.etag)
  if (v2.status === 304 && before && legacy === (before.made !== undefined)) return { ...before, ...(legacy ? {} : { hash }) }
  const whole = v2.status === 200 ? v2 : v2.status === 304 ? await ask('/openapi/v2') : undefined
  if (!whole) return hash === undefined ? undefined : { root, hash, paths: [], definitions: [] }
  const { etag } = whole.headers
  const document = (await parse(whole.body)) as Json
  const own = ownPaths(document, `/${root}/`)
  const made = legacy ? Buffer.from(JSON.stringify(toV3({ ...document, ...own }))) : undefined
  return {
    root,
    hash: made ? createHash('sha256').update(made).digest('hex').toUpperCase() : hash,
    ...own,
    ...(made ? { made } : {}),
    ...(etag ? { etag } : {}),
  }
}

function hashOf(url: unknown): string | undefined {
  return (typeof url === 'string' && new URL(url, 'https://server').searchParams.get('hash')) || undefined
}

/** Parameters that a document keeps by name are put where they are used. */
function ownPaths({ paths = {}, definitions = {}, parameters = {} }: Json, prefix: string): Pick<RemoteDocument, 'paths' | 'definitions'> {
  return {
    paths: Object.entries(paths as Json)
      .filter(([path]) => path.startsWith(prefix))
      .map(([path, item]) => [path, withParameters(item, parameters)]),
    definitions: Object.entries(definitions as Json),
  }
}

const PARAMETERS = '#/parameters/'

function withParameters(item: unknown, parameters: Json): Json {
  const resolve = (one: unknown): unknown => {
    const reference = isObject(one) ? one['$ref'] : undefined
    if (typeof reference !== 'string' || !reference.startsWith(PARAMETERS)) return one
    return getOwn(parameters, reference.slice(PARAMETERS.length)) ?? one
  }
  if (!isObject(item)) return {}
  return Object.fromEntries(
    Object.entries(item as Json).map(([key, value]) => {
      if (key === 'parameters' && Array.isArray(value)) return [key, value.map(resolve)]
      return [key, isObject(value) && !key.startsWith('x-') ? withParameters(value, parameters) : value]
    }),
  )
}
