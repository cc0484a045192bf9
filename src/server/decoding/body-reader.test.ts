import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conclude } from '#api/codec/decode-body.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { BodyReader, LARGE_BYTES } from './body-reader.ts'
import { carryOut, type Job, readingOf } from './jobs.ts'
import { assemble, piecesOf } from './pieces.ts'

const { group, version, kind, schema } = ConfigMap
const object = (format: 'json' | 'yaml'): Job => ({
  read: 'object',
  format,
  target: { group, version, kind },
  definition: schema.name!,
  options: { fieldValidation: 'Warn' },
})
const data = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`key${i}`, `value ${i}`]))
const map = (more: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: data(20_000), ...more })
const yaml = (lines: string) => `${Array.from({ length: 20_000 }, (_, i) => `key${i}: value\n`).join('')}${lines}`

const CASES: [string, Job, string][] = [
  ['an object', object('json'), JSON.stringify(map())],
  ['unknown fields', object('json'), JSON.stringify(map({ 'other.field': 1 }))],
  ['fields that occur twice', object('json'), `${JSON.stringify(map()).slice(0, -1)},"data":{"a":"b"}}`],
  ['a wrong type', object('json'), JSON.stringify(map({ immutable: 'yes' }))],
  ['broken JSON', object('json'), JSON.stringify(map()).slice(0, -1)],
  ['another kind', object('json'), JSON.stringify(map({ kind: 'Secret' }))],
  ['YAML', object('yaml'), yaml('apiVersion: v1\nkind: ConfigMap\n')],
  ['broken YAML', object('yaml'), yaml(']')],
  ['a patch', { read: 'patch', type: 'merge', complain: true }, JSON.stringify(map())],
  [
    'a JSON patch with a strange field',
    { read: 'patch', type: 'json', complain: true },
    JSON.stringify([{ op: 'add', path: '/data', value: data(20_000), foo: 1 }]),
  ],
  ['a patch that is none', { read: 'patch', type: 'strategic', complain: true }, JSON.stringify([data(20_000)])],
  ['an apply', { read: 'yaml' }, yaml('')],
  ['an answer', { read: 'json' }, JSON.stringify(map())],
  ['a broken answer', { read: 'json' }, `${JSON.stringify(map())}}`],
]

for (const [name, job, text] of CASES) {
  test(`BodyReader reads ${name} in a thread as it is read at once`, async () => {
    await using reader = new BodyReader({ clock: systemClock, log: silentLogger })
    const body = Buffer.from(text)
    assert.ok(body.length > LARGE_BYTES)
    const reading = reader.read(job, body)
    assert.ok(reading instanceof Promise)
    assert.deepEqual(await reading, carryOut(job, body))
  })
}

test('BodyReader refuses with the words of a small body', async () => {
  await using reader = new BodyReader({ clock: systemClock, log: silentLogger })
  const refusalOf = async (job: Job, text: string) => {
    const body = Buffer.from(text)
    const reading = readingOf(await reader.read(job, body))
    try {
      conclude(reading, { body, expected: ConfigMap })
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  const small = JSON.stringify({ ...map({ immutable: 'yes' }), data: {} })
  assert.equal(await refusalOf(object('json'), JSON.stringify(map({ immutable: 'yes' }))), await refusalOf(object('json'), small))
  assert.match(await refusalOf(object('json'), small), /cannot unmarshal string into Go struct field ConfigMap.immutable of type bool/)
})

test('BodyReader goes on when its thread dies of one body', async () => {
  await using reader = new BodyReader({ clock: systemClock, log: silentLogger })
  // Deeper than a thread's stack, were it not refused before.
  const deep = Buffer.from('['.repeat(3_000_000))
  const outcomes = await Promise.all([reader.read({ read: 'yaml' }, deep), reader.read(object('json'), Buffer.from(JSON.stringify(map())))])
  assert.ok(outcomes[0].fault)
  assert.deepEqual(outcomes[1].value, { ...map() })
})

test('piecesOf leaves a long text whole', async () => {
  const text = 'x'.repeat(100_000)
  const pieces = piecesOf(text)
  assert.equal(pieces.length, 1)
  assert.equal(await assemble(pieces, async () => {}), text)
})

test('piecesOf divides what is large so that assemble makes the same of it', async () => {
  const random = seededRandom(1)
  const make = (depth: number): unknown => {
    const draw = random.float()
    if (depth === 0 || draw < 0.3)
      return draw < 0.1 ? null : draw < 0.2 ? 'x'.repeat(Math.floor(random.float() * 40_000)) : Math.floor(draw * 1e6)
    const length = Math.floor(random.float() * 12)
    if (draw < 0.6) return Array.from({ length }, () => make(depth - 1))
    return Object.fromEntries(Array.from({ length }, (_, i) => [i === 3 ? '__proto__' : `k${i}`, make(depth - 1)]))
  }
  let divided = 0
  for (let round = 0; round < 60; round++) {
    const value = make(5)
    const pieces = piecesOf(value)
    if (pieces.length > 1) divided++
    const again = await assemble(pieces, async () => {})
    assert.equal(JSON.stringify(again), JSON.stringify(value))
  }
  assert.ok(divided > 10, String(divided))
  assert.equal(({} as Record<string, unknown>)['k0'], undefined)
})
