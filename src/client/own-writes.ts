// The barrier behind the loop's promise: remembers what was written while a key was worked on, and waits until informers have seen it.
import type { Kind } from '#api/kind.ts'
import { keyOf, type KubeObject, type ObjectKey } from '#api/object.ts'
import type { Client } from './client.ts'
import { InformerCache } from './informer-cache.ts'
import type { Informers } from './informer.ts'

interface Written {
  /** Newest version written per kind. */
  versions: Map<Kind<any>, string>
  removed: { kind: Kind<any>; key: ObjectKey; uid: string }[]
}

export class OwnWrites {
  #client: Client
  #informers: Informers
  #byKey = new Map<string, Written>()

  constructor(client: Client, informers: Informers) {
    this.#client = client
    this.#informers = informers
  }

  /** Resolves when everything written for `key` so far is in the informers' view; undefined: nothing was. */
  seen(key: string): Promise<void> | undefined {
    const written = this.#byKey.get(key)
    if (!written) return undefined
    this.#byKey.delete(key)
    return this.#arrived(written)
  }

  async #arrived(written: Written): Promise<void> {
    for (const [kind, version] of written.versions) await this.#informers.existing(kind)?.seen(version)
    for (const { kind, key: removed, uid } of written.removed) {
      const informer = this.#informers.existing(kind)
      if (informer instanceof InformerCache) await informer.gone(removed, uid)
    }
  }

  /** A client whose writes count as made for `key`. */
  clientFor(key: string): Client {
    const client = this.#client
    const note = <O extends KubeObject>(kind: Kind<any>, result: O, dryRun: boolean | undefined): O => {
      if (!dryRun) this.#noteVersion(key, kind, result.metadata?.resourceVersion)
      return result
    }
    return {
      get: (kind, name, options) => client.get(kind, name, options),
      list: (kind, options) => client.list(kind, options),
      watch: (kind, options) => client.watch(kind, options),
      create: async (kind, object, options) => note(kind, await client.create(kind, object, options), options?.dryRun),
      update: async (kind, object, options) => note(kind, await client.update(kind, object, options), options?.dryRun),
      patch: async (kind, name, patch, options) => note(kind, await client.patch(kind, name, patch, options), options?.dryRun),
      delete: async (kind, name, options) => {
        const before = this.#informers.existing(kind)?.get(name)
        const result = await client.delete(kind, name, options)
        if (options?.dryRun) return result
        const metadata = result.metadata as KubeObject['metadata']
        if (metadata?.deletionTimestamp) this.#noteVersion(key, kind, metadata.resourceVersion)
        const uid = metadata?.uid ?? before?.metadata?.uid
        if (uid) this.#of(key).removed.push({ kind, key: before ? keyOf(before) : name, uid })
        return result
      },
      deleteCollection: (kind, options) => client.deleteCollection(kind, options),
    }
  }

  #noteVersion(key: string, kind: Kind<any>, version: string | undefined): void {
    if (!version) return
    const { versions } = this.#of(key)
    if (Number(version) > Number(versions.get(kind) ?? 0)) versions.set(kind, version)
  }

  #of(key: string): Written {
    let written = this.#byKey.get(key)
    if (!written) this.#byKey.set(key, (written = { versions: new Map(), removed: [] }))
    return written
  }
}
