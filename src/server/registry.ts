// Which resources are served, by group, version and plural. Looked up on every request, so kinds may come and go while the server runs.
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type GroupVersionKind, type KubeObject } from '#api/object.ts'
import type { CacheEvent, ResourceCache } from './cache/resource-cache.ts'
import type { StoredObject } from './cache/stored-object.ts'
import type { StoreMirror } from './cache/store-mirror.ts'
import { headOf } from './engine/encoding.ts'
import type { LargeReads } from './engine/large-reads.ts'

export interface Conversion {
  /** As the resource shows them, in order. */
  read(resource: Resource, stored: readonly StoredObject[]): Promise<StoredObject[]>
  /** The same for what happened; shared by all who ask. */
  event(resource: Resource, event: CacheEvent): Promise<CacheEvent>
  /** What goes into the store. */
  encode(resource: Resource, object: KubeObject): Promise<{ bytes: Buffer; storage: KubeObject }>
  /** Copies in another version of the same kind. */
  convert(objects: readonly KubeObject[], to: Kind<any>): Promise<KubeObject[]>
}

export interface Resource {
  readonly kind: Kind
  /** Key prefix in the store; undefined for virtual kinds, which are never stored. */
  readonly prefix: string | undefined
  readonly cache: ResourceCache | undefined
  /** What every stored value begins with, up to the inside of its metadata. */
  readonly head: string
  /** Stored in another version or shape: bytes cannot be sent as they are. */
  readonly converts: boolean
  /** Stored in versions only a stranger can convert: nothing that is stored may be sent before it was read through this. */
  readonly conversion?: Conversion | undefined
  /** Who shows large objects that are not stored as they are shown. */
  readonly large?: LargeReads | undefined
  /** Called once when this resource is served no more, or otherwise: whoever watches it begins anew. */
  readonly onRetired: Set<() => void>
}

export interface Custom {
  /** Where objects are kept, if not under the plural: `group/plural` for custom resources. */
  storageName?: string
  conversion?: Conversion | undefined
  large?: LargeReads | undefined
}

/** Resource whose objects are stored. */
export type StoredResource = Resource & { prefix: string; cache: ResourceCache }

/** Where upstream's storage paths differ from the plural. */
const STORAGE_NAMES: Record<string, string> = {
  nodes: 'minions',
  services: 'services/specs',
  endpoints: 'services/endpoints',
  replicationcontrollers: 'controllers',
  'ingresses.networking.k8s.io': 'ingress',
  'events.events.k8s.io': 'events',
  'apiservices.apiregistration.k8s.io': 'apiregistration.k8s.io/apiservices',
  'customresourcedefinitions.apiextensions.k8s.io': 'apiextensions.k8s.io/customresourcedefinitions',
}

export class Registry {
  #mirror: StoreMirror
  #resources = new Map<string, Resource>()
  #kinds = new Map<string, Resource>()
  /** Worked out when they are asked for: many kinds may come at once. */
  #siblings: Map<string, Resource[]> | undefined
  #byKind: Map<Kind, Resource> | undefined
  /** Grows with every change: who derives something from the set of kinds keeps it with the generation it came from. */
  generation = 0

  constructor(mirror: StoreMirror, kinds: Iterable<Kind<any>>) {
    this.#mirror = mirror
    for (const kind of kinds) this.#put(kind)
    this.#changed()
  }

  add(kind: Kind, custom?: Custom): Resource {
    const before = this.#resources.get(pathOf(kind))
    const resource = this.#put(kind, custom)
    this.#changed()
    if (before) retire(before)
    return resource
  }

  #put(kind: Kind, custom?: Custom): Resource {
    const resource = this.make(kind, custom)
    this.#resources.set(pathOf(kind), resource)
    this.#kinds.set(`${apiVersionOf(kind)}/${kind.kind}`, resource)
    return resource
  }

  /** A resource that is not served: what the server itself needs to reach stored objects. */
  make(kind: Kind<any>, { storageName, conversion, large }: Custom = {}): Resource {
    const name = storageName ?? STORAGE_NAMES[kind.group ? `${kind.plural}.${kind.group}` : kind.plural] ?? kind.plural
    const prefix = kind.virtual ? undefined : `/registry/${name}/`
    const storage = conversion ? kind : (kind.storageVersion ?? kind)
    return {
      kind,
      prefix,
      cache: prefix === undefined ? undefined : this.#mirror.cache(prefix),
      head: headOf(kind, storage),
      conversion,
      large: conversion ? undefined : large,
      converts: !conversion && (storage.group !== kind.group || storage.version !== kind.version || kind.convert !== undefined),
      onRetired: new Set(),
    }
  }

  remove(kind: Kind): void {
    const resource = this.#resources.get(pathOf(kind))
    this.#resources.delete(pathOf(kind))
    this.#kinds.delete(`${apiVersionOf(kind)}/${kind.kind}`)
    this.#changed()
    if (resource) retire(resource)
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.#resources.get(`${group}/${version}/${plural}`)
  }

  readonly knows = (found: GroupVersionKind): boolean => this.findKind(apiVersionOf(found), found.kind) !== undefined

  /** What is served of a kind that code of this process has. */
  served(kind: Kind<any>): Resource | undefined {
    this.#byKind ??= new Map(this.#resources.values().map((resource) => [resource.kind, resource]))
    return this.#byKind.get(kind) ?? this.#resources.get(pathOf(kind))
  }

  findKind(apiVersion: string, kind: string): Resource | undefined {
    return this.#kinds.get(`${apiVersion}/${kind}`)
  }

  /** The resource of a kind handed in by code of this process. */
  of(kind: Kind<any>): Resource {
    const resource = this.served(kind)
    if (!resource) throw new Error(`${kind.kind}.${kind.group} is not served here`)
    return resource
  }

  /** All resources that show the same stored objects: a kind's versions. */
  siblings({ prefix, kind }: Resource): Resource[] {
    this.#siblings ??= Map.groupBy(this.#resources.values(), ({ prefix, kind }) => `${prefix ?? ''} ${kind.kind}`)
    return this.#siblings.get(`${prefix ?? ''} ${kind.kind}`) ?? []
  }

  kinds(): Kind[] {
    return [...this.#resources.values()].map(({ kind }) => kind)
  }

  stored(): StoredResource[] {
    return [...this.#resources.values()].filter((one): one is StoredResource => one.cache !== undefined)
  }

  #changed(): void {
    this.generation++
    this.#byKind = undefined
    this.#siblings = undefined
  }
}

function retire({ onRetired }: Resource): void {
  for (const tell of onRetired) tell()
  onRetired.clear()
}

function pathOf({ group, version, plural }: Kind): string {
  return `${group}/${version}/${plural}`
}
