import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '#lib/log.ts'
import { nextTurn } from '#lib/paced.ts'
import { createMemoryStore } from '#store/memory.ts'
import { StoreMirror } from './store-mirror.ts'

test('StoreMirror that begins anew in the middle of many changes is not set back by what it followed before', async () => {
  await using store = createMemoryStore()
  const mirror = new StoreMirror(store, { log: silentLogger })
  const first = new AbortController()
  await mirror.start(first.signal)
  const value = Buffer.from('{}')
  await Promise.all(Array.from({ length: 1000 }, (_, index) => store.put(`/registry/configmaps/default/a${index}`, value, 0)))
  const latest = store.revision()
  // Some have been followed, not all.
  while (mirror.revision <= 1) await nextTurn()
  assert.ok(mirror.revision < latest)
  first.abort(new Error('anew'))
  const second = new AbortController()
  await mirror.start(second.signal)
  for (let turn = 0; turn < 30; turn++) {
    assert.equal(mirror.revision, latest)
    await nextTurn()
  }
  await store.put('/registry/configmaps/default/b', value, 0)
  await mirror.fresh()
  assert.equal(mirror.revision, store.revision())
  second.abort(new Error('the test is over'))
})
