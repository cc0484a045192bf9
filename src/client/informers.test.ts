import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import type { KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import type { Client, WatchEvent } from './client.ts'
import { createInformers } from './informers.ts'

const object = (name: string, version: number, more: KubeObject['metadata'] = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: 'default', name, uid: `uid-${name}`, resourceVersion: String(version), ...more },
})

/** A server reduced to what an informer can tell: lists as told, watches fed by hand, every request noted. */
function script(t: { after(fn: () => void): void }, log = silentLogger) {
  const clock = createVirtualClock()
  const stop = new AbortController()
  t.after(() => stop.abort())
  const requests: string[] = []
  const state = { items: [] as KubeObject[], version: '1', listError: undefined as unknown }
  let feed: { push(event: WatchEvent<any> | Error | undefined): void }
  const client = {
    async list() {
      requests.push('list')
      if (state.listError) throw state.listError
      return { items: state.items, metadata: { resourceVersion: state.version } }
    },
    async *watch(_: unknown, { resourceVersion, signal }: { resourceVersion: string; signal: AbortSignal }) {
      requests.push(`watch ${resourceVersion}`)
      const queue: (WatchEvent<any> | Error | undefined)[] = []
      let wake = Promise.withResolvers<void>()
      feed = { push: (event) => (queue.push(event), wake.resolve()) }
      signal.addEventListener('abort', () => feed.push(undefined))
      for (;;) {
        await wake.promise
        wake = Promise.withResolvers<void>()
        for (let event = queue.shift(); queue.length >= 0; event = queue.shift()) {
          if (event === undefined) return
          if (event instanceof Error) throw event
          yield event
          if (queue.length === 0) break
        }
      }
    },
  } as unknown as Client
  const informers = createInformers({ client, clock, random: seededRandom(1), log, signal: stop.signal })
  return {
    clock,
    requests,
    state,
    informers,
    push: (event: WatchEvent<any> | Error | undefined) => feed.push(event),
    settle: () => clock.advance(0),
  }
}

test('createInformers lists, then watches from the version of the list', async (t) => {
  const { informers, state, requests, push, settle } = script(t)
  state.items = [object('a', 3)]
  state.version = '7'
  const informer = informers.of(ConfigMap)
  assert.equal(informers.of(ConfigMap), informer)
  await informer.synced()
  const seen: string[] = []
  informer.subscribe(({ object: now, previous }) => seen.push(`${previous?.metadata?.name ?? '-'}>${now?.metadata?.name ?? '-'}`))
  await settle()
  push({ type: 'ADDED', object: object('b', 8) })
  push({ type: 'DELETED', object: object('a', 9) })
  await settle()
  assert.deepEqual(requests, ['list', 'watch 7'])
  assert.deepEqual(seen, ['->a', '->b', 'a>-'])
  assert.deepEqual(
    informer.list('default').map(({ metadata }) => metadata?.name),
    ['b'],
  )
  assert.deepEqual(informer.list('other'), [])
})

test('createInformers resumes from the last bookmark when a watch ends', async (t) => {
  const { informers, requests, push, settle } = script(t)
  await informers.of(ConfigMap).synced()
  await settle()
  push({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '42' } } })
  push(undefined)
  await settle()
  assert.deepEqual(requests, ['list', 'watch 1', 'watch 42'])
})

test('createInformers lists again after Expired, tells what vanished meanwhile, and waits 800 to 1600 ms first', async (t) => {
  const { clock, informers, state, requests, push, settle } = script(t)
  state.items = [object('a', 1), object('b', 1)]
  const informer = informers.of(ConfigMap)
  await informer.synced()
  await settle()
  const gone: unknown[] = []
  informer.subscribe((change) => change.object ?? gone.push(change.previous?.metadata?.name))
  state.items = [object('b', 1)]
  state.version = '90'
  push(new StatusError('Expired', 'too old resource version: 1 (90)'))
  await settle()
  assert.deepEqual(requests, ['list', 'watch 1'])
  await clock.advance(1600)
  assert.deepEqual(requests, ['list', 'watch 1', 'list', 'watch 90'])
  assert.deepEqual(gone, ['a'])
})

test('createInformers waits longer and longer, at most a minute, while nobody answers', async (t) => {
  const { clock, informers, state, requests } = script(t)
  state.listError = new StatusError('ServiceUnavailable', 'down')
  const informer = informers.of(ConfigMap)
  await clock.advance(600_000)
  assert.ok(requests.length > 12 && requests.length < 24, `${requests.length} requests in ten minutes`)
  state.listError = undefined
  await clock.advance(60_000)
  await informer.synced()
})

