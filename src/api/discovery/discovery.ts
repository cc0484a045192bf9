// All discovery documents of one set of kinds, each built when it is first asked for and kept as bytes. Another set of kinds is another Discovery.
import { createHash } from 'node:crypto'
import { JSON_TYPE } from '#api/codec/media-type.ts'
import type { Kind } from '#api/kind.ts'
import { aggregatedDocument, aggregatedVersionOf } from './aggregated.ts'
import { type Group, type GroupOrder, groupsOf } from './group-order.ts'
import { coreVersions, groupDocument, groupList, resourceList } from './resource-lists.ts'

export interface DiscoveryDocument {
  contentType: string
  /** Quoted, as the header wants it. */
  etag: string
  body: Buffer
}

export class Discovery {
  readonly #groups: readonly Group[]
  readonly #documents = new Map<string, DiscoveryDocument>()

  constructor(kinds: Iterable<Kind<any>>, order: GroupOrder = {}) {
    this.#groups = groupsOf(kinds, order)
  }

  /** The groups there are, preferred first, each with its versions, preferred first. */
  get groups(): readonly Group[] {
    return this.#groups
  }

  /** The document at `/api`, `/apis` or anything below them; undefined where there is none. */
  document(path: string, { accept, serverAddress }: { accept?: string | undefined; serverAddress: string }): DiscoveryDocument | undefined {
    const [root, ...rest] = path.replace(/\/$/, '').split('/').slice(1)
    if (rest.length === 0 && (root === 'api' || root === 'apis')) {
      const version = aggregatedVersionOf(accept)
      const groups = this.#groups.filter(({ name }) => (name === '') === (root === 'api'))
      if (version) {
        const contentType = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`
        return this.#kept(`${root} ${version}`, contentType, () => aggregatedDocument(groups, version))
      }
      // Depends on how the client came in, so it is not kept.
      if (root === 'api') return documentOf(JSON_TYPE, coreVersions(serverAddress))
      return this.#kept(root, JSON_TYPE, () => groupList(groups))
    }
    const [name, version, ...more] = root === 'api' ? ['', ...rest] : root === 'apis' ? rest : []
    const group = more.length === 0 && (root === 'api' || name) ? this.#groups.find((one) => one.name === name) : undefined
    if (!group) return undefined
    if (version === undefined) return this.#kept(path, JSON_TYPE, () => groupDocument(group))
    const found = group.versions.find((one) => one.version === version)
    return found && this.#kept(path, JSON_TYPE, () => resourceList(group.name, found))
  }

  #kept(key: string, contentType: string, build: () => object): DiscoveryDocument {
    const known = this.#documents.get(key)
    if (known) return known
    const document = documentOf(contentType, build())
    this.#documents.set(key, document)
    return document
  }
}

function documentOf(contentType: string, value: object): DiscoveryDocument {
  const body = Buffer.from(`${JSON.stringify(value)}\n`)
  return { contentType, body, etag: `"${createHash('sha256').update(body).digest('hex').toUpperCase()}"` }
}
