import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { ProtobufReader } from '#api/codec/protobuf-reader.ts'
import { systemClock } from '#lib/clock.ts'
import { startRequests } from '#server/engine/requests.ts'
import { pprof } from './pprof.ts'
import { profilePages } from './profile-pages.ts'

/** Of a message: lists of what each field has, numbers or bytes. */
function fieldsOf(bytes: Uint8Array): Record<number, (number | Buffer)[]> {
  const reader = new ProtobufReader(bytes)
  const fields: Record<number, (number | Buffer)[]> = {}
  while (!reader.done) {
    const tag = reader.tag()
    ;(fields[tag >>> 3] ??= []).push((tag & 7) === 0 ? Number(reader.int64()) : reader.bytes())
  }
  return fields
}

const numbers = (bytes: Buffer): number[] => {
  const reader = new ProtobufReader(bytes)
  const all: number[] = []
  while (!reader.done) all.push(Number(reader.int64()))
  return all
}

/** As pprof's readers read it: stacks of `name file:line`, with values. */
function read(bytes: Uint8Array) {
  const profile = fieldsOf(bytes)
  const texts = profile[6]!.map(String)
  const messages = (field: number) => (profile[field] ?? []).map((one) => fieldsOf(one as Buffer))
  const functions = new Map(messages(5).map((one) => [one[1]![0], one]))
  const locations = new Map(
    messages(4).map((one) => {
      const line = fieldsOf(one[4]![0] as Buffer)
      const [name, file] = [2, 4].map((field) => texts[functions.get(line[1]![0]!)![field]![0] as number])
      return [one[1]![0], `${name} ${file}:${line[2]![0]}`]
    }),
  )
  return {
    measures: messages(1).map((one) => `${texts[one[1]![0] as number]}/${texts[one[2]![0] as number]}`),
    stacks: messages(2).map((one) => ({
      frames: numbers(one[1]![0] as Buffer).map((at) => locations.get(at)!),
      values: numbers(one[2]![0] as Buffer),
    })),
    texts,
    period: profile[12]![0],
  }
}

test('pprof has stacks, values and texts as its readers want them', () => {
  const frame = (functionName: string, lineNumber: number) => ({ functionName, url: '/a.ts', lineNumber })
  const stacks = [
    { frames: [frame('inner', 9), frame('outer', 1)], values: [3, 30_000_000] },
    { frames: [frame('outer', 1)], values: [1, 5_000_000_000] },
  ]
  const cpu = { type: 'cpu', unit: 'nanoseconds' }
  const told = read(
    pprof({ measures: [{ type: 'samples', unit: 'count' }, cpu], stacks, period: { ...cpu, value: 10 }, atMs: 1, durationMs: 2 }),
  )
  assert.deepEqual(told.measures, ['samples/count', 'cpu/nanoseconds'])
  assert.deepEqual(told.stacks, [
    { frames: ['inner /a.ts:10', 'outer /a.ts:2'], values: [3, 30_000_000] },
    { frames: ['outer /a.ts:2'], values: [1, 5_000_000_000] },
  ])
  assert.equal(told.texts[0], '')
  assert.equal(told.period, 10)
})

const kept: unknown[] = []

/** A name to be found again. */
function spendEverything(): void {
  const end = systemClock.monotonic() + 5
  while (systemClock.monotonic() < end) {
    const made = Array.from({ length: 100 }, (_, at) => ({ at }))
    if (kept.length < 20_000) kept.push(made)
  }
}

for (const [name, measures] of [
  ['profile', ['samples/count', 'cpu/nanoseconds']],
  ['heap', ['inuse_objects/count', 'inuse_space/bytes']],
  ['allocs', ['alloc_objects/count', 'alloc_space/bytes']],
] as const) {
  test(`profilePages shows what is spent meanwhile: ${name}`, async () => {
    const pages = profilePages()
    const { signal } = new AbortController()
    // What it keeps from now on is held when the profile ends.
    kept.length = 0
    const asked = pages(`/debug/pprof/${name}`, new URLSearchParams('seconds=1'), signal)!
    const second = await pages(`/debug/pprof/heap`, new URLSearchParams(), signal)!
    assert.deepEqual([second.status, second.body], [500, 'Could not enable profiling: profiling already in use\n'])
    const spent = new AbortController()
    void asked.finally(() => spent.abort())
    while (!spent.signal.aborted) {
      spendEverything()
      await setImmediate()
    }
    const page = await asked
    assert.deepEqual([page.status, page.type], [200, 'application/octet-stream'])
    const told = read(gunzipSync(page.body))
    assert.deepEqual(told.measures, measures)
    const found = told.stacks.filter(({ frames }) => frames.some((one) => one.startsWith('spendEverything /')))
    assert.ok(found.length > 0 && found.every(({ values }) => values[1]! > 0), told.texts.join(' '))
  })
}

test('profilePages bounds how long it looks, and ends when nobody waits', async () => {
  const pages = profilePages()
  const gone = new AbortController()
  const long = await pages('/debug/pprof/profile', new URLSearchParams('seconds=121'), gone.signal)!
  assert.deepEqual([long.status, long.body], [400, 'profile duration exceeds 120 seconds\n'])
  const asked = pages('/debug/pprof/profile', new URLSearchParams('seconds=100'), gone.signal)!
  gone.abort(new Error('gone'))
  await assert.rejects(asked)
  const again = await pages('/debug/pprof/profile', new URLSearchParams('seconds=0.01'), new AbortController().signal)!
  assert.equal(again.status, 200)
})

test('/debug/pprof/ is for those who may see it', async () => {
  await using t = await startRequests()
  assert.equal((await t.send('GET', '/debug/pprof')).headers.location, '/debug/pprof/')
  assert.match((await t.send('GET', '/debug/pprof/')).text, /href="profile"/)
  const { status, headers } = await t.send('GET', '/debug/pprof/profile?seconds=0.01')
  assert.deepEqual([status, headers['content-disposition']], [200, 'attachment; filename="profile"'])
  const unknown = await t.send('GET', '/debug/pprof/goroutine')
  assert.deepEqual([unknown.status, unknown.text], [404, 'Unknown profile\n'])
})
