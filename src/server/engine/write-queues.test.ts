import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '#lib/clock.ts'
import { nextTurn } from '#lib/paced.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import type { AdmissionPlugin } from '#server/request.ts'
import { openEtcdStore } from '#store/etcd/etcd.ts'
import { noEtcd, startEtcd } from '#store/etcd/testing.ts'
import { configMap, IN_DEFAULT, type Requests, startRequests } from './requests.ts'
import { WriteQueues } from './write-queues.ts'

const MAPS = `${IN_DEFAULT}/configmaps`
const WRITERS = 64
const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))

type Send = Requests['send']
const applying = (send: Send) => (i: number) =>
  send('PATCH apply', `${MAPS}/a?fieldManager=m${i}`, { apiVersion: 'v1', kind: 'ConfigMap', data: { [`k${i}`]: 'x' } })
const patching = (send: Send) => (i: number) => send('PATCH merge', `${MAPS}/a`, { data: { [`k${i}`]: 'x' } })
const operating = (send: Send) => (i: number) => send('PATCH json', `${MAPS}/a`, [{ op: 'add', path: `/data/k${i}`, value: 'x' }])
const replacing = (send: Send) => (i: number) => send('PUT', `${MAPS}/a`, configMap('a', { all: `${i}` }))

test('WritePlace lets one after the other through, in the order in which they came', async () => {
  const queues = new WriteQueues(createVirtualClock())
  const places = times(3, () => queues.place('a'))
  const order: number[] = []
  const turns = places.map((place, i) => place.turn().then(() => order.push(i)))
  assert.ok(queues.place('a').isCrowded && !queues.place('b').isCrowded)
  await turns[0]
  assert.deepEqual(order, [0])
  places[0]![Symbol.dispose]()
  await turns[1]
  assert.deepEqual(order, [0, 1])
  places[2]![Symbol.dispose]()
  places[1]![Symbol.dispose]()
  assert.ok(!queues.place('a').isCrowded)
})

test('WritePlace does not wait for ever, and keeps its place', async () => {
  const clock = createVirtualClock()
  const queues = new WriteQueues(clock)
  const [first, second] = [queues.place('a'), queues.place('a')]
  await first.turn()
  let passed = 0
  const turn = second.turn().then(() => passed++)
  await clock.advance(999)
  assert.equal(passed, 0)
  await clock.advance(1)
  await turn
  const next = second.turn()
  first[Symbol.dispose]()
  await next
  assert.deepEqual(clock.pending(), [])
})

/** Somebody takes his time over each write: all who come at once have read the same version. */
const thoughtful: AdmissionPlugin = { name: 'Thoughtful', validate: () => nextTurn() }
const extensions = () => ({ admission: [thoughtful] })

for (const [what, write] of Object.entries({ apply: applying, 'merge patch': patching, 'JSON patch': operating, update: replacing }))
  test(`${what} of one object by ${WRITERS} writers at once, and once more, reaches it every time`, async () => {
    await using t = await startRequests({ extensions })
    await t.send('POST', MAPS, configMap('a', { first: 'x' }))
    const one = write(t.send)
    const answers = await Promise.all(times(WRITERS, async (i) => [await one(i), await one(i + WRITERS)]))
    for (const { status, json } of answers.flat()) assert.equal(status, 200, json.message)
    const { data } = (await t.send('GET', `${MAPS}/a`)).json
    assert.equal(Object.keys(data).length, write === replacing ? 1 : 2 * WRITERS + 1)
  })

test('apply of what is not there by many at once creates it once and reaches it every time', async () => {
  await using t = await startRequests({ extensions })
  const answers = await Promise.all(times(WRITERS, applying(t.send)))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [...times(WRITERS - 1, () => 200), 201])
  assert.equal(Object.keys((await t.send('GET', `${MAPS}/a`)).json.data).length, WRITERS)
})

test('a write that names the version it was made for does not wait for a crowd', async () => {
  const crowded = Promise.withResolvers<void>()
  const hold = Promise.withResolvers<void>()
  let seen = 0
  const admission: AdmissionPlugin = {
    name: 'Holding',
    async validate({ operation, object }) {
      if (operation === 'CREATE' || (object as { data: { pinned?: string } }).data.pinned) return
      await nextTurn()
      // Three come at once, one gets through: the fourth time it is the first of those who queue.
      if (++seen < 4) return
      crowded.resolve()
      await hold.promise
    },
  }
  await using t = await startRequests({ extensions: () => ({ admission: [admission] }) })
  await t.send('POST', MAPS, configMap('a', { first: 'x' }))
  const crowd = times(3, patching(t.send))
  await crowded.promise
  const { resourceVersion } = (await t.send('GET', `${MAPS}/a`)).json.metadata
  const pinned = (value: string) => t.send('PATCH merge', `${MAPS}/a`, { metadata: { resourceVersion }, data: { pinned: value } })
  assert.equal((await pinned('x')).status, 200)
  hold.resolve()
  for (const { status } of await Promise.all(crowd)) assert.equal(status, 200)
  assert.equal((await pinned('y')).status, 409)
})

test('a write of an object within the admission of another one of it waits for that one no longer than a second', async () => {
  const clock = createVirtualClock()
  let inner = 0
  const admission: AdmissionPlugin[] = [
    {
      name: 'Writing',
      async validate({ object }) {
        if ((object as { data?: object }).data && 'outer' in (object as { data: object }).data && inner++ < 2)
          assert.equal((await t.send('PATCH merge', `${MAPS}/a`, { metadata: { labels: { [`l${inner}`]: 'x' } } })).status, 200)
      },
    },
  ]
  await using t = await startRequests({ clock, extensions: () => ({ admission }) })
  await t.send('POST', MAPS, configMap('a'))
  const outer = t.send('PATCH merge', `${MAPS}/a`, { data: { outer: 'x' } })
  await clock.advance(1000)
  assert.equal((await outer).status, 200)
  const { metadata, data } = (await t.send('GET', `${MAPS}/a`)).json
  assert.deepEqual([metadata.labels, data], [{ l1: 'x', l2: 'x' }, { outer: 'x' }])
})

test('writes of one object through two servers on one etcd reach it every time', { skip: noEtcd }, async () => {
  await using etcd = await startEtcd()
  const open = () => openEtcdStore({ target: { addresses: [etcd.address] }, clock: systemClock })
  await using one = open()
  await using other = open()
  await using first = await startRequests({ store: one, extensions })
  await using second = await startRequests({ store: other, extensions })
  await first.send('POST', MAPS, configMap('a', { first: 'x' }))
  const answers = await Promise.all(times(WRITERS, (i) => [applying, patching, operating][i % 3]!(i % 2 ? first.send : second.send)(i)))
  for (const { status, json } of answers) assert.equal(status, 200, json.message)
  assert.equal(Object.keys((await second.send('GET', `${MAPS}/a`)).json.data).length, WRITERS + 1)
})
