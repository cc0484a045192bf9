import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CacheEvent, ResourceCache } from './resource-cache.ts'
import { StoredObject } from './stored-object.ts'

const stored = (name: string, revision: number) =>
  new StoredObject(`/registry/pods/${name}`, Buffer.from(JSON.stringify({ kind: 'Pod', metadata: { name } })), revision)

test('ResourceCache lists below a prefix in key order, after a key, up to a limit', () => {
  const cache = new ResourceCache('/registry/pods/')
  for (const [index, name] of ['b/2', 'a/1', 'a/3', 'c/1', 'a/2'].entries()) cache.put(stored(name, index + 1))
  const names = (items: StoredObject[]) => items.map(({ key }) => key.slice('/registry/pods/'.length))
  assert.deepEqual(names(cache.list()), ['a/1', 'a/2', 'a/3', 'b/2', 'c/1'])
  assert.deepEqual(names(cache.list('/registry/pods/a/', { after: '/registry/pods/a/1' })), ['a/2', 'a/3'])
  assert.deepEqual(names(cache.list('/registry/pods/', { limit: 2 })), ['a/1', 'a/2'])
  assert.equal(cache.count('/registry/pods/a/'), 3)
})

test('ResourceCache tells changes with what was there before, deletions at their own revision', () => {
  const cache = new ResourceCache('/registry/pods/')
  const events: CacheEvent[] = []
  using _subscription = cache.subscribe({ event: (event) => events.push(event), failed: assert.ifError })
  cache.put(stored('a', 1))
  cache.put(stored('a', 2))
  cache.delete('/registry/pods/a', 3)
  cache.delete('/registry/pods/never-there', 4)
  assert.deepEqual(
    events.map(({ revision, deleted, previous, object }) => [revision, deleted, previous?.revision, object.revision]),
    [
      [1, false, undefined, 1],
      [2, false, 1, 2],
      [3, true, 2, 3],
    ],
  )
  assert.equal(cache.size, 0)
})

test('ResourceCache tells the past after a revision, and nothing when that is forgotten', () => {
  const cache = new ResourceCache('/registry/pods/')
  for (let revision = 1; revision <= 6000; revision++) cache.put(stored('a', revision))
  assert.equal(cache.since(1), undefined)
  assert.deepEqual(
    cache.since(5998)?.map(({ revision }) => revision),
    [5999, 6000],
  )
  assert.ok(cache.since(cache.floor))
  assert.equal(cache.since(cache.floor - 1), undefined)
  // Cut back once, to 4096, when it was a quarter longer: not one by one.
  assert.equal(cache.floor, 5121 - 4096)
})

test('ResourceCache forgets sooner what is large', () => {
  const cache = new ResourceCache('/registry/pods/')
  const large = Buffer.alloc(1024 * 1024)
  for (let revision = 1; revision <= 200; revision++) cache.put(new StoredObject('/registry/pods/a', large, revision))
  assert.equal(cache.since(200 - 41), undefined)
  assert.equal(cache.since(200 - 31)?.length, 31)
})

test('StoredObject parses once, frozen, with its revision as resourceVersion', () => {
  const one = stored('a', 7)
  const object = one.object()
  assert.equal(object.metadata!.resourceVersion, '7')
  assert.equal(one.object(), object)
  assert.throws(() => {
    object.metadata!.name = 'b'
  }, TypeError)
})

test('StoredObject lends what its writer made, and shares it once it is asked for', () => {
  const lent = () => ({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'a', labels: { app: 'web' } } })
  const [kept, given] = [stored('a', 7), stored('a', 8)]
  const [first, second] = [lent(), lent()]
  kept.lend(first)
  given.lend(second)
  assert.equal(kept.glance(), first)
  assert.equal(Object.isFrozen(first), false)
  kept.share()
  assert.equal(Object.isFrozen(first.metadata.labels), true)
  for (const one of [kept, given]) one.giveBack()
  assert.equal(kept.object(), first)
  // What is in the bytes, which know no labels here; labels alone are remembered.
  assert.deepEqual(given.glance(), { kind: 'Pod', metadata: { name: 'a', resourceVersion: '8' } })
  assert.notEqual(given.glance(), given.glance())
  assert.deepEqual(given.labels(), { app: 'web' })
  assert.equal(given.object(), given.glance())
})

test('StoredObject.field is read once, and known of what was there last when it went', () => {
  const one = stored('a', 7)
  const read: string[] = []
  const ask = (from: StoredObject, name: string) => from.field(name, () => `value ${read.push(name)}`)
  assert.deepEqual([ask(one, 'spec.nodeName'), ask(one, '__proto__'), ask(one, 'spec.nodeName')], ['value 1', 'value 2', 'value 1'])
  assert.equal(ask(one.at(9), '__proto__'), 'value 2')
})

test('ResourceCache ends the subscription of who throws, and tells the others', () => {
  const cache = new ResourceCache('/registry/pods/')
  const failures: unknown[] = []
  const seen: number[] = []
  cache.subscribe({
    event() {
      throw new Error('mine')
    },
    failed: (error) => failures.push(error),
  })
  cache.subscribe({ event: ({ revision }) => seen.push(revision), failed: assert.ifError })
  cache.put(stored('a', 1))
  cache.put(stored('a', 2))
  assert.deepEqual([failures.length, seen, cache.subscribers], [1, [1, 2], 1])
})