test('createInformers tells ever more rarely of one who does not answer, and of which', async (t) => {
  const told: (number | undefined)[] = []
  const warn = (_: string, { resource, failures }: { resource?: string; failures?: number } = {}) => {
    assert.equal(resource, 'v1/configmaps')
    told.push(failures)
  }
  const { clock, informers, state } = script(t, { ...silentLogger, warn } as typeof silentLogger)
  state.listError = new StatusError('InternalError', 'conversion webhook failed')
  const informer = informers.of(ConfigMap)
  await clock.advance(3600_000)
  assert.deepEqual(told.slice(0, 5), [undefined, 2, 4, 8, 16])
  assert.ok(told.length < 9, `told ${told.length} times in an hour`)
  state.listError = undefined
  await clock.advance(60_000)
  await informer.synced()
})

test('createInformers does not spin on watches that end at once', async (t) => {
  const { clock, informers, requests, push } = script(t)
  await informers.of(ConfigMap).synced()
  await clock.advance(0)
  push(undefined)
  await clock.advance(100)
  assert.deepEqual(requests, ['list', 'watch 1'])
})

test('Informer finds by owner, freezes what it shares and drops managed fields', async (t) => {
  const { informers, state } = script(t)
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'owner', controller: true }]
  state.items = [object('a', 1, { ownerReferences, managedFields: [{ manager: 'x' }], labels: { app: 'a' } }), object('b', 1)]
  const informer = informers.of(ConfigMap)
  await informer.synced()
  assert.deepEqual(
    informer.ownedBy('owner').map(({ metadata }) => metadata?.name),
    ['a'],
  )
  const a = informer.get({ namespace: 'default', name: 'a' })!
  assert.equal(a.metadata?.managedFields, undefined)
  assert.throws(() => (a.metadata!.labels!.app = 'b'), TypeError)
})

test('Informer hands out one list until something in it changes', async (t) => {
  const { informers, state, push, settle } = script(t)
  state.items = [object('a', 1)]
  const informer = informers.of(ConfigMap)
  await informer.synced()
  await settle()
  const lists = () => [informer.list(), informer.list('default'), informer.orphans('default')]
  const before = lists()
  assert.ok(lists().every((list, index) => list === before[index]))
  push({ type: 'ADDED', object: object('b', 2) })
  await settle()
  const after = lists()
  assert.deepEqual(
    before.map(({ length }) => length),
    [1, 1, 1],
  )
  assert.deepEqual(
    after.map(({ length }) => length),
    [2, 2, 2],
  )
  push({ type: 'DELETED', object: object('a', 3) })
  push({ type: 'DELETED', object: object('b', 4) })
  await settle()
  assert.deepEqual(lists(), [[], [], []])
})

test('Informer.seen resolves when that version went by, be it in a bookmark', async (t) => {
  const { informers, push, settle } = script(t)
  const informer = informers.of(ConfigMap)
  await informer.synced()
  await settle()
  let seen = false
  void informer.seen('5').then(() => (seen = true))
  push({ type: 'ADDED', object: object('a', 4) })
  await settle()
  assert.equal(seen, false)
  push({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '6' } } })
  await settle()
  assert.equal(seen, true)
})

test('Informers.metadataOf keeps metadata alone unless the whole is held anyway', async (t) => {
  const { informers, state } = script(t)
  state.items = [{ ...object('a', 1), data: { key: 'value' } } as KubeObject]
  const slim = informers.metadataOf(ConfigMap)
  await slim.synced()
  assert.deepEqual(Object.keys(slim.list()[0]!), ['apiVersion', 'kind', 'metadata'])
  assert.equal(informers.existing(ConfigMap), undefined)
  const whole = informers.of(ConfigMap)
  assert.equal(informers.metadataOf(ConfigMap), whole)
})

test('Informer.by finds objects by a value made of them, as they come, change and go', async (t) => {
  const { informers, state, clock, ...world } = script(t)
  const tierOf = ({ metadata }: KubeObject) => metadata?.labels?.['tier'] ?? ''
  state.items = [object('a', 1, { labels: { tier: 'web' } })]
  const informer = informers.of(ConfigMap)
  await clock.advance(0)
  const names = (tier: string) => informer.by(tierOf, tier).map(({ metadata }) => metadata?.name)
  assert.deepEqual([names('web'), names('db')], [['a'], []])
  world.push({ type: 'ADDED', object: object('b', 2, { labels: { tier: 'web' } }) })
  world.push({ type: 'MODIFIED', object: object('a', 3, { labels: { tier: 'db' } }) })
  await clock.advance(0)
  assert.deepEqual([names('web'), names('db')], [['b'], ['a']])
  world.push({ type: 'DELETED', object: object('b', 4, { labels: { tier: 'web' } }) })
  await clock.advance(0)
  assert.deepEqual(names('web'), [])
})
