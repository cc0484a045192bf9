// What every store must do, whatever is behind it. Each implementation's test calls this with a way to make an empty store.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Change, Compacted, type Revision, RevisionMismatch, type Store } from './store.ts'

const bytes = (text: string) => Buffer.from(text)
const text = (value: Uint8Array | undefined) => (value === undefined ? undefined : Buffer.from(value).toString())

export function storeContract(name: string, make: () => Promise<Store>): void {
  describe(`${name}: the store contract`, () => {
    test('put creates with expected 0, and refuses to create twice', async () => {
      await using store = await make()
      const entry = await store.put('/a', bytes('1'), 0)
      assert.equal(entry.createRevision, entry.revision)
      assert.equal(text((await store.get('/a'))?.value), '1')
      await assert.rejects(
        store.put('/a', bytes('2'), 0),
        (error) => error instanceof RevisionMismatch && error.actual?.revision === entry.revision,
      )
    })

    test('put updates only at the expected revision and keeps the create revision', async () => {
      await using store = await make()
      const first = await store.put('/a', bytes('1'), 0)
      const second = await store.put('/a', bytes('2'), first.revision)
      assert.equal(second.createRevision, first.revision)
      assert.ok(second.revision > first.revision)
      await assert.rejects(store.put('/a', bytes('3'), first.revision), RevisionMismatch)
      await assert.rejects(store.put('/b', bytes('3'), first.revision), RevisionMismatch)
      assert.equal(text((await store.get('/a'))?.value), '2')
    })

    test('put of many writers at one revision lets exactly one through', async () => {
      await using store = await make()
      const { revision } = await store.put('/a', bytes('0'), 0)
      const results = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => store.put('/a', bytes(`${i}`), revision)))
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    })

    test('delete removes at the expected revision, and refuses what is absent', async () => {
      await using store = await make()
      const { revision } = await store.put('/a', bytes('1'), 0)
      await assert.rejects(store.delete('/a', revision + 1), RevisionMismatch)
      assert.ok((await store.delete('/a', revision)) > revision)
      assert.equal(await store.get('/a'), undefined)
      await assert.rejects(store.delete('/a', revision), RevisionMismatch)
      await assert.rejects(store.delete('/a', 0), RevisionMismatch)
    })

    test('revision is one growing sequence over all keys', async () => {
      await using store = await make()
      const revisions: Revision[] = []
      for (let i = 0; i < 20; i++) revisions.push((await store.put(`/k${i}`, bytes('x'), 0)).revision)
      assert.deepEqual(
        revisions,
        revisions.toSorted((a, b) => a - b),
      )
      assert.equal(new Set(revisions).size, 20)
      assert.equal(store.revision(), revisions.at(-1))
    })

    test('list answers keys of a prefix in order, in pages of one snapshot', async () => {
      await using store = await make()
      for (const key of ['/p/d', '/p/b', '/q/a', '/p/a', '/p/c', '/o/z']) await store.put(key, bytes(key), 0)
      const first = await store.list('/p/', { limit: 2 })
      assert.deepEqual(
        first.entries.map(({ key }) => key),
        ['/p/a', '/p/b'],
      )
      assert.equal(first.remaining, 2)
      const b = await store.get('/p/b')
      const c = await store.get('/p/c')
      await store.delete('/p/b', b!.revision)
      await store.put('/p/c', bytes('new'), c!.revision)
      await store.put('/p/cc', bytes('late'), 0)
      const second = await store.list('/p/', { after: first.next!, limit: 2, revision: first.revision })
      assert.deepEqual(
        second.entries.map(({ key, value }) => [key, text(value)]),
        [
          ['/p/c', '/p/c'],
          ['/p/d', '/p/d'],
        ],
      )
      assert.equal(second.next, undefined)
      assert.equal(second.revision, first.revision)
      const whole = await store.list('/p/', { revision: first.revision })
      assert.deepEqual(
        whole.entries.map(({ key }) => key),
        ['/p/a', '/p/b', '/p/c', '/p/d'],
      )
      assert.deepEqual(
        (await store.list('/p/')).entries.map(({ key }) => key),
        ['/p/a', '/p/c', '/p/cc', '/p/d'],
      )
    })

    test('list refuses a revision that is compacted', async () => {
      await using store = await make()
      const { revision } = await store.put('/a', bytes('1'), 0)
      const last = await store.put('/a', bytes('2'), revision)
      await store.compact(last.revision)
      await assert.rejects(store.list('/', { revision }), (error) => error instanceof Compacted && error.compacted === last.revision)
      assert.equal(text((await store.list('/', { revision: last.revision })).entries[0]?.value), '2')
    })

    test('watch tells every change after a revision, in order, without gaps', async () => {
      await using store = await make()
      const first = await store.put('/w/a', bytes('1'), 0)
      await store.put('/other', bytes('x'), 0)
      const second = await store.put('/w/a', bytes('2'), first.revision)
      const abort = new AbortController()
      const changes = store.watch('/w/', { after: first.revision, signal: abort.signal })
      await Promise.all(Array.from({ length: 200 }, (_, i) => store.put(`/w/n${i}`, bytes(`${i}`), 0)))
      const last = await store.delete('/w/a', second.revision)
      const seen = await collect(changes, 202)
      abort.abort()
      assert.deepEqual(
        seen.map(({ revision }) => revision),
        seen.map(({ revision }) => revision).toSorted((a, b) => a - b),
      )
      const [update, ...rest] = seen
      assert.ok(update?.type === 'put' && text(update.value) === '2' && text(update.previous) === '1')
      const gone = rest.at(-1)
      assert.ok(gone?.type === 'delete' && gone.revision === last && text(gone.previous) === '2')
    })

    test('watch may be answered with a write at once, without anyone else writing', async () => {
      await using store = await make()
      const abort = new AbortController()
      const { revision } = await store.put('/begin', bytes('0'), 0)
      const answered = (async () => {
        for await (const [change] of store.watch('/ask', { after: revision, signal: abort.signal })) {
          if (change) return store.put('/answer', bytes('2'), 0)
        }
        return undefined
      })()
      await store.put('/ask', bytes('1'), 0)
      const stuck = new Promise<'stuck'>((resolve) => setImmediate(() => setImmediate(() => setImmediate(() => resolve('stuck')))))
      assert.notEqual(await Promise.race([answered, name === 'memory' ? stuck : answered]), 'stuck')
      abort.abort()
    })

    test('watch refuses a compacted revision and ends when its signal aborts', async () => {
      await using store = await make()
      const first = await store.put('/a', bytes('1'), 0)
      const second = await store.put('/a', bytes('2'), first.revision)
      const third = await store.put('/a', bytes('3'), second.revision)
      await store.compact(third.revision)
      const abort = new AbortController()
      await assert.rejects(async () => collect(store.watch('/', { after: first.revision, signal: abort.signal }), 1), Compacted)
      const ended = collect(store.watch('/', { after: third.revision, signal: abort.signal }), 1)
      abort.abort()
      assert.deepEqual(await ended, [])
    })
  })
}

async function collect(changes: AsyncIterable<Change[]>, count: number): Promise<Change[]> {
  const seen: Change[] = []
  for await (const batch of changes) {
    seen.push(...batch)
    if (seen.length >= count) break
  }
  return seen
}
