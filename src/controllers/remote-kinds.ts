// Kinds that other API servers serve, as APIService objects name them and discovery lists them. Known by name only: their schemas are their servers' own.
import { isConditionTrue } from '#api/conditions.ts'
import { defineKind } from '#api/define-kind.ts'
import type { Kind, Verb } from '#api/kind.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import type { Client, DiscoveredResource } from '#client/client.ts'
import type { Informer } from '#client/informer.ts'

export interface RemoteKinds {
  discover(): Promise<{ kinds: Kind<any>[]; failures: Map<string, string> }>
  /** Those that `each` has come upon. */
  known(): Kind<any>[]
  each(handler: (kind: Kind<any>, gone: AbortSignal) => void): Disposable
}

interface Followed {
  gone: AbortController
  kinds: Kind<any>[]
}

export function createRemoteKinds(services: () => Informer<APIService>, client: Client | undefined): RemoteKinds {
  const followed = new Map<string, Followed>()
  const find = async ({ spec }: APIService, signal?: AbortSignal): Promise<Kind<any>[]> => {
    const { group = '', version = '' } = spec ?? {}
    const resources = await client!.resources!(group, version, signal ? { signal } : {})
    return resources
      .filter(({ verbs }) => ['list', 'watch', 'delete'].every((verb) => verbs.includes(verb)))
      .map((resource) => kindOf({ group, version }, resource))
  }

  return {
    async discover() {
      const kinds: Kind<any>[] = []
      const failures = new Map<string, string>()
      if (!client?.resources) return { kinds, failures }
      for (const service of services().list()) {
        if (!service.spec?.service) continue
        const groupVersion = `${service.spec.group}/${service.spec.version}`
        const stale = `stale GroupVersion discovery: ${groupVersion}`
        if (!isAvailable(service)) failures.set(groupVersion, stale)
        else
          await find(service).then(
            (found) => kinds.push(...found),
            () => failures.set(groupVersion, stale),
          )
      }
      return { kinds, failures }
    },

    known: () => [...followed.values()].flatMap(({ kinds }) => kinds),

    each(handler) {
      if (!client?.resources) return { [Symbol.dispose]() {} }
      const begin = async (service: APIService, own: Followed) => {
        try {
          own.kinds = await find(service, own.gone.signal)
          if (!own.gone.signal.aborted) for (const kind of own.kinds) handler(kind, own.gone.signal)
        } catch {
          // Its condition changes with the next check, and then this is tried again.
          followed.delete(keyOf(service))
        }
      }
      const end = (key: string) => {
        followed.get(key)?.gone.abort(new Error('the API service is gone'))
        followed.delete(key)
      }
      const subscription = services().subscribe(({ object, previous }) => {
        if (previous && !object) return end(keyOf(previous))
        if (!object) return
        if (!object.spec?.service) return end(keyOf(object))
        if (followed.has(keyOf(object)) || !isAvailable(object)) return
        const own: Followed = { gone: new AbortController(), kinds: [] }
        followed.set(keyOf(object), own)
        void begin(object, own)
      })
      return {
        [Symbol.dispose]() {
          subscription[Symbol.dispose]()
          for (const key of followed.keys()) end(key)
        },
      }
    },
  }
}

const keyOf = ({ metadata }: APIService): string => metadata?.uid ?? ''
const isAvailable = ({ status }: APIService): boolean => isConditionTrue(status?.conditions, 'Available')

function kindOf(
  groupVersion: { group: string; version: string },
  { name, singularName, kind, namespaced, verbs }: DiscoveredResource,
): Kind<any> {
  return defineKind({
    ...groupVersion,
    kind,
    plural: name,
    singular: singularName,
    scope: namespaced ? 'Namespaced' : 'Cluster',
    verbs: verbs as readonly Verb[],
  })
}
