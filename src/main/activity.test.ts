import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMemoryStore } from '#store/memory.ts'
import type { Store } from '#store/store.ts'
import { Activity } from './activity.ts'

test('Activity.settle waits for what is being written, however slow the disk', async () => {
  await using store = createMemoryStore()
  const written: string[] = []
  const slow = {
    ...methodsOf(store),
    async put(key: string, value: Uint8Array, expected: number) {
      await sleep(20)
      written.push(key)
      return store.put(key, value, expected)
    },
  }
  const activity = new Activity()
  const seen = activity.store(slow)
  const puts = ['/a', '/b'].map((key) => seen.put(key, Buffer.from('x'), 0))
  await activity.settle()
  assert.deepEqual(written, ['/a', '/b'])
  await Promise.all(puts)
})

test('Activity.settle goes on after a write that fails', async () => {
  await using store = createMemoryStore()
  const activity = new Activity()
  const seen = activity.store({ ...methodsOf(store), put: () => sleep(5).then(() => Promise.reject(new Error('no space'))) })
  const refused = assert.rejects(seen.put('/a', Buffer.from('x'), 0), /no space/)
  await activity.settle()
  await refused
})

function methodsOf(store: Store): Store {
  return {
    get: (key) => store.get(key),
    list: (prefix, page) => store.list(prefix, page),
    put: (key, value, expected) => store.put(key, value, expected),
    delete: (key, expected) => store.delete(key, expected),
    watch: (prefix, options) => store.watch(prefix, options),
    compact: (before) => store.compact(before),
    revision: () => store.revision(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}
