// The one door to the API. In process it goes through the same chain (identity, authorisation, admission) without sockets or bytes.
// Objects it returns may be shared and frozen: never mutate them, copy what you want to own.
import type { Kind } from '#api/kind.ts'
import type { KubeObject, List, ObjectKey } from '#api/object.ts'
import type { Status } from '#api/status.ts'

export interface ReadOptions {
  resourceVersion?: string
  signal?: AbortSignal
}

export interface GetOptions extends ReadOptions {
  subresource?: string
  /** Further parameters that another API server knows; what this process serves itself has none. */
  query?: Readonly<Record<string, string | undefined>>
}

export interface ListOptions extends ReadOptions {
  /** Absent: all namespaces. */
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  resourceVersionMatch?: 'Exact' | 'NotOlderThan'
  limit?: number
  continue?: string
}

export interface WatchOptions extends Omit<ListOptions, 'limit' | 'continue'> {
  allowWatchBookmarks?: boolean
  sendInitialEvents?: boolean
  timeoutSeconds?: number
}

export interface WriteOptions {
  dryRun?: boolean
  fieldManager?: string
  fieldValidation?: 'Ignore' | 'Warn' | 'Strict'
  /** status, scale, binding, eviction, token, finalize, approval ... */
  subresource?: string
  signal?: AbortSignal
}

export interface CreateOptions extends WriteOptions {
  /** Where the object itself does not say it (reviews, subresources). */
  namespace?: string
  /** The parent's name: required with `subresource`. */
  name?: string
}

export interface DeleteOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  preconditions?: { uid?: string; resourceVersion?: string }
  dryRun?: boolean
  signal?: AbortSignal
}

export type Patch =
  | { type: 'json'; patch: readonly unknown[] }
  | { type: 'merge'; patch: unknown }
  | { type: 'strategic'; patch: unknown }
  | { type: 'apply'; patch: KubeObject; force?: boolean }

export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; object: KubeObject }
  | { type: 'ERROR'; object: Status }

export interface Client {
  get<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, options?: GetOptions): Promise<T>
  list<T extends KubeObject>(kind: Kind<T>, options?: ListOptions): Promise<List<T>>
  /** Ends when the server ends it or the signal aborts; throws StatusError Expired when the version is too old. */
  watch<T extends KubeObject>(kind: Kind<T>, options: WatchOptions & { signal: AbortSignal }): AsyncIterable<WatchEvent<T>>
  /** With `subresource`, `object` is the subresource's own type (Binding, Eviction, TokenRequest, Scale). */
  create<T extends KubeObject, O extends KubeObject = T>(kind: Kind<T>, object: O, options?: CreateOptions): Promise<O>
  update<T extends KubeObject, O extends KubeObject = T>(kind: Kind<T>, object: O, options?: WriteOptions): Promise<O>
  patch<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, patch: Patch, options?: WriteOptions): Promise<T>
  /** The object as it was deleted or as it waits for its finalizers, or a Status where nothing is left of it. */
  delete<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, options?: DeleteOptions): Promise<T | Status>
  deleteCollection<T extends KubeObject>(kind: Kind<T>, options?: DeleteOptions & ListOptions): Promise<void>
  /** What a group and version holds, whoever serves it. Absent where discovery is out of reach. */
  resources?(group: string, version: string, options?: { signal?: AbortSignal }): Promise<readonly DiscoveredResource[]>
}

/** As discovery lists it: resources only, no subresources. */
export interface DiscoveredResource {
  name: string
  singularName: string
  kind: string
  namespaced: boolean
  verbs: readonly string[]
}

/** Who acts: what authentication found, and what authorisation is asked about. */
export interface UserInfo {
  username: string
  uid?: string
  groups: readonly string[]
  extra?: Record<string, string[]>
}
