import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { keyOf, keyText, type KubeObject, type ObjectKey } from '#api/object.ts'
import { alreadyExistsError, notFoundError, StatusError } from '#api/status.ts'
import { createLogger, type Logger, silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import type { Client, WatchEvent } from './client.ts'
import type { Controller } from './controller.ts'
import { createControllerService } from './controller-loop.ts'
import { itself } from './triggers.ts'

/** One kind in memory whose watch can be held back: what the loop promises shows only when informers lag. */
function lagging() {
  const objects = new Map<string, KubeObject>()
  const watchers = new Set<(event: WatchEvent<any>) => void>()
  let version = 0
  let held: WatchEvent<any>[] | undefined
  const tell = (event: WatchEvent<any>) => {
    if (held) held.push(event)
    else for (const watcher of watchers) watcher(event)
  }
  const store = (type: 'ADDED' | 'MODIFIED', object: KubeObject) => {
    const uid = object.metadata?.uid ?? `uid-${object.metadata?.name}`
    const stored = { ...object, metadata: { ...object.metadata, uid, resourceVersion: String(++version) } }
    objects.set(keyText(keyOf(stored)), stored)
    tell({ type, object: stored })
    return stored
  }
  const client = {
    list: async () => ({ items: [...objects.values()], metadata: { resourceVersion: String(version) } }),
    async *watch(_: unknown, { signal }: { signal: AbortSignal }) {
      const queue: WatchEvent<any>[] = []
      let wake = Promise.withResolvers<void>()
      const watcher = (event: WatchEvent<any>) => (queue.push(event), wake.resolve())
      watchers.add(watcher)
      signal.addEventListener('abort', () => wake.resolve())
      while (!signal.aborted) {
        await wake.promise
        wake = Promise.withResolvers()
        yield* queue.splice(0)
      }
    },
    async create(_: unknown, object: KubeObject) {
      if (objects.has(keyText(keyOf(object)))) throw alreadyExistsError(ConfigMap, object.metadata!.name!)
      return store('ADDED', object)
    },
    update: async (_: unknown, object: KubeObject) => store('MODIFIED', object),
    async delete(_: unknown, key: ObjectKey) {
      const object = objects.get(keyText(key))
      if (!object) throw notFoundError(ConfigMap, key.name)
      objects.delete(keyText(key))
      tell({ type: 'DELETED', object: { ...object, metadata: { ...object.metadata, resourceVersion: String(++version) } } })
      return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }
    },
  } as unknown as Client
  return {
    client,
    hold: () => void (held = []),
    release() {
      const events = held ?? []
      held = undefined
      for (const event of events) tell(event)
    },
  }
}

const HOUR_MS = 3600_000

const named = (name: string): ConfigMap => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', name } })

async function run(
  t: { after(fn: () => unknown): void },
  client: Client,
  controller: Omit<Controller, 'name' | 'triggers'>,
  log: Logger = silentLogger,
) {
  const clock = createVirtualClock()
  const options = { client, clock, random: seededRandom(1), log }
  const service = createControllerService({ name: 'test', triggers: [itself(ConfigMap)], ...controller }, options)
  const running = await service.start(new AbortController().signal)
  t.after(() => running[Symbol.asyncDispose]())
  return { clock, counters: service.counters, running }
}

test('createControllerService does not reconcile a key again before its informers have seen its own write', async (t) => {
  const world = lagging()
  const passes: (string | undefined)[] = []
  const { clock } = await run(t, world.client, {
    async reconcile(key, { client, informers }) {
      const seen = informers.of(ConfigMap).get(key)
      passes.push(seen?.data?.['count'])
      if (passes.length > 1) return
      world.hold()
      await client.update(ConfigMap, { ...named(key.name), data: { count: '1' } })
      return { requeueAfterMs: 10 }
    },
  })
  await world.client.create(ConfigMap, named('a'))
  await clock.advance(1000)
  assert.deepEqual(passes, [undefined])
  world.release()
  await clock.advance(0)
  assert.deepEqual(passes.slice(0, 2), [undefined, '1'])
})

test('createControllerService tries again with backoff where it is asked to, and counts no error', async (t) => {
  const world = lagging()
  const times: number[] = []
  const { clock, counters } = await run(t, world.client, {
    retryMs: { first: 200, most: 1000 },
    async reconcile(_, context) {
      times.push(context.clock.monotonic())
      return times.length < 5 ? { retry: true } : {}
    },
  })
  await world.client.create(ConfigMap, named('a'))
  await clock.advance(60_000)
  assert.deepEqual(
    times.map((time) => time - times[0]!),
    [0, 200, 600, 1400, 2400],
  )
  assert.equal(counters().errors, 0)
})

test('createControllerService gives a key up after so many retries, until something concerns it or half a day to a day has passed', async (t) => {
  const world = lagging()
  const times: number[] = []
  const { clock } = await run(t, world.client, {
    retryMs: { first: 1000, most: 4000 },
    retries: 3,
    async reconcile(_, context) {
      times.push(context.clock.monotonic())
      throw new StatusError('Forbidden', 'no')
    },
  })
  const passes = () => times.splice(0).map((time, _, all) => time - all[0]!)
  await world.client.create(ConfigMap, named('a'))
  await clock.advance(6 * HOUR_MS)
  assert.deepEqual(passes(), [0, 1000, 3000, 7000])
  await world.client.update(ConfigMap, named('a'))
  await clock.advance(HOUR_MS)
  assert.deepEqual(passes(), [0, 1000, 3000, 7000])
  await clock.advance(24 * HOUR_MS)
  assert.ok(passes().length >= 4)
})

