// For tests: objects of any kind with fields nobody would think of together, from a seed. Not all are valid: the server's refusal says what to leave out.
import { clone, getOwn, isObject, setOwn } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import type { Random } from '#lib/random.ts'
import { minimalObject } from './minimal-objects.ts'

export const pick = <T>(random: Random, values: readonly T[]): T => values[Math.floor(random.float() * values.length)]!
export const chance = (random: Random, probability: number): boolean => random.float() < probability

/** What a hostile or careless client calls a member of a map. */
const ODD_KEYS = ['a', 'b.example.com/c', '__proto__', 'constructor', 'toString', 'A_b-1']

export interface SampleOptions {
  /** How many levels of optional fields there are. */
  depth?: number
  /** Values at the edges of their types, rather than such as a validation likes. */
  extreme?: boolean
}

const KEPT_PLAIN = new Set(['apiVersion', 'kind', 'metadata'])

function sampleOf(schema: Schema, random: Random, { depth = 2, extreme = false }: SampleOptions = {}, name = ''): unknown {
  const deeper = (below: Schema, called: string) => sampleOf(below, random, { depth: depth - 1, extreme }, called)
  switch (schema.type) {
    case 'object': {
      const object: Record<string, unknown> = {}
      if (schema.additionalProperties) {
        for (const key of ODD_KEYS) if (chance(random, 0.35)) setOwn(object, key, deeper(schema.additionalProperties, ''))
        return object
      }
      for (const [key, field] of Object.entries(schema.properties ?? {})) {
        if (schema.properties?.['metadata'] && KEPT_PLAIN.has(key)) continue
        if (schema.required?.includes(key) ? depth > -4 : depth > 0 && chance(random, 0.4)) setOwn(object, key, deeper(field, key))
      }
      return object
    }
    case 'array':
      return Array.from({ length: 1 + Math.floor(random.float() * 2) }, () => deeper(schema.items!, name))
    case 'boolean':
      return chance(random, 0.5)
    case 'integer':
      if (!extreme) return pick(random, [0, 1, 2, 5, 30])
      if (schema.format === 'int32') return pick(random, [0, 1, -1, 127, 128, 2147483647, -2147483648])
      return pick(random, [0, 1, -1, 300, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])
    case 'number':
      return pick(random, [0, 0.5, -1.25, 1e21])
    case 'string':
      return sampleString(schema, random, { extreme, name })
    default:
      return sampleUnion(schema, random)
  }
}

function sampleString({ format, enum: values }: Schema, random: Random, { extreme, name }: { extreme: boolean; name: string }): unknown {
  if (values && !extreme) return pick(random, values)
  if (format === 'quantity')
    return pick(random, ['100m', '1Gi', '3', '0', '1500m', '0.5', ...(extreme ? ['1e3', '-1', '9223372036854775807', '1n', '12E'] : [])])
  if (format === 'date-time')
    return pick(random, [
      '2026-01-02T03:04:05Z',
      ...(extreme ? ['0001-01-01T00:00:01Z', '1969-12-31T23:59:59Z', '9999-12-31T23:59:59Z'] : []),
    ])
  if (format === 'micro-time') return pick(random, ['2026-01-02T03:04:05.000006Z', ...(extreme ? ['1969-12-31T23:59:59.999999Z'] : [])])
  if (format === 'byte') return Buffer.from(pick(random, ['häuser', 'x', 'three'])).toString('base64')
  if (extreme) return pick(random, ['a', '', 'ünï"code\\\u2028', 'null', '0x10', '1e3', '- a: b', 'x'.repeat(200), '😀', '\t\n'])
  if (/time|date/i.test(name)) return '2026-01-02T03:04:05Z'
  if (/ip$|ips$/i.test(name)) return pick(random, ['10.0.0.7', 'fd00::7'])
  if (/path$/i.test(name)) return pick(random, ['/a', '/a/b'])
  return pick(random, ['a', 'b-c', 'True', 'example.com/a', 'Always'])
}

function sampleUnion({ format }: Schema, random: Random): unknown {
  switch (format) {
    case 'int-or-string':
      return pick<unknown>(random, [80, 1, 'http', '25%'])
    case 'schema-or-bool':
      return pick<unknown>(random, [true, { type: 'string' }])
    case 'schema-or-array':
      return { type: 'string' }
    case 'schema-or-strings':
      return ['a']
    default:
      return pick<unknown>(random, [{ f: { g: [1, null] } }, { type: 'object' }])
  }
}

