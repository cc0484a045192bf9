import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { systemClock as clock } from '#lib/clock.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { storeContract } from '#store/contract.ts'
import type { Change, Store } from '#store/store.ts'
import { EtcdUnavailable, openEtcdStore } from './etcd.ts'
import { type EtcdProcess, noEtcd, startEtcd } from './testing.ts'

test('openEtcdStore waits for the first answer of a silent address only until it is told to stop', async () => {
  const connections: Socket[] = []
  const silent = createServer((connection) => void connections.push(connection))
  const asked = once(silent, 'connection')
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const opening = new AbortController()
  try {
    // No deadline comes: time stands still.
    const still = createVirtualClock()
    await using store = openEtcdStore({ target: { addresses: [{ host: '127.0.0.1', port }] }, clock: still, opening: opening.signal })
    const read = assert.rejects(store.list('/registry/'), /stopped by SIGINT/)
    await asked
    opening.abort(new Error('stopped by SIGINT'))
    await read
  } finally {
    for (const connection of connections) connection.destroy()
    silent.close()
  }
})

describe('openEtcdStore', { skip: noEtcd }, () => {
  let etcd: EtcdProcess
  const open = () => openEtcdStore({ target: { addresses: [etcd.address] }, clock })
  const bytes = (text: string) => Buffer.from(text)

  before(async () => {
    etcd = await startEtcd()
  })
  after(() => etcd?.[Symbol.asyncDispose]())

  // One etcd for all: each test begins with no keys, but with the revisions of those before.
  storeContract('etcd', async () => {
    await etcd.clear()
    return open()
  })

  test('latest tells what others wrote, and a watch comes to it even when strangers wrote', async () => {
    await etcd.clear()
    await using mine = open()
    await using other = open()
    const abort = new AbortController()
    const seen: Change[] = []
    const begin = await mine.latest!()
    const watching = (async () => {
      for await (const batch of mine.watch('/registry/', { after: begin, signal: abort.signal })) seen.push(...batch)
    })()
    const { revision } = await other.put('/registry/a', bytes('1'), 0)
    assert.equal(await mine.latest!(), revision)
    await until(() => seen.some((change) => change.revision >= revision))
    const foreign = await other.put('/elsewhere', bytes('1'), 0)
    assert.equal(await mine.latest!(), foreign.revision)
    await until(() => seen.some((change) => change.revision > foreign.revision))
    abort.abort()
    await watching
  })

  test('watch goes on where it was when etcd comes back, and reads say when it is away', async () => {
    await etcd.clear()
    await using store = open()
    const abort = new AbortController()
    const seen: string[] = []
    const { revision } = await store.put('/registry/a', bytes('1'), 0)
    const watching = (async () => {
      for await (const batch of store.watch('/registry/', { after: revision - 1, signal: abort.signal }))
        seen.push(...batch.map(({ key }) => key))
    })()
    await until(() => seen.length === 1)
    await etcd.stop()
    await assert.rejects(store.get('/registry/a'), EtcdUnavailable)
    await etcd.start()
    await until(async () => (await store.get('/registry/a').catch(() => undefined)) !== undefined)
    await store.put('/registry/b', bytes('2'), 0)
    await until(() => seen.length === 2)
    assert.deepEqual(seen, ['/registry/a', '/registry/b'])
    abort.abort()
    await watching
  })

  test('list reads more keys than one answer holds', async () => {
    await etcd.clear()
    await using store: Store = open()
    await Promise.all(Array.from({ length: 2500 }, (_, i) => store.put(`/many/${String(i).padStart(4, '0')}`, bytes(String(i)), 0)))
    const whole = await store.list('/many/')
    assert.equal(whole.entries.length, 2500)
    assert.ok(whole.entries.every(({ key, value }, i) => key === `/many/${String(i).padStart(4, '0')}` && String(value) === String(i)))
    const page = await store.list('/many/', { limit: 1200 })
    assert.deepEqual([page.entries.length, page.remaining, page.next], [1200, 1300, '/many/1199'])
  })
})

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await clock.sleep(10)
}
