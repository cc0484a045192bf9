// What all verbs share: the store and its mirror, the registry of kinds, who must be asked before a write. The verbs are functions beside this.
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import type { UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { BodyReader } from '#server/decoding/body-reader.ts'
import type { AdmissionTimes } from '#server/admission/admission-times.ts'
import type { Registry, StoredResource } from '#server/registry.ts'
import type { AdmissionPlugin, Annotate, Authorizer, RequestAttributes, SubresourceHandler, Within, WriteHook } from '#server/request.ts'
import type { StoreMirror } from '#server/cache/store-mirror.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import type { Room } from './room.ts'
import { isShownApart, shown } from './shown.ts'
import type { Store } from '#store/store.ts'
import type { WriteQueues } from './write-queues.ts'

export interface Engine {
  readonly store: Store
  readonly mirror: StoreMirror
  readonly registry: Registry
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly bodies: BodyReader
  readonly writeQueues: WriteQueues
  /** For objects that are not there yet. */
  readonly room: Room
  /** Asked here only where one request turns out to be another: an update that creates. */
  readonly authorizer: Authorizer | undefined
  readonly admission: readonly AdmissionPlugin[]
  readonly admissionTimes: AdmissionTimes
  readonly writeHooks: ReadonlyMap<Kind, readonly WriteHook[]>
  readonly subresources: ReadonlyMap<Kind, ReadonlyMap<string, SubresourceHandler>>
}

/** One write: where to, by whom, how. */
export interface Write {
  readonly resource: StoredResource
  readonly attributes: RequestAttributes
  readonly dryRun: boolean
  readonly fieldManager: string
  warn(text: string): void
  annotate?: Annotate
  within?: Within
  /** As admission sees them. */
  readonly options?: Readonly<Record<string, unknown>>
  /** Its steps take long enough for others to have a turn between them. */
  readonly large?: boolean
  /** What those who admit see in place of the object, where the request is about a part of it: a Scale. */
  readonly view?: AdmissionView
  /** The server's own authority: admission is not asked; `plain` records no field manager either. */
  readonly trusted?: 'plain' | 'managed'
  /** Who writes is of this process and is answered with the object itself, not with its bytes. */
  readonly local?: boolean
}

export interface AdmissionView {
  of(object: KubeObject): KubeObject
  /** Takes over what admission changed. */
  into(object: KubeObject, seen: KubeObject): void
}

/** What a verb came to: the object as stored (or as it would be, on a dry run), and whether it is new. */
export interface Written {
  stored: StoredObject
  created: boolean
}

/** Of stored bytes and bodies: from here on a step over all of an object may take milliseconds. */
export const LARGE_OBJECT_BYTES = 32 * 1024

export const SYSTEM_USER: UserInfo = { username: 'system:apiserver', groups: ['system:masters'] }

/** A namespace given for a cluster-scoped kind does not count. */
export function storageKey({ prefix, kind }: StoredResource, { namespace, name }: ObjectKey): string {
  return namespace && kind.scope === 'Namespaced' ? `${prefix}${namespace}/${name}` : prefix + name
}

/** The key that is stored under `key`. */
export function objectKey({ prefix, kind }: StoredResource, key: string): ObjectKey {
  const rest = key.slice(prefix.length)
  const at = kind.scope === 'Namespaced' ? rest.indexOf('/') : -1
  return at < 0 ? { name: rest } : { namespace: rest.slice(0, at), name: rest.slice(at + 1) }
}

/** Kinds may be defined over again (custom resources): the handler is found by what the kind is called. */
export function handlerOf(engine: Engine, kind: Kind, subresource: string): SubresourceHandler | undefined {
  return engine.subresources.get(kind)?.get(subresource)
}

/** The present object, as fresh as any write acknowledged so far. `key` is the store's. */
export async function current({ mirror }: Engine, resource: StoredResource, key: string): Promise<StoredObject | undefined> {
  await mirror.fresh()
  const stored = resource.cache.get(key)
  return stored && isShownApart(resource) ? shown(resource, stored) : stored
}

export function hasStatus(kind: Kind): boolean {
  return kind.subresources.status !== undefined
}

export type Mutable = KubeObject & Record<string, unknown> & { status?: unknown; spec?: unknown }
