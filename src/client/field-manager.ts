// A client whose writes are booked under one name in managedFields, unless the caller gives another.
import type { Client, WriteOptions } from './client.ts'

export function withFieldManager(client: Client, fieldManager: string): Client {
  const named = <O extends WriteOptions>(options: O | undefined) => ({ fieldManager, ...options }) as O
  return {
    get: (kind, key, options) => client.get(kind, key, options),
    list: (kind, options) => client.list(kind, options),
    watch: (kind, options) => client.watch(kind, options),
    create: (kind, object, options) => client.create(kind, object, named(options)),
    update: (kind, object, options) => client.update(kind, object, named(options)),
    patch: (kind, key, patch, options) => client.patch(kind, key, patch, named(options)),
    delete: (kind, key, options) => client.delete(kind, key, options),
    deleteCollection: (kind, options) => client.deleteCollection(kind, options),
    ...(client.resources ? { resources: (group, version, options) => client.resources!(group, version, options) } : {}),
  }
}
