import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import type { WatchOptions } from '#client/client.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { MemoryExchange } from '#server/http/memory-exchange.ts'
import { configMap, IN_DEFAULT, type Requests, startRequests } from './requests.ts'

const MAPS = `${IN_DEFAULT}/configmaps`

/** Opens a watch over HTTP; once this resolves, no change is missed. */
async function events(t: Requests, query: string, { accept = '', path = MAPS } = {}): Promise<AsyncGenerator<any, void, undefined>> {
  const exchange = new MemoryExchange({ path: `${path}?watch=1&${query}`, headers: accept ? { accept } : {} })
  t.server.serve(exchange)
  const { stream } = await exchange.answer()
  return lines(stream)
}

async function* lines(stream: AsyncIterable<unknown>) {
  let rest = ''
  for await (const chunk of stream) {
    const parts = (rest + String(chunk)).split('\n')
    rest = parts.pop()!
    for (const line of parts) yield JSON.parse(line)
  }
}

async function take<T>(source: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  while (taken.length < count) {
    const { done, value } = await source.next()
    if (done) throw new Error(`ended after ${taken.length} of ${count}`)
    taken.push(value)
  }
  return taken
}

const brief = ({ type, object }: any) => `${type} ${object.metadata?.name ?? object.reason}@${object.metadata?.resourceVersion}`

test('watch tells what is there, then every change at its version', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a'))
  const watch = await events(t, '')
  assert.deepEqual((await take(watch, 1)).map(brief), ['ADDED a@1'])
  await t.send('POST', MAPS, configMap('b'))
  await t.send('PATCH merge', `${MAPS}/a`, { data: { x: '1' } })
  await t.send('DELETE', `${MAPS}/a`)
  assert.deepEqual((await take(watch, 3)).map(brief), ['ADDED b@2', 'MODIFIED a@3', 'DELETED a@4'])
  await watch.return(undefined)
})

test('watch goes on from a version, and says when that is too old', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a'))
  await t.send('POST', MAPS, configMap('b'))
  const watch = await events(t, 'resourceVersion=1')
  assert.deepEqual((await take(watch, 1)).map(brief), ['ADDED b@2'])
  await watch.return(undefined)
  for (let i = 0; i < 6000; i++)
    await t.client.patch(ConfigMap, { namespace: 'default', name: 'a' }, { type: 'merge', patch: { data: { i: `${i}` } } })
  const [error] = await take(await events(t, 'resourceVersion=1'), 1)
  assert.deepEqual([error.type, error.object.code, error.object.reason], ['ERROR', 410, 'Expired'])
  assert.match(error.object.message, /^too old resource version: 1 \(\d+\)$/)
})

test('watch shows objects that enter and leave the selection as added and deleted', async () => {
  await using t = await startRequests()
  const watch = await events(t, 'labelSelector=color%3Dred')
  const label = (color: string | null) => t.send('PATCH merge', `${MAPS}/a`, { metadata: { labels: { color } } })
  await t.send('POST', MAPS, configMap('a'))
  await label('red')
  await t.send('PATCH merge', `${MAPS}/a`, { data: { x: '1' } })
  await label('blue')
  await t.send('PATCH merge', `${MAPS}/a`, { data: { x: '2' } })
  await label('red')
  await t.send('DELETE', `${MAPS}/a`)
  const seen = await take(watch, 5)
  assert.deepEqual(seen.map(brief), ['ADDED a@2', 'MODIFIED a@3', 'DELETED a@4', 'ADDED a@6', 'DELETED a@7'])
  assert.equal(seen[2].object.metadata.labels.color, 'red')
  await watch.return(undefined)
})

test('watch of one name tells of no other', async () => {
  await using t = await startRequests()
  const watch = await events(t, 'fieldSelector=metadata.name%3Db')
  await t.send('POST', MAPS, configMap('a'))
  await t.send('POST', MAPS, configMap('b'))
  assert.deepEqual((await take(watch, 1)).map(brief), ['ADDED b@2'])
  await watch.return(undefined)
})

test('watch tells a long beginning and what happens meanwhile, once and in order', async () => {
  await using t = await startRequests()
  const filler = 'x'.repeat(2000)
  for (let i = 0; i < 200; i++) await t.send('POST', MAPS, configMap(`m${i}`, { filler }))
  const exchange = new MemoryExchange({ path: `${MAPS}?watch=1` })
  t.server.serve(exchange)
  const { stream } = await exchange.answer()
  const watch = lines(stream)
  const seen = await take(watch, 1)
  for (let i = 0; i < 50; i++) await t.send('PATCH merge', `${MAPS}/m7`, { data: { i: String(i) } })
  seen.push(...(await take(watch, 249)))
  assert.equal(new Set(seen.slice(0, 200).map(({ object }) => object.metadata.name)).size, 200)
  assert.deepEqual(
    seen.slice(200).map(({ type, object }) => [type, object.metadata.name, object.data.i]),
    Array.from({ length: 50 }, (_, i) => ['MODIFIED', 'm7', String(i)]),
  )
  await watch.return(undefined)
})

