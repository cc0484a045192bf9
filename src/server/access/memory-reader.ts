// For tests of authorisers, admission and allocators without a server: an ObjectReader over objects put in by hand.
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import type { Outgoing } from '#server/outgoing/outgoing.ts'
import { Registry } from '#server/registry.ts'
import type { ObjectReader } from '#server/request.ts'

type Handler = (change: { object?: any; previous?: any }) => void

export class MemoryReader implements ObjectReader {
  #objects = new Map<Kind<any>, Map<string, KubeObject>>()
  #handlers = new Map<Kind<any>, Set<Handler>>()

  put<T extends KubeObject>(kind: Kind<T>, ...objects: T[]): void {
    const all = this.#objects.get(kind) ?? new Map<string, KubeObject>()
    this.#objects.set(kind, all)
    for (const object of objects) {
      const key = `${object.metadata?.namespace ?? ''}/${object.metadata?.name}`
      const previous = all.get(key)
      all.set(key, object)
      for (const handler of this.#handlers.get(kind) ?? []) handler(previous ? { object, previous } : { object })
    }
  }

  remove<T extends KubeObject>(kind: Kind<T>, key: ObjectKey): void {
    const text = `${key.namespace ?? ''}/${key.name}`
    const previous = this.#objects.get(kind)?.get(text)
    if (this.#objects.get(kind)?.delete(text)) for (const handler of this.#handlers.get(kind) ?? []) handler({ previous })
  }

  get<T extends KubeObject>(kind: Kind<T>, key: ObjectKey): T | undefined {
    return this.#objects.get(kind)?.get(`${key.namespace ?? ''}/${key.name}`) as T | undefined
  }

  *list<T extends KubeObject>(kind: Kind<T>, namespace?: string): Iterable<T> {
    for (const object of this.#objects.get(kind)?.values() ?? [])
      if (!namespace || object.metadata?.namespace === namespace) yield object as T
  }

  onChange<T extends KubeObject>(kind: Kind<T>, handler: Handler): Disposable {
    const handlers = this.#handlers.get(kind) ?? new Set()
    this.#handlers.set(kind, handlers.add(handler))
    return { [Symbol.dispose]: () => void handlers.delete(handler) }
  }
}

/** For contexts of tests that serve no kind. */
export const noKinds = (): Registry => new Registry(undefined as never, [])

/** For contexts of tests that call no webhooks. */
export const nobodyCalled = undefined as unknown as Outgoing
