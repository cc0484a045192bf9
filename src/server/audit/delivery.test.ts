import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { startStranger } from '#server/outgoing/testing.ts'
import type { AuditEvent } from './audit-record.ts'
import { type AuditDelivery, type AuditSink, auditBackend } from './delivery.ts'
import { auditWebhook } from './webhook.ts'

const event = (text: string, truncated?: string): AuditEvent => ({
  text,
  ...(truncated === undefined ? {} : { truncated: () => truncated }),
})
const BATCH = { bufferSize: 4, maxSize: 2, maxWaitMs: 0, atOnce: 1 }

function sinkOf(deliver: (events: readonly string[]) => Promise<void> = async () => {}) {
  const batches: string[][] = []
  const sink: AuditSink = {
    name: 'test',
    async deliver(events) {
      batches.push([...events])
      await deliver(events)
    },
    async [Symbol.asyncDispose]() {},
  }
  return { sink, batches }
}

const parts = { clock: systemClock, log: silentLogger }

test('auditBackend in batch mode sends batches of its size, in order, and drops what finds no room', async () => {
  const { sink, batches } = sinkOf()
  const backend = auditBackend(sink, { mode: 'batch', batch: BATCH }, parts)
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].map((text) => backend.write(event(text))),
    [true, true, true, true, false],
  )
  await backend[Symbol.asyncDispose]()
  assert.deepEqual(batches, [
    ['a', 'b'],
    ['c', 'd'],
  ])
})

test('auditBackend in batch mode gathers for a while and sends no faster than it may', async () => {
  const clock = createVirtualClock(0)
  const { sink, batches } = sinkOf()
  const batch = { ...BATCH, bufferSize: 10, maxWaitMs: 1000, throttle: { qps: 1, burst: 1 } }
  const backend = auditBackend(sink, { mode: 'batch', batch }, { ...parts, clock })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  backend.write(event('a'))
  await settle()
  assert.deepEqual(batches, [])
  await clock.advance(1000)
  await settle()
  assert.deepEqual(batches, [['a']])
  for (const text of ['b', 'c', 'd', 'e']) backend.write(event(text))
  await settle()
  for (const sent of [1, 2]) {
    assert.equal(batches.length, sent)
    await clock.advance(1000)
    await settle()
  }
  assert.deepEqual(batches, [['a'], ['b', 'c'], ['d', 'e']])
  await backend[Symbol.asyncDispose]()
})

test('auditBackend in batch mode counts what its sink could not take', async () => {
  const { sink } = sinkOf(async () => {
    throw new Error('no')
  })
  const backend = auditBackend(sink, { mode: 'batch', batch: BATCH }, parts)
  backend.write(event('a'))
  await backend[Symbol.asyncDispose]()
  assert.equal(backend.failures, 1)
})

for (const mode of ['blocking', 'blocking-strict'] as const)
  test(`auditBackend in ${mode} mode says whether the event is there`, async () => {
    const { sink } = sinkOf(async ([text]) => {
      if (text === 'bad') throw new Error('no')
    })
    await using backend = auditBackend(sink, { mode, batch: BATCH }, parts)
    assert.equal(backend.strict, mode === 'blocking-strict')
    assert.deepEqual([await backend.write(event('good')), await backend.write(event('bad'))], [true, false])
  })

const TRUNCATED: [what: string, event: AuditEvent, sent: string | undefined][] = [
  ['small', event('{"a":1}', '{}'), '{"a":1}'],
  ['large', event('x'.repeat(20), '{"t":1}'), '{"t":1}'],
  ['large even so', event('x'.repeat(20), 'x'.repeat(11)), undefined],
  ['large and without objects', event('x'.repeat(20)), undefined],
  ['large in bytes', event('ü'.repeat(6), '{}'), '{}'],
]
for (const mode of ['batch', 'blocking'] as const)
  test(`auditBackend in ${mode} mode takes the objects out of what is too large`, async () => {
    for (const [what, given, sent] of TRUNCATED) {
      const { sink, batches } = sinkOf()
      const delivery: AuditDelivery = { mode, batch: BATCH, truncate: { maxEventBytes: 10, maxBatchBytes: 15 } }
      const backend = auditBackend(sink, delivery, parts)
      assert.equal(await backend.write(given), sent !== undefined, what)
      await backend[Symbol.asyncDispose]()
      assert.deepEqual(batches.flat(), sent === undefined ? [] : [sent], what)
    }
  })

test('auditBackend makes batches smaller than the bytes they may have', async () => {
  const { sink, batches } = sinkOf()
  const batch = { ...BATCH, maxSize: 4 }
  const backend = auditBackend(sink, { mode: 'batch', batch, truncate: { maxEventBytes: 10, maxBatchBytes: 15 } }, parts)
  for (const text of ['a'.repeat(8), 'b'.repeat(8), 'c']) backend.write(event(text))
  await backend[Symbol.asyncDispose]()
  assert.deepEqual(
    batches.map((texts) => texts.map(({ length }) => length)),
    [[8], [8, 1]],
  )
})

test('auditWebhook posts an EventList and tries again whatever is answered', async () => {
  const statuses = [500, 404, 200]
  await using stranger = await startStranger((_call, response) => {
    response.statusCode = statuses.shift()!
    response.end()
  })
  const sleeps: number[] = []
  const clock = { ...systemClock, sleep: async (ms: number) => void sleeps.push(ms) }
  const place = {
    url: `${stranger.url}/events`,
    ca: Buffer.from(stranger.caBundle, 'base64').toString(),
    headers: { authorization: 'Bearer t' },
  }
  await using sink = auditWebhook({ place, initialBackoffMs: 100 }, { clock, random: seededRandom(1) })
  await sink.deliver(['{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata"}', '{"level":"Request"}'])
  assert.equal(stranger.calls.length, 3)
  const { method, path, headers, body } = stranger.calls[2]!
  assert.deepEqual(
    [method, path, headers.authorization, headers['content-type']],
    ['POST', '/events?timeout=30s', 'Bearer t', 'application/json'],
  )
  assert.deepEqual(JSON.parse(body), {
    kind: 'EventList',
    apiVersion: 'audit.k8s.io/v1',
    metadata: {},
    items: [{ level: 'Metadata' }, { level: 'Request' }],
  })
  assert.equal(sleeps.length, 2)
  assert.ok(sleeps[0]! >= 100 && sleeps[0]! <= 120 && sleeps[1]! >= 150 && sleeps[1]! <= 180)
})

test('auditWebhook gives up once nobody waits any longer', async () => {
  await using stranger = await startStranger((_call, response) => {
    response.statusCode = 500
    response.end()
  })
  const place = { url: stranger.url, ca: Buffer.from(stranger.caBundle, 'base64').toString(), headers: {} }
  await using sink = auditWebhook({ place, initialBackoffMs: 60_000 }, { clock: systemClock, random: seededRandom(1) })
  const delivered = sink.deliver(['{}'])
  sink.hurry!()
  await assert.rejects(delivered, /the webhook answered 500/)
  assert.equal(stranger.calls.length, 1)
})
