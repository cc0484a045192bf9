// The discovery documents every client understands: versions, groups, and the resources of one group and version.
import { createHash } from 'node:crypto'
import type { Kind, Subresource } from '#api/kind.ts'
import { apiVersionOf } from '#api/object.ts'
import { byKey } from '#lib/order.ts'
import type { Group, VersionOfGroup } from './group-order.ts'

/** `/api`. `serverAddress` is `host:port` as clients may reach it. */
export function coreVersions(serverAddress: string): object {
  const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress }]
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs }
}

/** `/apis` */
export function groupList(groups: readonly Group[]): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.filter(({ name }) => name !== '').map(describe) }
}

/** `/apis/GROUP` */
export function groupDocument(group: Group): object {
  return { kind: 'APIGroup', apiVersion: 'v1', ...describe(group) }
}

function describe({ name, versions }: Group): object {
  const all = versions.map(({ version }) => ({ groupVersion: apiVersionOf({ group: name, version }), version }))
  return { name, versions: all, preferredVersion: all[0] }
}

/** `/api/v1` and `/apis/GROUP/VERSION` */
export function resourceList(group: string, { version, kinds }: VersionOfGroup): object {
  const resources = kinds.flatMap((kind) => [
    resource(kind),
    ...subresourcesOf(kind).map(([name, subresource]) => subresourceOf(kind, name, subresource)),
  ])
  const groupVersion = apiVersionOf({ group, version })
  return { kind: 'APIResourceList', ...(group ? { apiVersion: 'v1' } : {}), groupVersion, resources }
}

/** By name, but for custom resources, whose status comes before their scale. */
export function subresourcesOf({ subresources, madeOf }: Kind): [name: string, subresource: Subresource][] {
  const entries = Object.entries(subresources)
  return madeOf ? entries : entries.toSorted(byKey)
}

function resource(kind: Kind): object {
  return {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.scope === 'Namespaced',
    kind: kind.kind,
    verbs: kind.verbs,
    ...(kind.shortNames?.length ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories?.length ? { categories: kind.categories } : {}),
    // What cannot be watched is not stored.
    ...(kind.virtual || !kind.verbs.includes('watch') ? {} : { storageVersionHash: storageVersionHash(kind) }),
  }
}

function subresourceOf(parent: Kind, name: string, { kind, verbs }: Subresource): object {
  const elsewhere = kind && (kind.group !== parent.group || kind.version !== parent.version)
  return {
    name: `${parent.plural}/${name}`,
    singularName: '',
    namespaced: parent.scope === 'Namespaced',
    ...(elsewhere ? { group: kind.group, version: kind.version } : {}),
    kind: kind?.kind ?? parent.kind,
    verbs,
  }
}

/** Changes when objects come to be stored in another shape. */
function storageVersionHash({ group, version, kind, storageVersion }: Kind): string {
  const stored = storageVersion ?? { group, version }
  const name = `${stored.group}/${stored.version}/${kind}`
  return createHash('sha256').update(name).digest().subarray(0, 8).toString('base64')
}
