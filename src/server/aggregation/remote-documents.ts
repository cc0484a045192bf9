// What an extension server says of itself: its resources as aggregated discovery tells them, and its OpenAPI documents. Kept until it says otherwise;
// what it said before is used, marked stale, while it does not answer.
import { clone } from '#api/clone.ts'
import type { RemoteVersion } from '#api/discovery/group-order.ts'
import type { RemoteDocument } from '#api/openapi/openapi.ts'
import type { RemoteServer } from './remote-server.ts'

const LIMIT = 8 * 1024 * 1024
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

interface GroupVersion {
  group: string
  version: string
}

type Json = Record<string, any>

/** Throws when it does not answer as it should; `undefined`: it answers, but not for that group and version. */
export async function fetchDiscovery(
  server: RemoteServer,
  { group, version }: GroupVersion,
  signal: AbortSignal,
): Promise<RemoteVersion['resources'] | undefined> {
  const whole = await server.ask('/apis', { headers: { accept: `${AGGREGATED},application/json` }, signal, limit: LIMIT })
  if (whole.status === 200) {
    const document = JSON.parse(whole.body.toString()) as Json
    if (document['kind'] === 'APIGroupDiscoveryList') {
      const own = listOf(document['items']).find(({ metadata }) => metadata?.name === group)
      const found = listOf(own?.['versions']).find((one) => one['version'] === version)
      return found && listOf(found['resources'])
    }
  }
  const { status, body } = await server.ask(`/apis/${group}/${version}`, { signal, limit: LIMIT })
  if (status !== 200) throw new Error(`bad status ${status}`)
  return fromResourceList({ group, version }, listOf((JSON.parse(body.toString()) as Json)['resources']))
}

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : [])

/** Subresources of a plain list stand beside their parents; aggregated discovery puts them inside. */
function fromResourceList(own: GroupVersion, resources: Json[]): Json[] {
  const responseKind = ({ group, version, kind }: Json) => ({ group: group || own.group, version: version || own.version, kind })
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

/** Absent where it has none: not every extension server describes itself. */
export async function fetchOpenApi(
  server: RemoteServer,
  { group, version }: GroupVersion,
  signal: AbortSignal,
): Promise<RemoteDocument | undefined> {
  const root = `apis/${group}/${version}`
  const read = async (path: string) => {
    const { status, body } = await server.ask(path, { signal, limit: LIMIT })
    return status === 200 ? (JSON.parse(body.toString()) as Json) : undefined
  }
  const index = await read('/openapi/v3')
  const url = index?.['paths']?.[root]?.serverRelativeURL as string | undefined
  const hash = typeof url === 'string' ? new URL(url, 'https://server').searchParams.get('hash') : undefined
  const v2 = await read('/openapi/v2')
  if (!v2 && hash === undefined) return undefined
  return { root, hash: hash ?? undefined, ...ownPaths(clone(v2 ?? {}), `/${root}/`) }
}

function ownPaths({ paths = {}, definitions = {} }: Json, prefix: string): Pick<RemoteDocument, 'paths' | 'definitions'> {
  return {
    paths: Object.entries(paths as Json).filter(([path]) => path.startsWith(prefix)),
    definitions: Object.entries(definitions as Json),
  }
}
