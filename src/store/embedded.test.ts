import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { storeContract } from './contract.ts'
import { CorruptStore, openEmbeddedStore, StoreWriteFailed } from './embedded.ts'

const root = mkdtempSync(join(tmpdir(), 'sampan-store-'))
let made = 0
const fresh = () => join(root, `${made++}`)
after(() => rmSync(root, { recursive: true, force: true }))

storeContract('embedded', async () => openEmbeddedStore({ directory: fresh() }))

test('openEmbeddedStore finds every entry again, and goes on with the revision sequence even after a deletion', async () => {
  const directory = fresh()
  let last = 0
  {
    await using store = await openEmbeddedStore({ directory })
    const a = await store.put('/a', Buffer.from('1'), 0)
    await store.put('/b', Buffer.from('2'), 0)
    await store.put('/a', Buffer.from('3'), a.revision)
    last = await store.delete('/b', 2)
  }
  await using store = await openEmbeddedStore({ directory })
  assert.equal(store.revision(), last)
  const { entries } = await store.list('/')
  assert.deepEqual(
    entries.map(({ key, value, revision, createRevision }) => [key, Buffer.from(value).toString(), revision, createRevision]),
    [['/a', '3', 3, 1]],
  )
  assert.equal((await store.put('/c', Buffer.from('4'), 0)).revision, last + 1)
})

test('openEmbeddedStore loses nothing acknowledged when its process is killed', async () => {
  const directory = fresh()
  const program = `
    const { openEmbeddedStore } = await import(${JSON.stringify(new URL('embedded.ts', import.meta.url).href)})
    const store = await openEmbeddedStore({ directory: ${JSON.stringify(directory)} })
    const writer = async (w) => { for (let i = 0; ; i++) { const { revision } = await store.put('/w' + w + '/' + i, Buffer.alloc(1000, i), 0); process.stdout.write('/w' + w + '/' + i + ' ' + revision + '\\n') } }
    for (let w = 0; w < 8; w++) writer(w)`
  for (let round = 0; round < 3; round++) {
    rmSync(directory, { recursive: true, force: true })
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    let printed = ''
    for await (const chunk of child.stdout) {
      printed += chunk
      if (printed.length > 20_000 * (round + 1)) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const acknowledged = printed.split('\n').slice(0, -1)
    assert.ok(acknowledged.length > 100)
    await using store = await openEmbeddedStore({ directory })
    const found = new Map((await store.list('/')).entries.map((entry) => [entry.key, entry.revision]))
    for (const line of acknowledged) {
      const [key, revision] = line.split(' ')
      assert.equal(found.get(key!), Number(revision), `${key} was acknowledged and is gone`)
    }
  }
})

test('openEmbeddedStore refuses writes while the disk is full, keeps what it has, and goes on when there is space again', async () => {
  let free = 1e9
  const directory = fresh()
  await using store = await openEmbeddedStore({ directory, freeBytes: () => free })
  const { revision } = await store.put('/a', Buffer.from('1'), 0)
  free = 1000
  const refused = await Promise.allSettled([store.put('/a', Buffer.from('2'), revision), store.put('/b', Buffer.from('2'), 0)])
  for (const result of refused) assert.ok(result.status === 'rejected' && result.reason instanceof StoreWriteFailed)
  assert.equal(Buffer.from((await store.get('/a'))!.value).toString(), '1')
  assert.equal(store.revision(), revision)
  free = 1e9
  assert.equal((await store.put('/b', Buffer.from('3'), 0)).revision, revision + 1)
})

test('openEmbeddedStore maps its file once, however much it grows', { skip: process.platform !== 'linux' }, async () => {
  const directory = fresh()
  await using store = await openEmbeddedStore({ directory })
  for (let i = 0; i < 20; i++) await store.put(`/k${i}`, Buffer.alloc(100_000, `${i}`), 0)
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
  assert.equal(maps.filter((line) => line.endsWith(join(directory, 'data.mdb'))).length, 1)
})

test('openEmbeddedStore opens and grows where addresses are limited', { skip: process.platform !== 'linux' }, async () => {
  const directory = fresh()
  const program = `
    const { openEmbeddedStore } = await import(${JSON.stringify(new URL('embedded.ts', import.meta.url).href)})
    await using store = await openEmbeddedStore({ directory: ${JSON.stringify(directory)} })
    for (let i = 0; i < 20; i++) await store.put('/k' + i, Buffer.alloc(100_000), 0)`
  const words = ['-c', 'ulimit -v 16000000; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', program]
  const child = spawn('sh', words, { stdio: 'inherit' })
  assert.deepEqual(await once(child, 'exit'), [0, null])
  await using store = await openEmbeddedStore({ directory })
  assert.equal((await store.list('/')).entries.length, 20)
})

/** Of the store's file in this process. */
function residentBytes(directory: string): number {
  const [, map] = readFileSync('/proc/self/smaps', 'utf8').split(join(directory, 'data.mdb'))
  return Number(/Rss:\s+(\d+)/.exec(map!)?.[1]) * 1024
}

test('openEmbeddedStore keeps no pages of its file mapped that it has only read or passed over', {
  skip: process.platform !== 'linux',
}, async () => {
  const directory = fresh()
  const value = (text: string) => Buffer.alloc(17_000, text)
  {
    await using store = await openEmbeddedStore({ directory })
    await Promise.all(Array.from({ length: 2000 }, (_, i) => store.put(`/k${i}`, value(`${i}`), 0)))
  }
  await using store = await openEmbeddedStore({ directory })
  assert.ok(residentBytes(directory) < 1_000_000)
  const { entries } = await store.list('/')
  await Promise.all(entries.map(({ key, revision }) => store.put(key, value(`new ${key}`), revision)))
  assert.ok(residentBytes(directory) < 1_000_000)
  await store.put('/k7', value('last'), (await store.get('/k7'))!.revision)
  await store[Symbol.asyncDispose]()
  await using again = await openEmbeddedStore({ directory })
  for (const { key, value: found } of (await again.list('/')).entries) assert.deepEqual(found, value(key === '/k7' ? 'last' : `new ${key}`))
})

const DAMAGES: [string, (file: string) => void][] = [
  ['is cut short', (file) => truncateSync(file, readFileSync(file).length / 2)],
  ['is emptied', (file) => writeFileSync(file, '')],
  ['is another file', (file) => writeFileSync(file, 'not a database'.repeat(2000))],
  [
    'has a flipped byte in a value',
    (file) => {
      const image = readFileSync(file)
      image[image.lastIndexOf('marker') + 2]! ^= 0xff
      writeFileSync(file, image)
    },
  ],
]

for (const [what, damage] of DAMAGES) {
  test(`openEmbeddedStore refuses by name a data file that ${what}`, async () => {
    const directory = fresh()
    {
      await using store = await openEmbeddedStore({ directory })
      for (let i = 0; i < 40; i++) await store.put(`/k${i}`, Buffer.alloc(3000, `marker${i}`), 0)
    }
    damage(join(directory, 'data.mdb'))
    await assert.rejects(openEmbeddedStore({ directory }), CorruptStore)
  })
}
