// What informers hold: objects by key with indexes made on first use, and who waits for which version. No I/O here.
import type { Kind } from '#api/kind.ts'
import { keyOf, keyText, type KubeObject, type ObjectKey } from '#api/object.ts'
import type { Logger } from '#lib/log.ts'
import type { Informer } from './informer.ts'

export type Change<T> = { object?: T; previous?: T }
/** What is kept of an object; must keep metadata's identity, version, labels and owners. */
export type Projection = (object: any) => any

interface Waiter {
  version: number
  resolve(): void
}

export class InformerCache<T extends KubeObject> implements Informer<T> {
  readonly kind: Kind<T>
  #objects = new Map<string, T>()
  /** All of them, until one changes: whoever asks again and again gets the same list. */
  #all: readonly T[] | undefined
  #byNamespace: Index<T> | undefined
  #byOwner: Index<T> | undefined
  #indexes = new Map<(object: T) => string, Index<T>>()
  #handlers = new Set<(change: Change<T>) => void>()
  #project: Projection
  #log: Logger
  #synced = Promise.withResolvers<void>()
  #hasSynced = false
  #version = 0
  #waiters: Waiter[] = []
  #absences: { key: string; uid: string; resolve(): void }[] = []

  constructor(kind: Kind<T>, options: { project: Projection; log: Logger }) {
    this.kind = kind
    this.#project = options.project
    this.#log = options.log
  }

  get size(): number {
    return this.#objects.size
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(keyText(key))
  }

