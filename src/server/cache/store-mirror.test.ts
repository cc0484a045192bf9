import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '#lib/clock.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { silentLogger } from '#lib/log.ts'
import { nextTurn } from '#lib/paced.ts'
import { hasReason } from '#api/status.ts'
import { createMemoryStore } from '#store/memory.ts'
import { Compacted, type Store } from '#store/store.ts'
import { StoreMirror } from './store-mirror.ts'

test('StoreMirror that begins anew in the middle of many changes is not set back by what it followed before', async () => {
  await using store = createMemoryStore()
  const mirror = new StoreMirror(store, { log: silentLogger, clock: systemClock })
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
  // Whoever writes waits for it again, though nobody did once the first start had failed.
  assert.notEqual(mirror.seen(latest + 1), undefined)
  await store.put('/registry/configmaps/default/b', value, 0)
  await mirror.fresh()
  assert.equal(mirror.revision, store.revision())
  second.abort(new Error('the test is over'))
})

test('StoreMirror that fell behind what the store can tell begins anew: watchers are told so, everyone else what differs', async () => {
  await using memory = createMemoryStore()
  let behind = Promise.withResolvers<never>()
  let lists = 0
  const store: Store = Object.assign(Object.create(memory), {
    async *watch(prefix: string, options: Parameters<Store['watch']>[1]) {
      const changes = memory.watch(prefix, options)[Symbol.asyncIterator]()
      for (;;) {
        const next = await Promise.race([changes.next(), behind.promise])
        if (next.done) return
        yield next.value
      }
    },
    /** The first attempt to begin anew fails. */
    list: async (...asked: Parameters<Store['list']>) => {
      if (++lists === 2) throw new Error('not yet')
      return memory.list(...asked)
    },
    put: memory.put.bind(memory),
    get: memory.get.bind(memory),
    delete: memory.delete.bind(memory),
    revision: memory.revision.bind(memory),
  })
  const key = (name: string) => `/registry/configmaps/default/${name}`
  const value = Buffer.from('{"metadata":{}}')
  const clock = createVirtualClock()
  const mirror = new StoreMirror(store, { log: silentLogger, clock })
  const cache = mirror.cache('/registry/configmaps/')
  const changed = (await memory.put(key('changed'), value, 0)).revision
  const kept = (await memory.put(key('kept'), value, 0)).revision
  const gone = (await memory.put(key('gone'), value, 0)).revision
  const stop = new AbortController()
  await mirror.start(stop.signal)
  const told: string[] = []
  const failures: unknown[] = []
  cache.subscribe({ event: ({ object, deleted }) => void told.push(`${deleted ? '-' : '+'}${object.key}`), failed: assert.fail })
  cache.subscribe({ gapless: true, event: () => assert.fail('told of a part'), failed: (error) => void failures.push(error) })
  behind.promise.catch(() => {})
  behind.reject(new Compacted(gone))
  await nextTurn()
  behind = Promise.withResolvers()
  assert.equal(mirror.lost, true)
  await memory.put(key('changed'), value, changed)
  await memory.put(key('new'), value, 0)
  await memory.delete(key('gone'), gone)
  const fresh = mirror.fresh()
  await clock.advance(1000)
  await fresh
  assert.deepEqual(told, ['changed', 'new'].map((name) => `+${key(name)}`).concat(`-${key('gone')}`))
  assert.deepEqual([mirror.lost, mirror.revision, failures.length], [false, memory.revision(), 1])
  assert.ok(hasReason(failures[0], 'Expired'))
  assert.equal(cache.get(key('kept'))?.revision, kept)
  assert.equal(cache.since(kept), undefined)
  await memory.put(key('later'), value, 0)
  await mirror.fresh()
  assert.equal(told.at(-1), `+${key('later')}`)
  stop.abort(new Error('the test is over'))
})
