// The paths and operations of a kind, named and worded as upstream does, so that generated clients call their methods alike.
import type { Kind, Subresource } from '#api/kind.ts'
import { apiVersionOf, type GroupVersionKind } from '#api/object.ts'
import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from '#api/codec/media-type.ts'
import type { Descriptions } from './descriptions.ts'
import { definitionOfKind, listDefinitionOf, META } from './definition-names.ts'
import type { Method, Operation, PathItem, Shape } from './model.ts'
import { optionParameters, pathParameters, queryParameters, type Query } from './parameters.ts'

const ANY = ['*/*']
const PATCHES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]
const CUSTOM_PATCHES = PATCHES.filter((type) => !type.includes('strategic'))
/** Kinds whose deletion answers with the object; of others it answers with a Status. */
const DELETED_AS_THEMSELVES = new Set(
  (
    'Pod PodTemplate PersistentVolume PersistentVolumeClaim ResourceQuota Service ServiceAccount DeviceClass ResourceClaim ' +
    'ResourceClaimTemplate ResourceSlice CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass'
  ).split(' '),
)

/** `/apis/apps/v1`, or `/api/v1`. */
export function rootOf(groupVersion: { group: string; version: string }): string {
  return `/${groupVersion.group ? 'apis' : 'api'}/${apiVersionOf(groupVersion)}`
}

/** `apps_v1`: groups of operations, as generated clients make classes of. */
export function tagOf({ group, version }: { group: string; version: string }): string {
  const [first, ...rest] = shortGroup(group)
  return `${first}${rest.map(capital).join('')}_${version}`
}

/** `AppsV1`: what operation names begin with. */
export function prefixOf({ group, version }: { group: string; version: string }): string {
  return [...shortGroup(group), version].map(capital).join('')
}

const shortGroup = (group: string): string[] => (group || 'core').replace(/\.k8s\.io$/, '').split(/[.-]/)
const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1)

export function pathsOf(kind: Kind<any>, texts: Descriptions): PathItem[] {
  return [...new KindPaths(kind, texts).all()]
}

interface Draft {
  verb: string
  suffix?: string
  description: string
  action: string
  query?: Query
  body?: { definition: string; required: boolean }
  responses: Operation['responses']
  of?: GroupVersionKind
}

class KindPaths {
  readonly #kind: Kind<any>
  readonly #texts: Descriptions
  readonly #media: readonly string[]
  readonly #scope: string
  readonly #own: string

  constructor(kind: Kind<any>, texts: Descriptions) {
    this.#kind = kind
    this.#texts = texts
    this.#scope = kind.scope === 'Namespaced' ? 'Namespaced' : ''
    this.#own = definitionOfKind(kind)
    this.#media = kind.schema.name ? [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE] : [JSON_TYPE, YAML_TYPE]
  }