test('watch list ends the beginning with a marked bookmark', async () => {
  await using t = await startRequests()
  for (const name of ['a', 'b']) await t.send('POST', MAPS, configMap(name))
  const watch = await events(t, 'sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan')
  const [a, b, mark] = await take(watch, 3)
  assert.deepEqual([a, b].map(brief), ['ADDED a@1', 'ADDED b@2'])
  assert.deepEqual([mark.type, mark.object.kind, mark.object.metadata.resourceVersion], ['BOOKMARK', 'ConfigMap', '2'])
  assert.deepEqual(mark.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' })
  await watch.return(undefined)
  const { status } = await t.send('GET', `${MAPS}?watch=1&sendInitialEvents=true`)
  assert.equal(status, 422)
})

for (const [path, rest] of [
  ['/api/v1/pods', { spec: { containers: null }, status: {} }],
  ['/api/v1/services', { spec: {}, status: { loadBalancer: {} } }],
  [MAPS, {}],
] as const)
  test(`watch gives bookmarks of ${path} what JSON says of an object with nothing in it`, async () => {
    await using t = await startRequests()
    const watch = await events(t, 'allowWatchBookmarks=true', { path })
    const [mark] = await take(watch, 1)
    await watch.return(undefined)
    const { kind: _kind, apiVersion: _version, metadata, ...object } = mark.object
    assert.equal(mark.type, 'BOOKMARK')
    assert.deepEqual(Object.keys(metadata), ['resourceVersion', 'annotations'])
    assert.deepEqual(object, rest)
  })

for (const from of ['', 'resourceVersion=0&'])
  test(`watch from nowhere in particular (${from}) ends the beginning with the same bookmark`, async () => {
    await using t = await startRequests()
    await t.send('POST', MAPS, configMap('a'))
    const watch = await events(t, `${from}allowWatchBookmarks=true`)
    const [a, mark] = await take(watch, 2)
    assert.equal(brief(a), 'ADDED a@1')
    assert.deepEqual([mark.type, mark.object.metadata.annotations], ['BOOKMARK', { 'k8s.io/initial-events-end': 'true' }])
    await watch.return(undefined)
  })

test('watch gives bookmarks by the minute and ends when its time is up', async () => {
  const clock = createVirtualClock()
  await using t = await startRequests({ clock })
  await t.send('POST', MAPS, configMap('a'))
  const watch = await events(t, 'resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=90')
  const first = watch.next()
  await clock.advance(61_000)
  assert.deepEqual(brief((await first).value), 'BOOKMARK undefined@1')
  const last = watch.next()
  await clock.advance(60_000)
  assert.equal((await last).done, true)
})

test('watch as Table sends columns once, as metadata nothing else', async () => {
  await using t = await startRequests()
  for (const name of ['a', 'b']) await t.send('POST', MAPS, configMap(name, { x: '1' }))
  const tables = await events(t, '', { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
  const [one, two] = await take(tables, 2)
  assert.deepEqual([one.object.kind, one.object.rows[0].cells[0]], ['Table', 'a'])
  assert.ok(one.object.columnDefinitions.length > 0)
  assert.equal(two.object.columnDefinitions, null)
  await tables.return(undefined)
  const partial = await events(t, '', { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' })
  const [meta] = await take(partial, 1)
  assert.deepEqual([meta.object.kind, meta.object.data], ['PartialObjectMetadata', undefined])
  await partial.return(undefined)
})

test('watch in process shares frozen objects and ends with its signal', async () => {
  await using t = await startRequests()
  const abort = new AbortController()
  const options: WatchOptions & { signal: AbortSignal } = { namespace: 'default', signal: abort.signal }
  const one = t.client.watch(ConfigMap, options)[Symbol.asyncIterator]()
  const two = t.client.watch(ConfigMap, options)[Symbol.asyncIterator]()
  const pending = [one.next(), two.next()]
  const created = await t.client.create(ConfigMap, { metadata: { name: 'a', namespace: 'default' } })
  const [first, second] = (await Promise.all(pending)).map(({ value }) => value)
  assert.equal(first.object, created)
  assert.equal(second.object, created)
  assert.ok(Object.isFrozen(created.metadata))
  const last = one.next()
  abort.abort()
  assert.equal((await last).done, true)
})