test('createControllerService looks no more at a key that it had given up once all is well', async (t) => {
  const world = lagging()
  const passes: string[] = []
  const forbidden = { is: true }
  const { clock } = await run(t, world.client, {
    retryMs: { first: 1000, most: 4000 },
    retries: 3,
    async reconcile({ name }) {
      passes.push(name)
      if (forbidden.is) throw new StatusError('Forbidden', 'no')
    },
  })
  await world.client.create(ConfigMap, named('a'))
  await clock.advance(HOUR_MS)
  forbidden.is = false
  passes.length = 0
  await world.client.delete(ConfigMap, { namespace: 'default', name: 'a' })
  await clock.advance(25 * HOUR_MS)
  assert.deepEqual(passes, ['a'])
})

test('createControllerService gives no key up while the API server cannot answer', async (t) => {
  const reasons = ['ServiceUnavailable', 'InternalError', 'TooManyRequests'] as const
  for (const error of [...reasons.map((reason) => new StatusError(reason, 'not now')), new Error('no space left')]) {
    const world = lagging()
    let passes = 0
    const away = { is: true }
    const { clock } = await run(t, world.client, {
      retryMs: { first: 1000, most: 4000 },
      retries: 3,
      async reconcile() {
        passes++
        if (away.is) throw error
      },
    })
    await world.client.create(ConfigMap, named('a'))
    await clock.advance(HOUR_MS)
    away.is = false
    const before = passes
    await clock.advance(10_000)
    assert.equal(passes - before, 1, error.message)
  }
})

test('createControllerService logs a refusal in one line, and where anything else came about', async (t) => {
  const world = lagging()
  const lines: Record<string, string>[] = []
  const log = createLogger({ write: (line) => lines.push(JSON.parse(line)), now: () => 0 })
  const errors = [new StatusError('Forbidden', 'exceeded quota'), new Error('broken')]
  const { clock } = await run(
    t,
    world.client,
    {
      async reconcile() {
        const error = errors.shift()
        if (error) throw error
      },
    },
    log,
  )
  await world.client.create(ConfigMap, named('a'))
  await clock.advance(1000)
  assert.equal(lines[0]!['error'], 'StatusError: exceeded quota')
  assert.match(lines[1]!['error']!, /^Error: broken\n +at /)
})

test('createControllerService counts refusals in a row alone before it gives a key up', async (t) => {
  const world = lagging()
  let passes = 0
  const { clock } = await run(t, world.client, {
    retryMs: { first: 1000, most: 4000 },
    retries: 3,
    async reconcile() {
      passes++
      if (passes < 100) throw new StatusError(passes % 4 === 0 ? 'Timeout' : 'Conflict', 'not now')
    },
  })
  await world.client.create(ConfigMap, named('a'))
  await clock.advance(HOUR_MS)
  assert.equal(passes, 100)
})

test('createControllerService waits for its own deletions too', async (t) => {
  const world = lagging()
  const passes: boolean[] = []
  const { clock } = await run(t, world.client, {
    async reconcile(key, { client, informers }) {
      const present = informers.of(ConfigMap).get(key) !== undefined
      passes.push(present)
      if (!present) return
      world.hold()
      await client.delete(ConfigMap, key)
      return { requeueAfterMs: 10 }
    },
  })
  await world.client.create(ConfigMap, named('a'))
  await clock.advance(1000)
  assert.deepEqual(passes, [true])
  world.release()
  await clock.advance(0)
  assert.ok(passes.length > 1 && !passes.slice(1).includes(true))
})

test('createControllerService retries a failing key later and later, others meanwhile at once', async (t) => {
  const world = lagging()
  const at: number[] = []
  let healthy = 0
  const { clock, counters } = await run(t, world.client, {
    async reconcile({ name }, { clock: now }) {
      if (name === 'good') return void healthy++
      at.push(now.monotonic())
      if (at.length < 4) throw new StatusError('InternalError', 'no')
    },
  })
  await world.client.create(ConfigMap, named('bad'))
  await world.client.create(ConfigMap, named('good'))
  await clock.advance(1000)
  assert.deepEqual(at, [0, 5, 15, 35])
  assert.equal(healthy, 1)
  assert.deepEqual([counters().errors, counters().retries], [3, 3])
})

test('createControllerService stops its workers and timers', async (t) => {
  const world = lagging()
  const { clock, running } = await run(t, world.client, { reconcile: async () => ({ requeueAfterMs: 5000 }) })
  await world.client.create(ConfigMap, named('a'))
  await clock.advance(0)
  assert.equal(clock.pending().length, 1)
  await running[Symbol.asyncDispose]()
  assert.deepEqual(clock.pending(), [])
})

test('createControllerService lets what calls for a key while it rests come together in one pass, others meanwhile at once', async (t) => {
  const world = lagging()
  const passes: string[] = []
  const { clock, running } = await run(t, world.client, {
    async reconcile({ name }, { clock: now }) {
      passes.push(`${name} ${now.monotonic()}`)
      return { restMs: 100 }
    },
  })
  await world.client.create(ConfigMap, named('a'))
  await clock.advance(10)
  for (const count of ['1', '2', '3']) await world.client.update(ConfigMap, { ...named('a'), data: { count } })
  await world.client.create(ConfigMap, named('b'))
  await clock.advance(1000)
  assert.deepEqual(passes, ['a 0', 'b 10', 'a 100'])
  await world.client.update(ConfigMap, { ...named('b'), data: { count: '1' } })
  await clock.advance(0)
  await running[Symbol.asyncDispose]()
  assert.deepEqual(passes.slice(3), ['b 1010'])
})