  *all(): Generator<PathItem> {
    const root = rootOf(this.#kind)
    const collection = `${root}/${this.#scope ? 'namespaces/{namespace}/' : ''}${this.#kind.plural}`
    if (this.#scope && this.#kind.verbs.includes('list')) {
      yield this.#item(`${root}/${this.#kind.plural}`, [['get', this.#list('ForAllNamespaces')]])
    }
    yield this.#item(collection, this.#collection())
    const single = this.#item(`${collection}/{name}`, this.#single())
    if (single.operations.length > 0) yield single
    for (const [name, subresource] of Object.entries(this.#kind.subresources)) {
      if (isConnection(subresource)) yield* this.#connections(`${collection}/{name}/${name}`, name, subresource)
      else if (name === 'log') yield this.#log(`${collection}/{name}/log`)
      else yield this.#item(`${collection}/{name}/${name}`, this.#subresource(name, subresource))
    }
    if (this.#kind.schema.name && this.#kind.verbs.includes('watch')) yield* this.#watches(root)
  }

  /** Paths of old; kinds that came later, custom ones, have none. */
  *#watches(root: string): Generator<PathItem> {
    const { plural, kind } = this.#kind
    const collection = `${root}/watch/${this.#scope ? 'namespaces/{namespace}/' : ''}${plural}`
    const instead = "deprecated: use the 'watch' parameter with a list operation instead"
    const of = { verb: 'watch', query: 'list', responses: ok({ definition: `${META}.WatchEvent` }) } as const
    const many = { ...of, action: 'watchlist', description: `watch individual changes to a list of ${kind}. ${instead}.` }
    if (this.#scope) yield this.#item(`${root}/watch/${plural}`, [['get', { ...many, suffix: 'ListForAllNamespaces' }]])
    yield this.#item(collection, [['get', { ...many, suffix: 'List' }]])
    const description = `watch changes to an object of kind ${kind}. ${instead}, filtered to a single item with the 'fieldSelector' parameter.`
    yield this.#item(`${collection}/{name}`, [['get', { ...of, action: 'watch', description }]])
  }

  *#collection(): Generator<[Method, Draft]> {
    const { kind, verbs } = this.#kind
    if (verbs.includes('list')) yield ['get', this.#list('')]
    if (verbs.includes('create')) yield ['post', { ...this.#write('post', this.#own), verb: 'create', description: `create ${one(kind)}` }]
    if (!verbs.includes('deletecollection')) return
    const body = { definition: `${META}.DeleteOptions`, required: false }
    const description = `delete collection of ${kind}`
    const responses = ok({ definition: `${META}.Status` })
    yield [
      'delete',
      { verb: 'delete', suffix: 'Collection', description, action: 'deletecollection', query: 'deletecollection', body, responses },
    ]
  }

  *#single(): Generator<[Method, Draft]> {
    const { kind, verbs } = this.#kind
    const of = `the specified ${kind}`
    if (verbs.includes('get'))
      yield ['get', { verb: 'read', description: `read ${of}`, action: 'get', responses: ok({ definition: this.#own }) }]
    if (verbs.includes('update')) yield ['put', { ...this.#write('put', this.#own), verb: 'replace', description: `replace ${of}` }]
    if (verbs.includes('patch')) yield ['patch', { ...this.#patch(this.#own), description: `partially update ${of}` }]
    if (!verbs.includes('delete')) return
    const shape = { definition: DELETED_AS_THEMSELVES.has(kind) ? this.#own : `${META}.Status` }
    const body = { definition: `${META}.DeleteOptions`, required: false }
    const responses: Operation['responses'] = [[200, 'OK', shape], [202, 'Accepted', shape], UNAUTHORIZED]
    yield ['delete', { verb: 'delete', description: `delete ${one(kind)}`, action: 'delete', query: 'delete', body, responses }]
  }

  *#subresource(name: string, { kind: other, verbs }: Subresource): Generator<[Method, Draft]> {
    const { kind } = this.#kind
    const definition = other ? definitionOfKind(other) : this.#own
    const shared = { suffix: capital(name), ...(other ? { of: other } : {}) }
    const of = `${name} of the specified ${kind}`
    if (verbs.includes('get'))
      yield ['get', { ...shared, verb: 'read', description: `read ${of}`, action: 'get', responses: ok({ definition }) }]
    if (verbs.includes('create')) {
      yield ['post', { ...this.#write('post', definition), ...shared, verb: 'create', description: `create ${name} of ${one(kind)}` }]
    }
    if (verbs.includes('update'))
      yield ['put', { ...this.#write('put', definition), ...shared, verb: 'replace', description: `replace ${of}` }]
    if (verbs.includes('patch')) yield ['patch', { ...this.#patch(definition), ...shared, description: `partially update ${of}` }]
  }

  #list(suffix: string): Draft {
    const responses = ok({ definition: listDefinitionOf(this.#kind) })
    return {
      verb: 'list',
      suffix,
      description: `list ${this.#kind.verbs.includes('watch') ? 'or watch ' : ''}objects of kind ${this.#kind.kind}`,
      action: 'list',
      query: 'list',
      responses,
    }
  }

  #write(action: 'post' | 'put', definition: string): Omit<Draft, 'verb' | 'description'> {
    const accepted = action === 'post' ? ([[202, 'Accepted', { definition }]] as const) : []
    const responses: Operation['responses'] = [[200, 'OK', { definition }], [201, 'Created', { definition }], ...accepted, UNAUTHORIZED]
    return { action, query: 'write', body: { definition, required: true }, responses }
  }

  #patch(definition: string): Omit<Draft, 'description'> {
    const responses: Operation['responses'] = [[200, 'OK', { definition }], [201, 'Created', { definition }], UNAUTHORIZED]
    return { verb: 'patch', action: 'patch', query: 'patch', body: { definition: `${META}.Patch`, required: true }, responses }
  }

  #item(path: string, drafts: Iterable<[Method, Draft]>): PathItem {
    const operations = [...drafts].map(([method, draft]): Operation => {
      const place = draft.suffix?.endsWith('ForAllNamespaces')
        ? ''
        : draft.suffix === 'Collection'
          ? `Collection${this.#scope}`
          : this.#scope
      const suffix = draft.suffix === 'Collection' ? '' : (draft.suffix ?? '')
      const streams = draft.query === 'list' ? this.#media.filter((type) => type !== YAML_TYPE).map((type) => `${type};stream=watch`) : []
      return {
        method,
        id: `${draft.verb}${prefixOf(this.#kind)}${place}${this.#kind.kind}${suffix}`,
        description: draft.description,
        tag: tagOf(this.#kind),
        action: draft.action,
        kind: gvk(draft.of ?? this.#kind),
        parameters: [...this.#inPath(path, draft.of?.kind), ...queryParameters(draft.query ?? 'none', this.#texts)],
        ...(draft.body ? { body: draft.body } : {}),
        consumes: draft.action === 'patch' ? (this.#kind.schema.name ? PATCHES : CUSTOM_PATCHES) : ANY,
        produces: [...this.#media, ...streams],
        responses: draft.responses,
      }
    })
    return { path, operations }
  }

  *#connections(path: string, name: string, { kind: options, verbs }: Subresource): Generator<PathItem> {
    const methods = name === 'proxy' ? PROXY_METHODS : verbs.includes('get') ? (['get', 'post'] as const) : (['post'] as const)
    const paths = name === 'proxy' ? [path, `${path}/{path}`] : [path]
    for (const each of paths) {
      const tail = each === path ? '' : 'WithPath'
      const operations = methods.map((method): Operation => {
        const shouted = method.toUpperCase()
        return {
          method,
          id: `connect${prefixOf(this.#kind)}${capital(method)}${this.#scope}${this.#kind.kind}${capital(name)}${tail}`,
          description: `connect ${shouted} requests to ${name} of ${this.#kind.kind}`,
          tag: tagOf(this.#kind),
          action: 'connect',
          kind: gvk(options!),
          parameters: [...this.#inPath(each, options!.kind), ...optionParameters(options!.kind, this.#texts)],
          consumes: ANY,
          produces: ANY,
          responses: ok('string'),
        }
      })
      yield { path: each, operations }
    }
  }

  #log(path: string): PathItem {
    const { kind } = this.#kind
    const [pretty] = queryParameters('none', this.#texts)
    const operation: Operation = {
      method: 'get',
      id: `read${prefixOf(this.#kind)}${this.#scope}${kind}Log`,
      description: `read log of the specified ${kind}`,
      tag: tagOf(this.#kind),
      action: 'get',
      kind: gvk(this.#kind),
      parameters: [...this.#inPath(path), pretty!, ...optionParameters('PodLogOptions', this.#texts)],
      consumes: ANY,
      produces: ['text/plain', ...this.#media],
      responses: ok('string'),
    }
    return { path, operations: [operation] }
  }

  #inPath(path: string, kind = this.#kind.kind) {
    return pathParameters(path, { kind, texts: this.#texts })
  }
}

const PROXY_METHODS = ['delete', 'get', 'head', 'options', 'patch', 'post', 'put'] as const
const UNAUTHORIZED = [401, 'Unauthorized'] as const

const ok = (shape: Shape): Operation['responses'] => [[200, 'OK', shape], UNAUTHORIZED]
const isConnection = ({ kind }: Subresource): boolean => kind !== undefined && /^(Pod|Node|Service)\w+Options$/.test(kind.kind)
const gvk = ({ group, version, kind }: GroupVersionKind): GroupVersionKind => ({ group, kind, version })
/** With its article, unless it is a plural. */
const one = (noun: string): string => (/[^s]s$/.test(noun) ? noun : `${/^[AEIOU]/.test(noun) ? 'an' : 'a'} ${noun}`)