  list(namespace?: string): readonly T[] {
    if (namespace === undefined) return (this.#all ??= [...this.#objects.values()])
    this.#byNamespace ??= new Index(namespaceOf, this.#objects)
    return this.#byNamespace.of(namespace)
  }

  ownedBy(uid: string): readonly T[] {
    this.#byOwner ??= new Index(ownerOf, this.#objects)
    return this.#byOwner.of(uid)
  }

  by(valueOf: (object: T) => string, value: string): readonly T[] {
    let index = this.#indexes.get(valueOf)
    if (!index) this.#indexes.set(valueOf, (index = new Index(valueOf, this.#objects)))
    return index.of(value)
  }

  orphans(namespace: string): readonly T[] {
    return this.ownedBy(`${NO_OWNER}${namespace}`)
  }

  subscribe(handler: (change: Change<T>) => void): Disposable {
    // A handler of its own per subscription, so that subscribing twice means being told twice.
    const own = (change: Change<T>) => handler(change)
    this.#handlers.add(own)
    for (const object of this.#objects.values()) this.#tell(own, { object })
    return { [Symbol.dispose]: () => void this.#handlers.delete(own) }
  }

  synced(): Promise<void> {
    return this.#synced.promise
  }

  seen(resourceVersion: string): Promise<void> {
    const version = Number(resourceVersion)
    if (!(version > this.#version)) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ version, resolve }))
  }

  /** Resolves once that very object (by uid) is no longer here as alive. */
  gone(key: ObjectKey, uid: string): Promise<void> {
    const text = keyText(key)
    if (this.#isGone(text, uid)) return Promise.resolve()
    return new Promise((resolve) => this.#absences.push({ key: text, uid, resolve }))
  }

  /** Takes one watch event's object. */
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void {
    const key = keyText(keyOf(object))
    if (type === 'DELETED') this.#remove(key)
    else this.#set(key, object)
    this.advance(object.metadata?.resourceVersion)
  }

  /** Takes a whole list: what it lacks is gone. */
  replace(items: Iterable<T>, resourceVersion: string | undefined): void {
    const present = new Set<string>()
    for (const item of items) {
      const key = keyText(keyOf(item))
      present.add(key)
      if (this.#objects.get(key)?.metadata?.resourceVersion !== item.metadata?.resourceVersion) this.#set(key, item)
    }
    for (const key of this.#objects.keys()) if (!present.has(key)) this.#remove(key)
    this.advance(resourceVersion)
    this.#hasSynced = true
    this.#synced.resolve()
  }

  /** Everything up to this version has been taken. */
  advance(resourceVersion: string | undefined): void {
    const version = Number(resourceVersion)
    if (version > this.#version) this.#version = version
    if (this.#waiters.length > 0) {
      const due = this.#waiters.filter((waiter) => waiter.version <= this.#version)
      if (due.length > 0) this.#waiters = this.#waiters.filter((waiter) => waiter.version > this.#version)
      for (const waiter of due) waiter.resolve()
    }
    if (this.#absences.length > 0) {
      const due = this.#absences.filter(({ key, uid }) => this.#isGone(key, uid))
      if (due.length > 0) this.#absences = this.#absences.filter((one) => !due.includes(one))
      for (const waiter of due) waiter.resolve()
    }
  }

  get hasSynced(): boolean {
    return this.#hasSynced
  }

  /** Nobody will feed this cache again: lets go of all who wait. */
  close(reason: unknown): void {
    this.#synced.promise.catch(() => {})
    this.#synced.reject(reason)
    for (const { resolve } of [...this.#waiters, ...this.#absences]) resolve()
    this.#waiters = []
    this.#absences = []
  }

  #isGone(key: string, uid: string): boolean {
    const metadata = this.#objects.get(key)?.metadata
    return !metadata || metadata.uid !== uid || metadata.deletionTimestamp !== undefined
  }

  #set(key: string, received: T): void {
    const object = deepFreeze(this.#project(received) as T)
    const previous = this.#objects.get(key)
    this.#objects.set(key, object)
    this.#all = undefined
    this.#byNamespace?.replace(key, previous, object)
    this.#byOwner?.replace(key, previous, object)
    for (const index of this.#indexes.values()) index.replace(key, previous, object)
    const change = previous ? { object, previous } : { object }
    for (const handler of this.#handlers) this.#tell(handler, change)
  }

  #remove(key: string): void {
    const previous = this.#objects.get(key)
    if (!previous) return
    this.#objects.delete(key)
    this.#all = undefined
    this.#byNamespace?.replace(key, previous, undefined)
    this.#byOwner?.replace(key, previous, undefined)
    for (const index of this.#indexes.values()) index.replace(key, previous, undefined)
    for (const handler of this.#handlers) this.#tell(handler, { previous })
  }

  #tell(handler: (change: Change<T>) => void, change: Change<T>): void {
    try {
      handler(change)
    } catch (error) {
      this.#log.error('a subscriber failed', { kind: this.kind.kind, error })
    }
  }
}

interface Group<T> {
  byKey: Map<string, T>
  /** The same as a list, until one changes. */
  list: readonly T[] | undefined
}

const NONE: readonly never[] = Object.freeze([])

/** Objects by one derived value. */
class Index<T extends KubeObject> {
  #valueOf: (object: T) => string
  #groups = new Map<string, Group<T>>()

  constructor(valueOf: (object: T) => string, objects: ReadonlyMap<string, T>) {
    this.#valueOf = valueOf
    for (const [key, object] of objects) this.replace(key, undefined, object)
  }

  of(value: string): readonly T[] {
    const group = this.#groups.get(value)
    return group ? (group.list ??= [...group.byKey.values()]) : NONE
  }

  replace(key: string, previous: T | undefined, next: T | undefined): void {
    const from = previous && this.#valueOf(previous)
    const to = next && this.#valueOf(next)
    if (from !== undefined && from !== to) this.#leave(from, key)
    if (to === undefined) return
    let group = this.#groups.get(to)
    if (!group) this.#groups.set(to, (group = { byKey: new Map(), list: undefined }))
    group.byKey.set(key, next!)
    group.list = undefined
  }

  #leave(value: string, key: string): void {
    const group = this.#groups.get(value)
    if (!group) return
    group.byKey.delete(key)
    group.list = undefined
    if (group.byKey.size === 0) this.#groups.delete(value)
  }
}

function namespaceOf(object: KubeObject): string {
  return object.metadata?.namespace ?? ''
}

/** Stands before a namespace where no uid is to be had; no uid looks like it. */
const NO_OWNER = 'none/'

function ownerOf(object: KubeObject): string {
  const controller = object.metadata?.ownerReferences?.find((reference) => reference.controller)
  return controller?.uid ?? `${NO_OWNER}${namespaceOf(object)}`
}

/** Shared objects are frozen through and through; one that is frozen at the top is taken to be so already. */
function deepFreeze<V>(value: V): V {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  if (Array.isArray(value)) for (const item of value) deepFreeze(item)
  else for (const name in value) deepFreeze(value[name])
  return value
}

/** Who reads through an informer never needs the bookkeeping of field managers, which is often half of an object. */
export const withoutManagedFields: Projection = (object: KubeObject) => {
  if (!object.metadata?.managedFields) return object
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}

/** Metadata alone, as far as owners, finalizers and selectors need it. */
export const metadataOnly: Projection = ({ apiVersion, kind, metadata }: KubeObject) => {
  const { managedFields: _, annotations: __, ...rest } = metadata ?? {}
  return { ...(apiVersion ? { apiVersion } : {}), ...(kind ? { kind } : {}), metadata: rest }
}
