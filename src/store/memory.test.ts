import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeContract } from './contract.ts'
import { createMemoryStore } from './memory.ts'
import { Compacted } from './store.ts'

storeContract('memory', async () => createMemoryStore())

test('createMemoryStore forgets the oldest writes when what they replaced is more than it may keep', async () => {
  await using store = createMemoryStore({ historyBytes: 10_000 })
  let revision = 0
  for (let i = 0; i < 50; i++) ({ revision } = await store.put('/a', new Uint8Array(1000), revision))
  const since = (after: number) => store.watch('/', { after, signal: AbortSignal.abort() })
  assert.throws(() => since(revision - 14), Compacted)
  since(revision - 10)
  // Small writes are kept by their number, as ever.
  for (let i = 0; i < 50; i++) ({ revision } = await store.put('/a', new Uint8Array(1), revision))
  since(revision - 50)
})