/** Puts one to three fields the object does not have yet somewhere below `root`: `spec`, `status`, or anything at all. */
export function graft(kind: Kind, object: KubeObject, random: Random, root?: string): void {
  const times = 1 + Math.floor(random.float() * 3)
  for (let time = 0; time < times; time++) {
    if (root === undefined) graftInto(kind.schema, object as Record<string, unknown>, random, KEPT_PLAIN_AND_STATUS)
    else {
      const below = kind.schema.properties?.[root]
      if (!below) return
      if (!isObject(getOwn(object, root))) setOwn(object, root, {})
      graftInto(below, getOwn(object, root) as Record<string, unknown>, random, NOTHING)
    }
  }
}

const NOTHING: ReadonlySet<string> = new Set()
const KEPT_PLAIN_AND_STATUS: ReadonlySet<string> = new Set([...KEPT_PLAIN, 'status'])

function graftInto(schema: Schema, object: Record<string, unknown>, random: Random, except: ReadonlySet<string>): void {
  const fields = Object.keys(schema.properties ?? {}).filter((name) => !except.has(name))
  if (schema.additionalProperties) return setOwn(object, pick(random, ODD_KEYS), sampleOf(schema.additionalProperties, random))
  if (fields.length === 0) return
  const inhabited = fields.filter(
    (name) => isObject(getOwn(object, name)) || isObject((getOwn(object, name) as unknown[] | undefined)?.[0]),
  )
  if (inhabited.length > 0 && chance(random, 0.7)) {
    const name = pick(random, inhabited)
    const field = schema.properties![name]!
    const value = getOwn(object, name)
    if (Array.isArray(value)) return graftInto(field.items ?? field, pick(random, value) as Record<string, unknown>, random, NOTHING)
    return graftInto(field, value as Record<string, unknown>, random, NOTHING)
  }
  const name = pick(random, fields)
  setOwn(object, name, sampleOf(schema.properties![name]!, random, { depth: 1 }, name))
}

/** Labels, annotations, finalizers and owners, replaced or taken away. */
export function shuffleMetadata(object: KubeObject, random: Random): void {
  const metadata = (object.metadata ??= {}) as Record<string, unknown>
  const strings = () =>
    Object.fromEntries(
      ODD_KEYS.filter((key) => key !== '__proto__' && chance(random, 0.4)).map((key) => [key, pick(random, ['', 'x', 'true'])]),
    )
  const owners = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: pick(random, ['u1', 'u2']) }]
  const made = { labels: strings(), annotations: strings(), finalizers: ['example.com/a'], ownerReferences: owners }
  const field = pick(random, Object.keys(made) as (keyof typeof made)[])
  if (chance(random, 0.25)) delete metadata[field]
  else metadata[field] = made[field]
}

/** The least a kind accepts, under a name of its own where it may have one. */
export function plainObject(kind: Kind, name: string): KubeObject {
  const object = minimalObject(kind)
  if (object.metadata!.name === 'x') object.metadata!.name = name
  return object
}

export function randomObject(kind: Kind, random: Random, name: string): KubeObject {
  const object = plainObject(kind, name)
  if (chance(random, 0.9)) graft(kind, object, random)
  if (chance(random, 0.5)) shuffleMetadata(object, random)
  return object
}

/** The object without a field that a refusal names, or without what holds it where the field is not there; undefined where nothing is left to drop. */
export function without(object: KubeObject, fieldPath: string): KubeObject | undefined {
  const steps = [...fieldPath.matchAll(/\[([^\]]*)\]|([^.[\]]+)/g)].map(([, index, name]) => index ?? name!)
  const copy = clone(object)
  for (let length = steps.length; length > 0; length--) {
    if (length === 1 && (KEPT_PLAIN.has(steps[0]!) || steps[0] === 'spec')) return undefined
    let holder: unknown = copy
    for (const step of steps.slice(0, length - 1)) holder = isObject(holder) || Array.isArray(holder) ? getOwn(holder, step) : undefined
    const last = steps[length - 1]!
    if (Array.isArray(holder) && Object.hasOwn(holder, last)) {
      holder.splice(Number(last), 1)
      return copy
    }
    if (isObject(holder) && Object.hasOwn(holder, last)) {
      delete holder[last]
      return copy
    }
  }
  return undefined
}
