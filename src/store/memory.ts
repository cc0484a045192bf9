// The store without a disk: for tests, and for clusters that are thrown away.
import { createRevisionedStore } from './revisioned.ts'
import type { Store } from './store.ts'

export function createMemoryStore(options: { historyLimit?: number; historyBytes?: number } = {}): Store {
  return createRevisionedStore(options)
}
