// How code of this room reads and writes objects without being anyone: straight from the cache, and with the server's own authority.
import { clone } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { decodeInto } from '#api/schema/decode.ts'
import type { Status } from '#api/status.ts'
import { attributesOf } from './attributes.ts'
import { createObject } from './engine/create.ts'
import { deleteObject } from './engine/delete.ts'
import { plainObject } from './engine/encoding.ts'
import { type Engine, storageKey, SYSTEM_USER, type Write } from './engine/engine.ts'
import { applyDefaults } from './engine/schema.ts'
import type { StoredObject } from './cache/stored-object.ts'
import { updateObject } from './engine/update.ts'
import type { StoredResource } from './registry.ts'
import type { ModifyOptions, ObjectChange, ObjectReader, ObjectWriter } from './request.ts'

export function createObjectReader(engine: Engine): ObjectReader {
  const { mirror } = engine
  return {
    get<T extends KubeObject>(kind: Kind<T>, key: ObjectKey) {
      const resource = storedResource(engine, kind)
      const stored = resource.cache.get(storageKey(resource, key))
      return stored && (plainObject(resource, stored, mirror) as T)
    },
    list<T extends KubeObject>(kind: Kind<T>, namespace?: string, { glance = false } = {}) {
      const resource = storedResource(engine, kind)
      // Every write asks for quotas, limits, policies and webhooks, of which most clusters have none.
      return resource.cache.size === 0 ? [] : listed<T>(resource, { namespace, glance })
    },
    fresh: () => mirror.fresh(),
    onChange<T extends KubeObject>(kind: Kind<T>, handler: (change: ObjectChange<T>) => void, { glance = false } = {}) {
      const resource = storedResource(engine, kind)
      const served = (stored: StoredObject) => plainObject(resource, stored, { recent: mirror.recent, glance }) as T
      return resource.cache.subscribe({
        failed: (error) => engine.log.error('changes can no longer be told', { kind: kind.kind, error }),
        event({ object, previous, deleted }) {
          try {
            handler(new LazyChange<T>({ object: deleted ? undefined : object, previous, served }))
          } catch (error) {
            // What follows objects (roles, allocations) must not stop following because one of them is odd.
            engine.log.error('a change could not be taken in', { kind: kind.kind, key: object.key, error })
          }
        },
      })
    },
  }
}

interface Stored<T> {
  object: StoredObject | undefined
  previous: StoredObject | undefined
  served(stored: StoredObject): T
}

/** Reads what it is asked for. */
class LazyChange<T> implements ObjectChange<T> {
  readonly #stored: Stored<T>

  constructor(stored: Stored<T>) {
    this.#stored = stored
  }

  get object(): T | undefined {
    const { object, served } = this.#stored
    return object && served(object)
  }

  get previous(): T | undefined {
    const { previous, served } = this.#stored
    return previous && served(previous)
  }
}

export function createObjectWriter(engine: Engine): ObjectWriter {
  const write = (
    kind: Kind<any>,
    { verb, key, options = {} }: { verb: string; key: Partial<ObjectKey>; options?: ModifyOptions },
  ): Write => {
    const { subresource = '', dryRun = false, fieldManager = '' } = options
    return {
      resource: storedResource(engine, kind),
      attributes: attributesOf(kind, { user: SYSTEM_USER, verb, subresource, namespace: key.namespace, name: key.name }),
      dryRun,
      fieldManager,
      trusted: fieldManager ? 'managed' : 'plain',
      warn: () => {},
    }
  }
  return {
    async create<T extends KubeObject>(kind: Kind<T>, object: T) {
      const own = settled(kind, clone(object))
      const call = write(kind, { verb: 'create', key: own.metadata ?? {} })
      const { stored } = await createObject(engine, call, own)
      return plainObject(call.resource, stored, engine.mirror) as T
    },
    async modify<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, change: (object: T) => void, options: ModifyOptions = {}) {
      const call = write(kind, { verb: 'update', key, options })
      const build = (present: KubeObject | undefined) => {
        const { managedFields, ...metadata } = present!.metadata ?? {}
        const next = clone({ ...present, metadata }) as T
        change(next)
        const own = settled(kind, next)
        // Nobody changes these here: the ones that are there will do.
        if (managedFields) own.metadata!.managedFields ??= managedFields
        return own
      }
      const { stored } = await updateObject(engine, call, { key, change: { build, waits: true } })
      return plainObject(call.resource, stored, engine.mirror) as T
    },
    async delete<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, { dryRun = false, ...options } = {}) {
      const call = write(kind, { verb: 'delete', key, options: { dryRun } })
      const { stored } = await deleteObject(engine, call, { key, options })
      return plainObject(call.resource, stored, engine.mirror) as T | Status
    },
  }
}

/** As it is kept: zeros gone or there as in what clients send, defaults filled in. */
function settled<T extends KubeObject>(kind: Kind<any>, object: T): T {
  if (!kind.decode) decodeInto(object, kind.schema)
  applyDefaults(kind, object)
  return object
}

function* listed<T extends KubeObject>(
  resource: StoredResource,
  { namespace, glance }: { namespace: string | undefined; glance: boolean },
): Generator<T> {
  const prefix = namespace ? `${resource.prefix}${namespace}/` : resource.prefix
  for (const stored of resource.cache.list(prefix)) yield plainObject(resource, stored, { glance }) as T
}

function storedResource(engine: Engine, kind: Kind<any>): StoredResource {
  const resource = engine.registry.of(kind)
  if (resource.prefix === undefined || !resource.cache) throw new Error(`${kind.kind} is never stored`)
  return resource as StoredResource
}
