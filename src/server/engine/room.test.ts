import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processRoom } from './room.ts'
import { configMap, IN_DEFAULT, startRequests } from './requests.ts'

const MB = 1_000_000

test('a server without room takes nothing new, and says why', async () => {
  let lacking: string | undefined
  await using t = await startRequests({ room: () => lacking })
  const path = `${IN_DEFAULT}/configmaps`
  await t.send('POST', path, configMap('a', { x: '1' }))
  lacking = 'all of it is taken'
  const refused = await t.send('POST', path, configMap('b', {}))
  assert.deepEqual([refused.status, refused.json.message], [500, 'the server is full: all of it is taken'])
  const applied = await t.send('PATCH', `${path}/c?fieldManager=me`, configMap('c', {}), { 'content-type': 'application/apply-patch+yaml' })
  assert.equal(applied.json.message, 'the server is full: all of it is taken')
  assert.equal((await t.send('POST', `${path}?dryRun=All`, configMap('b', {}))).status, 201)
  assert.equal((await t.send('PUT', `${path}/a`, configMap('a', { x: '2' }))).status, 200)
  assert.equal((await t.send('DELETE', `${path}/a`)).status, 200)
  lacking = undefined
  assert.equal((await t.send('POST', path, configMap('b', {}))).status, 201)
})

test('a server without room starts', async () => {
  await using t = await startRequests({ room: () => 'all of it is taken' })
  assert.equal((await t.send('GET', `${IN_DEFAULT}/configmaps`)).status, 200)
})

test('processRoom leaves a fifth of the heap, and half of the memory beside it', () => {
  const limit = 1000 * MB + 48 * 1024 * 1024
  const heap = { used_heap_size: 0, heap_size_limit: limit, external_memory: 0 }
  const room = (more: Partial<typeof heap>) => processRoom({ heap: () => ({ ...heap, ...more }), memory: 2000 * MB })()
  assert.equal(room({ used_heap_size: 800 * MB, external_memory: 999 * MB }), undefined)
  assert.match(
    room({ used_heap_size: 801 * MB }) ?? '',
    /^801 MB of the heap are in use, of 1000 MB that there may be\. Delete objects; .*--max-old-space-size/,
  )
  assert.match(room({ external_memory: 1001 * MB }) ?? '', /^objects take 1001 MB of the 1000 MB that they may have/)
})

test('processRoom finds room in a process that holds little', () => assert.equal(processRoom()(), undefined))
