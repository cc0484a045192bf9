// Definitions as OpenAPI spells them, version 2 or 3: fields, references, merge extensions, texts. Finds what a definition refers to on the way.
import { readFileSync } from 'node:fs'
import { definitions } from '#api/definitions.ts'
import type { Kind } from '#api/kind.ts'
import type { GroupVersionKind } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { byKey } from '#lib/order.ts'
import { Pace } from '#lib/paced.ts'
import { definitionOfKind, listDefinitionOf, META } from './definition-names.ts'
import { fieldDefaults, zeroOf } from './published-defaults.ts'
import type { DefinitionTexts, Descriptions } from './descriptions.ts'
import { subtreesOf } from './subtrees.ts'
import { inlineSchemas, version2InSlices } from './version-2-schema.ts'

export type Dialect = 'v2' | 'v3'
type Json = Record<string, unknown>

const PREFIX: Record<Dialect, string> = { v2: '#/definitions/', v3: '#/components/schemas/' }

export const reference = (definition: string, dialect: Dialect): Json => ({ $ref: PREFIX[dialect] + definition })

/** Definitions by name: those built in, those of kinds that have none there, and the kinds each stands for. */
export class DefinitionDocuments {
  readonly #dialect: Dialect
  readonly #texts: Descriptions
  readonly #kinds = new Map<string, GroupVersionKind[]>()
  /** Made when they are asked for: each may be large. */
  readonly #custom = new Map<string, () => Promise<Schema>>()
  readonly #prepared = new Map<string, Prepared>()
  readonly #unions = unions()

  constructor(kinds: Iterable<Kind<any>>, dialect: Dialect, texts: Descriptions) {
    this.#dialect = dialect
    this.#texts = texts
    const versions = new Map<string, { group: string; version: string }>()
    for (const kind of kinds) {
      const { group, version } = kind
      versions.set(`${group}/${version}`, { group, version })
      this.#name(definitionOfKind(kind), kind)
      this.#name(listDefinitionOf(kind), { group, version, kind: kind.listKind })
      if (kind.madeOf || !kind.schema.name) this.#add(kind)
      for (const { kind: other } of Object.values(kind.subresources)) if (other) this.#name(definitionOfKind(other), other)
    }
    for (const version of versions.values()) {
      for (const kind of ['DeleteOptions', 'WatchEvent']) this.#name(`${META}.${kind}`, { ...version, kind })
    }
    for (const kind of CORE_META) this.#name(`${META}.${kind}`, { group: '', version: 'v1', kind })
  }

  /** Not one of the release's. */
  isCustom(name: string): boolean {
    return this.#custom.has(name)
  }

