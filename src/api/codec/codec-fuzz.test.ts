// Seeded noise against every reader: whatever bytes come, the answer is an object or a StatusError, and nothing else is thrown.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#lib/random.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { builtinKinds } from '#api/kinds.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { decodeInto } from '#api/schema/decode.ts'
import { StatusError } from '#api/status.ts'
import { decodeBody } from './decode-body.ts'
import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from './media-type.ts'
import { encodeObject, messageOfSchema } from './protobuf.ts'

const ROUNDS = 6

/** An object with every field of its schema there is room for, as the server would keep it. */
function sample(schema: Schema, random: () => number, depth = 0): unknown {
  const pick = <T>(...values: T[]): T => values[Math.floor(random() * values.length)]!
  switch (schema.type) {
    case 'object': {
      const object: Record<string, unknown> = {}
      if (schema.additionalProperties) {
        for (const key of ['a', 'b.c/d', '__proto__']) {
          Object.defineProperty(object, key, {
            value: sample(schema.additionalProperties, random, depth + 1),
            enumerable: true,
            configurable: true,
            writable: true,
          })
        }
        return object
      }
      for (const [name, field] of Object.entries(schema.properties ?? {})) {
        // Objects inside objects lose their type on the way, with upstream too.
        if (schema.properties?.metadata && (name === 'apiVersion' || name === 'kind')) continue
        if (depth < 3 || random() < 3 / (depth * depth)) object[name] = sample(field, random, depth + 1)
      }
      return object
    }
    case 'array':
      return Array.from({ length: 1 + Math.floor(random() * 2) }, () => sample(schema.items!, random, depth + 1))
    case 'boolean':
      return true
    case 'integer':
      return pick(1, 7, 300, -1, 2147483647)
    case 'number':
      return pick(0.5, -1.25)
    case 'string':
      if (schema.format === 'quantity') return pick('100m', '1Gi', '3')
      if (schema.format === 'date-time') return '2026-01-02T03:04:05Z'
      if (schema.format === 'micro-time') return '2026-01-02T03:04:05.000006Z'
      if (schema.format === 'byte') return Buffer.from('häuser').toString('base64')
      return pick('a', 'ünï"code\\', 'x'.repeat(200))
    default:
      if (schema.format === 'int-or-string') return pick<unknown>(80, 'http')
      if (schema.format === 'schema-or-bool') return pick<unknown>(true, { type: 'string' })
      if (schema.format === 'schema-or-array') return { type: 'string' }
      if (schema.format === 'schema-or-strings') return ['a']
      return { f: { g: [1, null] } }
  }
}

const sampleOf = (kind: Kind, random: () => number): KubeObject => ({
  ...(sample(kind.schema, random) as object),
  apiVersion: kind.group ? `${kind.group}/${kind.version}` : kind.version,
  kind: kind.kind,
})

test('encodeObject loses nothing of any kind, and is deterministic', () => {
  const random = seededRandom(1)
  for (const kind of builtinKinds) {
    const message = messageOfSchema(kind.schema)
    assert.ok(message, `${kind.kind} has a message`)
    for (let round = 0; round < ROUNDS; round++) {
      const object = sampleOf(kind, () => random.float())
      const bytes = encodeObject(object, message)
      assert.deepEqual(encodeObject(object, message), bytes)
      const decoded = decodeBody(bytes, PROTOBUF_TYPE, { expected: kind }).object
      const canonical = structuredClone(object)
      decodeInto(canonical, kind.schema)
      assert.ok(sorted(decoded) === sorted(canonical), `${kind.kind} in round ${round}`)
    }
  }
})

test('decodeBody answers or refuses damaged bodies of every format', () => {
  const random = seededRandom(2)
  const outcomes = { read: 0, refused: 0 }
  const kinds: Kind<any>[] = [...builtinKinds.filter((_, index) => index % 7 === 0), CustomResourceDefinition]
  for (const kind of kinds) {
    for (let round = 0; round < ROUNDS * 8; round++) {
      const object = sampleOf(kind, () => random.float())
      const text = Buffer.from(JSON.stringify(object).slice(0, 2000))
      for (const [type, bytes] of [
        [JSON_TYPE, text],
        [YAML_TYPE, text],
        [PROTOBUF_TYPE, encodeObject(object, messageOfSchema(kind.schema)!)],
      ] as const) {
        const damaged = damage(bytes, () => random.float())
        try {
          JSON.stringify(decodeBody(damaged, type, { expected: kind }).object)
          outcomes.read++
        } catch (error) {
          assert.ok(error instanceof StatusError, `${type} ${damaged.toString('base64')}: ${error}`)
          outcomes.refused++
        }
      }
    }
  }
  assert.ok(outcomes.read > 0 && outcomes.refused > 0, JSON.stringify(outcomes))
})

function damage(bytes: Buffer, random: () => number): Buffer {
  const result = Buffer.from(bytes)
  const count = Math.floor(random() * 4)
  for (let index = 0; index < count; index++) result[Math.floor(random() * result.length)] = Math.floor(random() * 256)
  return random() < 0.3 ? result.subarray(0, Math.floor(random() * result.length)) : result
}

function sorted(value: unknown): string {
  const order = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(order)
    if (typeof one !== 'object' || one === null) return one
    return Object.entries(one)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, order(inner)])
  }
  return JSON.stringify(order(value))
}
