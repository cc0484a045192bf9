// Where every pod was ever sent, read where it is written down: a pod has one node for life.
import type { Pod } from '#api/generated/types.ts'
import type { Store } from '#store/store.ts'

const PODS = '/registry/pods/'

export class Bindings {
  readonly #nodeOf = new Map<string, string>()
  /** Pods that were sent to a second node, in words. */
  readonly violations: string[] = []

  store(store: Store): Store {
    return {
      get: (key) => store.get(key),
      list: (prefix, page) => store.list(prefix, page),
      put: async (key, value, expected) => {
        // What is refused because somebody was faster has not happened.
        const written = await store.put(key, value, expected)
        if (key.startsWith(PODS)) this.#note(key, JSON.parse(Buffer.from(value).toString('utf8')) as Pod)
        return written
      },
      delete: (key, expected) => store.delete(key, expected),
      watch: (prefix, options) => store.watch(prefix, options),
      compact: (before) => store.compact(before),
      revision: () => store.revision(),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    }
  }

  #note(key: string, { metadata, spec }: Pod): void {
    const [uid, node] = [metadata?.uid ?? '', spec?.nodeName]
    const before = this.#nodeOf.get(uid)
    if (before !== undefined && before !== node) this.violations.push(`${key.slice(PODS.length)} was bound to ${before}, then to ${node}`)
    if (node) this.#nodeOf.set(uid, node)
  }
}