  /** Most of the work that a large custom definition makes, in slices. To be done before it is asked for. */
  async prepare(name: string): Promise<void> {
    const schema = await this.#custom.get(name)?.()
    if (!schema) return
    const prepared = { schema, spelled: new Map<Schema, Json>(), refers: new Set<string>() }
    const pace = new Pace(SCHEMAS_PER_TURN)
    for (const part of await pace.run(subtreesOf(schema, inlineSchemas, SCHEMAS_PER_TURN))) {
      prepared.spelled.set(part, this.#spell(part, prepared))
      await pace.after(SCHEMAS_PER_TURN)
    }
    this.#prepared.set(name, prepared)
  }

  /** The definition spelled out, and the names of all it refers to; undefined where there is none. */
  document(name: string): { document: Json; refers: Set<string> } | undefined {
    const { schema = definitions().get(name), spelled, refers = new Set<string>() } = this.#prepared.get(name) ?? {}
    if (!schema) return undefined
    const texts = Object.hasOwn(this.#texts.definitions, name) ? this.#texts.definitions[name] : this.#sharedTexts(name)
    const builtIn = this.#dialect === 'v3' && !this.#custom.has(name)
    const document = this.#spell(schema, { refers, texts, spelled, ...(builtIn ? { builtIn: name } : {}) })
    const description = texts?.description || schema.description
    const kinds = this.#kinds.get(name)
    const union = this.#unions[name]
    return {
      document: {
        ...(description ? { description } : {}),
        ...document,
        ...(kinds ? { 'x-kubernetes-group-version-kind': kinds } : {}),
        ...(union ? { 'x-kubernetes-unions': union } : {}),
      },
      refers,
    }
  }

  /** What all kinds say of the fields they share. */
  #sharedTexts(name: string): DefinitionTexts | undefined {
    if (!this.#custom.has(name)) return undefined
    const {
      apiVersion = '',
      kind = '',
      metadata = '',
      items = '',
    } = this.#texts.definitions[name.endsWith('List') ? `${POD}List` : POD]?.fields ?? {}
    return { description: '', fields: { apiVersion, kind, metadata, items: items && 'List of objects.' } }
  }

  #name(definition: string, { group, version, kind }: GroupVersionKind): void {
    const kinds = this.#kinds.get(definition) ?? []
    this.#kinds.set(definition, kinds)
    if (!kinds.some((one) => one.group === group && one.version === version && one.kind === kind)) kinds.push({ group, kind, version })
  }

  /** A custom kind and its list, which has no schema of its own. */
  #add(kind: Kind<any>): void {
    const text: Schema = { type: 'string' }
    const name = definitionOfKind(kind)
    this.#custom.set(name, async () => {
      await kind.prepareSchema?.()
      const metadata = definitions().get(`${META}.ObjectMeta`)!
      const schema = this.#dialect === 'v2' ? await version2InSlices(kind.schema) : kind.schema
      const { apiVersion: _version, kind: _kind, ...properties } = schema.properties ?? {}
      const whole = kind.schema.preserveUnknownFields && this.#dialect === 'v2'
      return whole ? schema : { ...schema, properties: { apiVersion: text, kind: text, ...properties, metadata } }
    })
    this.#custom.set(listDefinitionOf(kind), async () => ({
      type: 'object',
      description: `${kind.listKind} is a list of ${kind.kind}`,
      properties: {
        apiVersion: text,
        kind: text,
        metadata: definitions().get(`${META}.ListMeta`)!,
        items: { type: 'array', items: { type: 'object', name } },
      },
      required: ['items'],
    }))
  }

  #spell(schema: Schema, { refers, texts, builtIn, spelled }: Spelling): Json {
    const known = spelled?.get(schema)
    if (known) return known
    const defaultOf = builtIn === undefined ? undefined : fieldDefaults(builtIn)
    const sorted = Object.entries(schema.properties ?? {}).toSorted(byKey)
    const properties = sorted.map(([field, inner]): [string, Json] => {
      if (builtIn && UNTOLD.has(`${builtIn.slice(builtIn.lastIndexOf('.') + 1)}.${field}`))
        return [field, this.#use(inner, { refers, builtIn, spelled, preset: defaultOf?.(field, inner) })]
      const ofType = inner.name ? firstSentence(this.#texts.definitions[inner.name]?.description) : undefined
      const shared = inner.name && Object.hasOwn(SHARED_TEXTS, field) ? SHARED_TEXTS[field] : undefined
      return [
        field,
        this.#use(inner, { refers, text: texts?.fields[field] || shared || ofType, builtIn, spelled, preset: defaultOf?.(field, inner) }),
      ]
    })
    const held = (inner: Schema) =>
      this.#use(inner, { refers, builtIn, spelled, preset: builtIn === undefined ? undefined : zeroOf(inner) })
    return {
      ...typeOf(schema, this.#dialect),
      ...(properties.length > 0 ? { properties: Object.fromEntries(properties) } : {}),
      ...requiredOf(schema),
      ...(schema.items ? { items: held(schema.items) } : {}),
      ...(schema.additionalProperties ? { additionalProperties: held(schema.additionalProperties) } : {}),
      ...(schema.enum ? { enum: schema.enum } : {}),
      ...(schema.default === undefined ? {} : { default: schema.default }),
      ...(schema.nullable && this.#dialect === 'v3' ? { nullable: true } : {}),
      ...(schema.preserveUnknownFields ? { 'x-kubernetes-preserve-unknown-fields': true } : {}),
      ...(schema.embeddedResource ? { 'x-kubernetes-embedded-resource': true } : {}),
      ...extensions(schema, () => true),
      ...constraintsOf(schema, this.#dialect),
    }
  }

  /** A schema where it is used: by name where it has one, with what is said only here beside it. */
  #use(schema: Schema, { refers, text, builtIn, spelled, preset }: Use): Json {
    const published = preset === undefined ? {} : { default: preset }
    if (!schema.name) {
      const description = text || schema.description
      // What is inline has no facts of its own but those of what it holds.
      const inner = builtIn === undefined ? {} : { builtIn: '' }
      return { ...(description ? { description } : {}), ...published, ...this.#spell(schema, { refers, spelled, ...inner }) }
    }
    refers.add(schema.name)
    const target = reference(schema.name, this.#dialect)
    // Facts of the definition itself are told there.
    const beside = {
      ...(text ? { description: text } : {}),
      ...published,
      ...extensions(schema, (key) => definitions().get(schema.name!) !== schema && Object.hasOwn(schema, key)),
    }
    if (this.#dialect === 'v2' || Object.keys(beside).length === 0) return { ...target, ...beside }
    return { allOf: [target], ...beside }
  }
}

interface Spelling {
  refers: Set<string>
  texts?: DefinitionTexts | undefined
  /** The definition whose facts hold; empty: what is inline in one. Absent: nobody knows them, or version 2 does not tell. */
  builtIn?: string | undefined
  /** What is spelled already. */
  spelled?: ReadonlyMap<Schema, Json> | undefined
}

interface Prepared {
  schema: Schema
  spelled: Map<Schema, Json>
  refers: Set<string>
}

/** Some 5 ms. */
const SCHEMAS_PER_TURN = 2000

interface Use extends Omit<Spelling, 'texts'> {
  text?: string | undefined
  /** The default it is published with. */
  preset?: unknown
}

/** What a field of nearly every kind is for, in any of them. */
const SHARED_TEXTS: Readonly<Record<string, string>> = {
  metadata: 'Name, namespace, labels, annotations, and what the server keeps of every object.',
  spec: 'What is wanted.',
  status: 'What was seen last. Written by those who act on the object, not by its owner.',
}

/** Fields of which nothing is said: version 3 has them as bare references. */
const UNTOLD = new Set([
  'IngressRule.http',
  ...['additionalItems', 'additionalProperties', 'example', 'externalDocs', 'items', 'not'].map((field) => `JSONSchemaProps.${field}`),
])

/** Fields of a named type come without a text of their own; what the type is has to do. */
function firstSentence(description: string | undefined): string | undefined {
  return description && /^[\s\S]*?(?:\.(?=\s|$)|$)/.exec(description)![0]
}

function extensions(schema: Schema, told: (key: keyof Schema) => boolean): Json {
  return {
    ...(schema.listType && told('listType') ? { 'x-kubernetes-list-type': schema.listType } : {}),
    ...(schema.listMapKeys && told('listMapKeys') ? { 'x-kubernetes-list-map-keys': schema.listMapKeys } : {}),
    ...(schema.mapType && told('mapType') ? { 'x-kubernetes-map-type': schema.mapType } : {}),
    ...(schema.patchMergeKey && told('patchMergeKey') ? { 'x-kubernetes-patch-merge-key': schema.patchMergeKey } : {}),
    ...(schema.patchStrategy && told('patchStrategy') ? { 'x-kubernetes-patch-strategy': schema.patchStrategy.join(',') } : {}),
  }
}

/** Whatever is an object of its own says what it is. */
function requiredOf({ required = [], embeddedResource, properties }: Schema): Json {
  const identity = embeddedResource && properties ? ['kind', 'apiVersion'].filter((field) => !required.includes(field)) : []
  return required.length + identity.length > 0 ? { required: [...required, ...identity] } : {}
}

function typeOf({ name, type, format }: Schema, dialect: Dialect): Json {
  if (format === 'quantity') return dialect === 'v2' ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] }
  if (format === 'int-or-string') {
    if (!name) return { 'x-kubernetes-int-or-string': true }
    return dialect === 'v2' ? { type: 'string', format } : { format, oneOf: [{ type: 'integer' }, { type: 'string' }] }
  }
  if (format === 'micro-time') return { type, format: 'date-time' }
  if (type !== 'any') return { type, ...(format ? { format } : {}) }
  return name && OBJECTS.has(name) ? { type: 'object' } : {}
}

const POD = 'io.k8s.api.core.v1.Pod'

const ALTERNATIVES = ['allOf', 'anyOf', 'oneOf', 'not']

/** Version 2 knows no alternatives between schemas. */
function constraintsOf({ constraints = {} }: Schema, dialect: Dialect): Json {
  if (dialect === 'v3' || !ALTERNATIVES.some((keyword) => keyword in constraints)) return constraints
  return Object.fromEntries(Object.entries(constraints).filter(([keyword]) => !ALTERNATIVES.includes(keyword)))
}

/** Definitions that may hold anything but are said to be objects. */
const OBJECTS = new Set(['io.k8s.apimachinery.pkg.runtime.RawExtension', `${META}.FieldsV1`, `${META}.Patch`])
/** Kinds that are not resources, of the core version alone. */
const CORE_META = ['APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions', 'Status']

type Facts = Record<string, Record<string, Json>>

function unions(): Record<string, unknown> {
  const facts = JSON.parse(readFileSync(new URL('../facts/merge.json', import.meta.url), 'utf8')) as Facts
  return Object.fromEntries(
    Object.entries(facts).flatMap(([name, rows]) => (rows['.']?.['x-kubernetes-unions'] ? [[name, rows['.']['x-kubernetes-unions']]] : [])),
  )
}
