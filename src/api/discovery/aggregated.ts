// Aggregated discovery (apidiscovery.k8s.io v2 and v2beta1): everything there is in two documents, one for `/api` and one for `/apis`.
import type { Kind, Subresource } from '#api/kind.ts'
import type { GroupVersionKind } from '#api/object.ts'
import type { Group } from './group-order.ts'
import { subresourcesOf } from './resource-lists.ts'

export type AggregatedVersion = 'v2' | 'v2beta1'

export function aggregatedDocument(groups: readonly Group[], version: AggregatedVersion): object {
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items: groups.map(describe) }
}

function describe({ name, versions }: Group): object {
  return {
    metadata: name ? { name } : {},
    versions: versions.map(({ version, kinds, remote }) => {
      const resources = remote?.resources ?? kinds.map(resource)
      return { version, ...(resources.length ? { resources } : {}), freshness: remote?.stale ? 'Stale' : 'Current' }
    }),
  }
}

function resource(kind: Kind): object {
  const subresources = subresourcesOf(kind).map(([name, subresource]) => subresourceOf(kind, name, subresource))
  return {
    resource: kind.plural,
    responseKind: ownKind(kind),
    scope: kind.scope === 'Namespaced' ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames?.length ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories?.length ? { categories: kind.categories } : {}),
    ...(subresources.length ? { subresources } : {}),
  }
}

function subresourceOf(parent: Kind, name: string, { kind, verbs }: Subresource): object {
  const elsewhere = kind && (kind.group !== parent.group || kind.version !== parent.version)
  return { subresource: name, responseKind: elsewhere ? kind : { ...ownKind(parent), ...(kind ? { kind: kind.kind } : {}) }, verbs }
}

/** Of what is built in, group and version are left to be read off the list they are in. */
function ownKind({ group, version, kind, madeOf }: Kind): GroupVersionKind {
  return madeOf ? { group, version, kind } : { group: '', version: '', kind }
}

/** What an Accept header asks of `/api` and `/apis`: aggregated in one of the versions, or, by default, the plain documents. */
export function aggregatedVersionOf(accept: string | undefined): AggregatedVersion | undefined {
  for (const part of (accept ?? '').split(',')) {
    const [type, ...parameters] = part.split(';').map((one) => one.trim())
    if (type === 'application/vnd.kubernetes.protobuf') continue
    const get = (name: string) => parameters.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1)
    const version = get('v')
    const aggregated = get('g') === 'apidiscovery.k8s.io' && get('as') === 'APIGroupDiscoveryList'
    if (!aggregated) {
      if (type === 'application/json' || type === '*/*') return undefined
      continue
    }
    if (type === 'application/json' && (version === 'v2' || version === 'v2beta1')) return version
  }
  return undefined
}
