// The OpenAPI documents of one set of kinds: version 3 by group and version, version 2 whole, as JSON or protobuf. Each is built when it is first
// asked for, in slices that leave the loop free, and kept as bytes. Another set of kinds is another OpenApi.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { JSON_TYPE } from '#api/codec/media-type.ts'
import { type Group, groupsOf, type VersionOfGroup } from '#api/discovery/group-order.ts'
import type { Kind } from '#api/kind.ts'
import { nextTurn } from '#lib/paced.ts'
import { byKey } from '#lib/order.ts'
import { DefinitionDocuments } from './definition-documents.ts'
import { type Descriptions, descriptions } from './descriptions.ts'
import { gnosticDocument } from './gnostic.ts'
import { gnosticV3Document, type OpenApiParts } from './gnostic-v3.ts'
import type { Entries } from './gnostic-writer.ts'
import { informationPaths, resourcesPath } from './information.ts'
import type { PathItem } from './model.ts'
import { pathsOf, rootOf } from './operations.ts'
import { pathV2, pathV3 } from './path-documents.ts'
import { mergeRemote } from './remote-documents.ts'
import { slices } from './slices.ts'

export interface OpenApiDocument {
  contentType: string
  /** Quoted, as the header wants it. */
  etag: string
  body: Buffer
}

type Json = Record<string, unknown>
/** What another server says of a group and version of its own, for the merged documents. */
export interface RemoteDocument {
  /** `apis/GROUP/VERSION` */
  root: string
  /** Of its document of version 3; absent where it has none. */
  hash: string | undefined
  /** That document, made of the one of version 2, where its server knows no other. */
  made?: Buffer
  /** Of its document of version 2. */
  etag?: string
  /** Of its document of version 2. */
  paths: Entries
  /** All it has; those its paths refer to are taken. */
  definitions: Entries
}

/** One document of version 3: of a group and version, or of a path that is about none. */
interface Root {
  hash: string
  version: { group: string; version: VersionOfGroup } | undefined
}

export type OpenApiFormat = 'json' | 'protobuf'

/** Clients ask for it with `@` before the version, which no content type may hold. */
export const V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
export const V3_PROTOBUF = 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf'
const SECURITY = { BearerToken: { description: 'Bearer Token authentication', in: 'header', name: 'authorization', type: 'apiKey' } }

export class OpenApi {
  readonly #kinds: readonly Kind<any>[]
  readonly #release: string
  readonly #groups: readonly Group[]
  readonly #remote: readonly RemoteDocument[]
  readonly #built = new Map<string, Promise<OpenApiDocument>>()
  #roots: Promise<ReadonlyMap<string, Root>> | undefined

  /** `release`: what the documents say the server's version is. */
  constructor(kinds: readonly Kind<any>[], release: string, remote: readonly RemoteDocument[] = []) {
    this.#kinds = kinds
    this.#remote = remote
    this.#release = release
    this.#groups = groupsOf(kinds)
  }

