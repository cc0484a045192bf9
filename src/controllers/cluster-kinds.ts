// Every kind there is now: the built-in ones and those that CustomResourceDefinitions add. For controllers that concern all kinds.
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { customKind, customKinds } from '#api/custom/custom-kind.ts'
import type { Kind } from '#api/kind.ts'
import { parseApiVersion } from '#api/object.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import type { Client } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import { createRemoteKinds } from './remote-kinds.ts'

export interface ClusterKinds {
  /** Whose objects are stored, custom ones in one version each. */
  list(): Kind<any>[]
  /** All that are served, in every version. */
  served(): Kind<any>[]
  /** The kind an owner reference names, in whatever version of its group is served. */
  find(apiVersion: string, kind: string): Kind<any> | undefined
  /** Calls back for every kind that is there or comes; the signal aborts when it goes. */
  each(handler: (kind: Kind<any>, gone: AbortSignal) => void): Disposable
  /** Kinds of other API servers, asked for anew; and those that do not answer, by group and version. */
  remote(): Promise<{ kinds: Kind<any>[]; failures: Map<string, string> }>
  synced(): Promise<void>
}

export function createClusterKinds(builtin: readonly Kind<any>[], informers: Informers, client?: Client): ClusterKinds {
  const remote = createRemoteKinds(() => informers.of(APIService), client)
  // Asked for late: making this list must not start anything.
  const definitions = () => informers.of(CustomResourceDefinition)
  const stored = builtin.filter((kind) => !kind.virtual && kind.verbs.includes('list') && kind.verbs.includes('delete'))
  const compiled = new WeakMap<CustomResourceDefinition, Kind<any>>()

  const compile = (definition: CustomResourceDefinition): Kind<any> | undefined => {
    if (!isEstablished(definition)) return undefined
    let kind = compiled.get(definition)
    if (!kind) {
      kind = kindOf(definition)
      if (kind) compiled.set(definition, kind)
    }
    return kind
  }
  const custom = () =>
    definitions()
      .list()
      .flatMap((definition) => compile(definition) ?? [])

  return {
    list: () => [...stored, ...custom()],
    served() {
      const established = definitions().list().filter(isEstablished)
      return [...builtin, ...established.flatMap((definition) => customKinds(definition))]
    },
    find(apiVersion, name) {
      const { group, version } = parseApiVersion(apiVersion)
      let other: Kind<any> | undefined
      // Each list is made only when those before it do not have the kind: autoscalers ask for theirs in every pass.
      for (const kinds of [() => stored, custom, () => remote.known()]) {
        for (const kind of kinds()) {
          if (kind.kind !== name || kind.group !== group) continue
          if (kind.version === version) return kind
          other ??= kind
        }
      }
      return other
    },
    each(handler) {
      const present = new Map<string, AbortController>()
      for (const kind of onePerResource(stored)) handler(kind, new AbortController().signal)
      const subscription = definitions().subscribe(({ object, previous }) => {
        const uid = (object ?? previous)?.metadata?.uid ?? ''
        const kind = object && compile(object)
        if (kind && !present.has(uid)) {
          const gone = new AbortController()
          present.set(uid, gone)
          handler(kind, gone.signal)
        } else if (!kind && present.has(uid)) {
          present.get(uid)!.abort(new Error('the definition was deleted'))
          present.delete(uid)
        }
      })
      const others = remote.each(handler)
      return {
        [Symbol.dispose]() {
          subscription[Symbol.dispose]()
          others[Symbol.dispose]()
          for (const gone of present.values()) gone.abort(new Error('stopped'))
        },
      }
    },
    remote: () => remote.discover(),
    async synced() {
      await Promise.all([definitions().synced(), informers.of(APIService).synced()])
    },
  }
}

/** One version of each resource is enough: all versions show the same objects. */
export function onePerResource(kinds: readonly Kind<any>[]): Kind<any>[] {
  const seen = new Map<string, Kind<any>>()
  for (const kind of kinds) {
    // Events live in two groups but are one resource.
    const name = kind.kind === 'Event' ? 'events' : `${kind.plural}.${kind.group}`
    if (!seen.has(name)) seen.set(name, kind)
  }
  return [...seen.values()]
}

function isEstablished({ status }: CustomResourceDefinition): boolean {
  return (status?.conditions ?? []).some(({ type, status: value }) => type === 'Established' && value === 'True')
}

function kindOf(definition: CustomResourceDefinition): Kind<any> | undefined {
  const versions = definition.spec?.versions ?? []
  const version = versions.find(({ storage, served }) => storage && served) ?? versions.find(({ served }) => served)
  return version && customKind(definition, version)
}
