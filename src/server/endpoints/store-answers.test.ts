import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { startTestServer } from '#server/testing.ts'
import { createMemoryStore } from '#store/memory.ts'
import type { Store } from '#store/store.ts'

test('storeAnswers makes /readyz and /livez fail while the store of several servers does not answer, and asks it once for all', async () => {
  const clock = createVirtualClock()
  let asked = 0
  let answer = (revision: number): Promise<number> => Promise.resolve(revision)
  const memory = createMemoryStore()
  const store: Store = Object.assign(memory, {
    latest: () => {
      asked++
      return answer(memory.revision())
    },
  })
  await using test = await startTestServer({ store, clock })
  const health = async (path: string) => {
    const { status, body } = await test.server.handle({ method: 'GET', path })
    return `${status} ${body.toString().trim()}`
  }
  assert.deepEqual([await health('/readyz'), await health('/livez/etcd')], ['200 ok', '200 ok'])
  answer = () => Promise.reject(new Error('nobody there'))
  assert.match(await health('/readyz'), /^500 [^]*\[-\]etcd failed: reason withheld\n\[-\]etcd-readiness failed: reason withheld\n/)
  assert.equal(await health('/livez/etcd'), '500 internal server error: error getting data from etcd: nobody there')
  answer = () => new Promise(() => {})
  asked = 0
  const both = Promise.all([health('/livez/etcd'), health('/readyz')])
  await clock.advance(2000)
  const [one, all] = await both
  assert.equal(one, '500 internal server error: error getting data from etcd: context deadline exceeded')
  assert.match(all, /^500 /)
  assert.equal(asked, 1)
  answer = (revision) => Promise.resolve(revision)
  assert.equal(await health('/readyz'), '200 ok')
})
