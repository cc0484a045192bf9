// All the platform knows of one kind. A CRD compiles to the same shape at run time: one engine for both.
import type { FieldError } from './field-error.ts'
import type { KubeObject } from './object.ts'
import type { Schema } from './schema.ts'

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'

export const ALL_VERBS: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

export interface ScalePaths {
  /** Dot paths from the root of the object, e.g. `spec.replicas`. */
  specReplicas: string
  statusReplicas: string
  /** Path of a LabelSelector or of a selector string. */
  labelSelector?: string
}

/** A subresource as discovery tells it. `kind` where it is not the parent's own. */
export interface Subresource {
  verbs: readonly string[]
  kind?: { group: string; version: string; kind: string }
  /** Further versions that bodies of `kind` may be of; they have the same fields. */
  alsoVersions?: readonly string[]
}

export interface Column<T> {
  name: string
  description: string
  /** string (default), integer, number, boolean, date. */
  type?: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  /** `name` on the column that identifies the row. */
  format?: string
  /** 0 (default) is always shown; 1 only with `-o wide`. */
  priority?: number
  value(object: T, context: { now: number }): unknown
}

/** What a hook may know of the request it serves. */
export interface HookContext {
  now: number
  uuid(): string
  user: { username: string; uid?: string; groups: readonly string[]; extra?: Record<string, string[]> }
  subresource?: string
}

export interface CreateContext extends HookContext {
  /** Adds a Warning header. */
  warn?(text: string): void
}

export interface FurtherContext extends HookContext {
  errors: readonly FieldError[]
  /** Adds a Warning header. */
  warn(text: string): void
}

export interface Kind<T extends KubeObject = KubeObject> {
  group: string
  version: string
  kind: string
  /** `kind` + List unless said otherwise. */
  listKind: string
  plural: string
  singular: string
  shortNames?: readonly string[]
  categories?: readonly string[]
  scope: 'Namespaced' | 'Cluster'
  verbs: readonly Verb[]
  /** Resolved lazily: loading a kind module parses nothing. */
  readonly schema: Schema
  subresources: Readonly<Record<string, Subresource>>
  scale?: ScalePaths
  /** Group and version under which objects are stored, where several versions are served. */
  storageVersion?: { group: string; version: string }
  /** All versions a custom kind has, also those that are not served. */
  readonly versions?: readonly Kind<any>[] | undefined
  /** Converts between this version and the storage version, where their shapes differ. */
  convert?: { toStorage(object: T): KubeObject; fromStorage(stored: KubeObject): T }
  /** Field selectors beside metadata.name and metadata.namespace: path -> value. */
  fields?: Readonly<Record<string, (object: T) => string>>
  /** PUT on a missing name creates it. */
  createOnUpdate?: boolean
  /** PUT without resourceVersion is refused. */
  requireResourceVersionOnUpdate?: boolean
  /** What deletion without a propagation policy does with dependents; background unless said. */
  defaultPropagation?: 'Background' | 'Orphan'
  /** Objects start at generation 1 and grow by one when what this returns changes; undefined: kind has no generation. */
  generationOf?(object: T): unknown
  /** Seconds of graceful deletion, given those that were asked for; undefined or 0 deletes at once. */
  gracePeriodSeconds?(object: T, asked?: number): number | undefined
  /**
   * Reads what was sent in place of the schema's own reading: drops fields nobody knows and returns their paths. Throws DecodeError. Mutates.
   */
  decode?(object: KubeObject): string[]
  /** Only what a schema cannot say. Mutates. Idempotent. Of a write of status it sees metadata and status alone, unless `defaultsWhole`. */
  default?(object: T): void
  /** What `default` makes of status depends on the rest. */
  defaultsWhole?: true
  /** Status may come with the object that is created, though it has a subresource. */
  createdWithStatus?: true
  /** Server-set fields on create. Status is already cleared where the kind has a status subresource. Mutates. */
  prepareForCreate?(object: T, context: CreateContext): void
  /** Server-set and immutable-by-silence fields on update. Status (main) or spec (status) is already kept. Mutates `next`. */
  prepareForUpdate?(next: T, previous: T, context: HookContext): void
  /** What deletion begins with: finalizers of the server's own. Mutates its copy; not asked again once deletion has begun. */
  prepareForDelete?(object: T, context: HookContext): void
  /** Collects every error; `previous` on update; `context.subresource` tells the subresource. */
  validate?(next: T, previous: T | undefined, context: HookContext): FieldError[]
  /** What takes long, where it is worth asking still: gives way to others meanwhile. Told what `validate` found; returns what is to be added. */
  validateFurther?(next: T, previous: T | undefined, context: FurtherContext): Promise<FieldError[]>
  /** Warning header text of every request, reads too, for a kind on its way out. */
  deprecated?: string
  /** Warning header texts for a valid object; not asked of what subresources write, save scale. */
  warnings?(next: T, previous?: T): string[]
  /** Finalizers of one word are the server's own; others name a domain. */
  standardFinalizers?: boolean
  /** How a name must look; default: DNS subdomain. Returns messages. */
  validateName?(name: string, prefix: boolean): string[]
  /** Served but never stored (reviews, bindings, token requests). */
  virtual?: boolean
  columns: readonly Column<T>[]
  /** Makes its schema in slices, where it is made at once when it is first looked at. */
  prepareSchema?(): Promise<void>
  /** What a custom kind was made of, enough to make it again: its definition, frozen. */
  madeOf?: KubeObject
  /** Row conditions of a Table (completed pods). */
  rowConditions?(object: T): unknown[]
  /** In which order rows stand in the Table of a list, where that is not the one of names. */
  tableOrder?(one: T, other: T): number
}
