// Objects that pods refer to: from the informers, or, where these do not know them yet, from the server.
import { ignoreNotFound, notFoundError } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import type { ReadObject } from '#node/agent/environment.ts'

export function objectReader({ client, informers }: { client: Client; informers: Informers }): (namespace: string) => ReadObject {
  return (namespace) => async (kind, name) => {
    const key = { namespace, name }
    const found = informers.of(kind).get(key) ?? (await client.get(kind, key).catch(ignoreNotFound))
    // The kubelet names kinds in the singular here.
    if (!found) throw notFoundError({ group: kind.group, plural: kind.singular }, name)
    return found
  }
}