  /** `/openapi/v3`: where each document is, and by which hash it may be kept. */
  async index(): Promise<OpenApiDocument> {
    const hashes = [
      ...[...(await this.#documents())].map(([root, { hash }]) => [root, hash] as const),
      ...this.#remote.map(({ root, hash }) => [root, hash] as const),
    ]
    const paths = hashes
      .filter(([, hash]) => hash !== undefined)
      .toSorted(byKey)
      .map(([root, hash]) => [root, { serverRelativeURL: `/openapi/v3/${root}?hash=${hash}` }])
    return finished(JSON_TYPE, Buffer.from(JSON.stringify({ paths: Object.fromEntries(paths) })))
  }

  /** The document below `/openapi/v3/`, such as `apis/apps/v1`; undefined where there is none. */
  async v3(root: string, format: OpenApiFormat = 'json'): Promise<OpenApiDocument | undefined> {
    const { made, hash } = this.#remote.find((one) => one.root === root) ?? {}
    const contentType = format === 'json' ? JSON_TYPE : V3_PROTOBUF
    if (made && format === 'json') return { contentType, etag: `"${hash}"`, body: made }
    const found = (await this.#documents()).get(root)
    if (!found && !made) return undefined
    return this.#once(`${root} ${format}`, async () => {
      const parts = made ? partsOf(made) : await this.#buildV3(root, found!.version)
      const body = format === 'json' ? await jsonOfV3(parts) : await gnosticV3Document(parts)
      return { contentType, etag: `"${made ? hash : found!.hash}"`, body }
    })
  }

  /** `/openapi/v2` */
  v2(format: OpenApiFormat): Promise<OpenApiDocument> {
    return this.#once(format, async () => {
      const pieces = await this.#buildV2()
      if (format === 'protobuf') return finished(V2_PROTOBUF, await gnosticDocument(pieces))
      const { definitions, parameters, paths, ...rest } = pieces
      const head = JSON.stringify(rest).slice(0, -1)
      const parts = [head, ',"paths":', ...(await spelled(paths)), ',"definitions":', ...(await spelled(definitions))]
      parts.push(',"parameters":', ...(await spelled(parameters)), '}')
      return finished(JSON_TYPE, await joined(parts))
    })
  }

  #once(key: string, build: () => Promise<OpenApiDocument>): Promise<OpenApiDocument> {
    const known = this.#built.get(key)
    if (known) return known
    const building = build()
    this.#built.set(key, building)
    building.catch(() => this.#built.delete(key))
    return building
  }

  /** Every document there is. Hashes follow from what goes in, so that telling them builds nothing. */
  #documents(): Promise<ReadonlyMap<string, Root>> {
    return (this.#roots ??= this.#findDocuments())
  }

  async #findDocuments(): Promise<ReadonlyMap<string, Root>> {
    const generated = readFileSync(new URL('../generated/schemas.json', import.meta.url))
    const base = createHash('sha256').update(this.#release).update(generated).digest('hex')
    const pause = slices()
    const hashOf = async (kinds: readonly Kind<any>[]) => {
      const hash = createHash('sha256').update(`${base} [`)
      for (const [index, kind] of kinds.entries()) {
        const text = JSON.stringify(fingerprint(kind))
        hash.update(index > 0 ? `,${text}` : text)
        await pause(text.length)
      }
      return hash.update(']').digest('hex').toUpperCase()
    }
    const roots = new Map<string, Root>()
    for (const { path } of informationPaths(this.#groups)) {
      const hash = createHash('sha256').update(`${base} ${JSON.stringify(path)}`)
      roots.set(path.slice(1, -1), { hash: hash.digest('hex').toUpperCase(), version: undefined })
    }
    for (const { name, versions } of this.#groups) {
      for (const version of versions) {
        const root = rootOf({ group: name, version: version.version }).slice(1)
        roots.set(root, { hash: await hashOf(version.kinds), version: { group: name, version } })
      }
    }
    return new Map([...roots].toSorted(byKey))
  }

  async #buildV3(root: string, found: { group: string; version: VersionOfGroup } | undefined): Promise<OpenApiParts> {
    const texts = descriptions()
    const items = found
      ? objectPaths([resourcesPath({ group: found.group, version: found.version.version })], found.version.kinds, texts)
      : informationPaths(this.#groups).filter(({ path }) => path === `/${root}/`)
    await prepareSchemas(found?.version.kinds ?? [])
    const documents = new DefinitionDocuments(this.#kinds, 'v3', texts)
    const { paths, definitions: schemas } = await collect(items, documents, pathV3)
    return { openapi: '3.0.0', info: { title: 'Kubernetes', version: this.#release }, paths, schemas, securitySchemes: SECURITY }
  }

  async #buildV2() {
    const texts = descriptions()
    const parameters = new Map<string, Json>()
    const items = objectPaths(informationPaths(this.#groups), this.#kinds, texts)
    await prepareSchemas(this.#kinds)
    const documents = new DefinitionDocuments(this.#kinds, 'v2', texts)
    const own = await collect(items, documents, (item) => pathV2(item, parameters))
    const { paths, definitions } = mergeRemote(own, this.#remote)
    return {
      swagger: '2.0',
      info: { title: 'Kubernetes', version: this.#release },
      paths,
      definitions,
      parameters: sorted(parameters),
      securityDefinitions: SECURITY,
      security: [{ BearerToken: [] }],
    }
  }
}

/** Schemas of custom kinds are made of their definitions when they are first looked at. */
async function prepareSchemas(kinds: readonly Kind<any>[]): Promise<void> {
  for (const kind of kinds) {
    if (!kind.prepareSchema) continue
    await kind.prepareSchema()
    await nextTurn()
  }
}

async function jsonOfV3({ paths, schemas, securitySchemes, ...rest }: OpenApiParts): Promise<Buffer> {
  const head = `${JSON.stringify(rest).slice(0, -1)},"paths":`
  const parts = [head, ...(await spelled(paths)), ',"components":{"schemas":', ...(await spelled(schemas))]
  return joined([...parts, `,"securitySchemes":${JSON.stringify(securitySchemes)}}}`])
}

/** Of a document that is whole already. */
function partsOf(made: Buffer): OpenApiParts {
  const { openapi, info, paths = {}, components = {} } = JSON.parse(made.toString())
  const { schemas = {}, securitySchemes = {} } = components
  return { openapi, info, paths: Object.entries(paths), schemas: Object.entries(schemas), securitySchemes }
}

/** As they are walked, kind by kind: none is built before it is its turn. */
function* objectPaths(others: PathItem[], kinds: readonly Kind<any>[], texts: Descriptions): Generator<PathItem> {
  yield* others
  for (const kind of kinds) yield* pathsOf(kind, texts)
}

/** Spells paths, then all definitions they refer to, directly or not. */
async function collect(
  items: Iterable<PathItem>,
  documents: DefinitionDocuments,
  spell: (item: PathItem) => { document: Json; refers: Set<string> },
): Promise<{ paths: Entries; definitions: Entries }> {
  const paths = new Map<string, Json>()
  const wanted = new Set<string>()
  const pause = slices()
  for (const item of items) {
    const { document, refers } = spell(item)
    paths.set(item.path, document)
    for (const name of refers) wanted.add(name)
    await pause()
  }
  const definitions = new Map<string, Json>()
  // Grows while it is walked.
  for (const name of wanted) {
    const custom = documents.isCustom(name)
    if (custom) {
      await documents.prepare(name)
      await pause(MUCH)
    }
    const found = documents.document(name)
    if (!found) throw new Error(`no definition named ${name}`)
    definitions.set(name, found.document)
    for (const inner of found.refers) wanted.add(inner)
    await pause(custom ? MUCH : 0)
  }
  return { paths: sorted(paths), definitions: sorted(definitions) }
}

/** What others have defined may be of any size. */
const MUCH = 1024 * 1024

const sorted = (entries: Map<string, Json>): Entries => [...entries].toSorted(byKey)

/** The pieces of a JSON object. */
async function spelled(entries: Entries): Promise<string[]> {
  const pieces = ['{']
  const pause = slices()
  for (const [index, [name, document]] of entries.entries()) {
    const text = `${index ? ',' : ''}${JSON.stringify(name)}:${JSON.stringify(document)}`
    pieces.push(text)
    await pause(text.length)
  }
  pieces.push('}')
  return pieces
}

async function finished(contentType: string, body: Buffer): Promise<OpenApiDocument> {
  const hash = createHash('sha256')
  for (let at = 0; at < body.length; at += HASHED_AT_ONCE) {
    if (at > 0) await nextTurn()
    hash.update(body.subarray(at, at + HASHED_AT_ONCE))
  }
  return { contentType, body, etag: `"${hash.digest('hex').toUpperCase()}"` }
}

/** All of a kind that its document tells; built-in schemas are told by the release, stored ones by the state of their definition. */
function fingerprint(kind: Kind<any>): unknown {
  const { group, version, kind: name, plural, scope, verbs, subresources } = kind
  return [group, version, name, plural, scope, verbs, subresources, fingerprintOfSchema(kind)]
}

function fingerprintOfSchema(kind: Kind<any>): unknown {
  const { uid, generation } = kind.madeOf?.metadata ?? {}
  return uid && generation ? [uid, generation] : (kind.schema.name ?? kind.schema)
}

const CHUNK = 512 * 1024
const HASHED_AT_ONCE = 4 * 1024 * 1024

/** The bytes of texts, with turns for others between. */
async function joined(texts: readonly string[]): Promise<Buffer> {
  const chunks: Buffer[] = []
  let text = ''
  for (const [index, part] of texts.entries()) {
    text += part
    if (text.length < CHUNK && index < texts.length - 1) continue
    chunks.push(Buffer.from(text))
    text = ''
    await nextTurn()
  }
  return Buffer.concat(chunks)
}
