// Whether a store that several servers share answers: asked when somebody wants to know, once for all who ask at one moment, and for two seconds at most.
import type { Clock } from '#lib/clock.ts'
import type { Store } from '#store/store.ts'

const PATIENCE_MS = 2000

/** What is wrong, or undefined. A store in this process always answers. */
export function storeAnswers(store: Pick<Store, 'latest'>, clock: Clock): () => Promise<string | undefined> | undefined {
  if (!store.latest) return () => undefined
  let asking: Promise<string | undefined> | undefined
  const ask = async () => {
    const late = new AbortController()
    try {
      return await Promise.race([
        store.latest!().then(() => undefined),
        clock.sleep(PATIENCE_MS, late.signal).then(() => 'error getting data from etcd: context deadline exceeded'),
      ])
    } catch (error) {
      return `error getting data from etcd: ${(error as Error).message}`
    } finally {
      late.abort()
      asking = undefined
    }
  }
  return () => (asking ??= ask())
}
