// The three patches against models of a few lines: what they do to random documents, with odd keys among them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clone, deepFreeze, getOwn, isObject, setOwn } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import type { Schema } from '#api/schema.ts'
import { StatusError } from '#api/status.ts'
import { type Random, seededRandom } from '#lib/random.ts'
import { patchObject } from './patch.ts'

type Json = Record<string, any>

const KEYS = ['a', 'b', '__proto__', 'constructor', 'x/y', 'm~n', '0']
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.float() * from.length)]!

function document(random: Random, depth = 0): unknown {
  const kind = random.float()
  if (depth > 3 || kind < 0.3) return pick(random, [null, 0, 1, 'a', '', true])
  if (kind < 0.5) return Array.from({ length: Math.floor(random.float() * 3) }, () => document(random, depth + 1))
  return object(random, depth)
}

function object(random: Random, depth = 0): Json {
  const made: Json = {}
  for (const key of KEYS) if (random.float() < 0.4) setOwn(made, key, document(random, depth + 1))
  return made
}

/** RFC 7396, in entries; but the nulls of objects in lists go too, unless the list takes an object's place. */
function merged(target: unknown, patch: unknown): unknown {
  if (Array.isArray(patch) && !isObject(target)) return patch.map((item) => merged(undefined, item))
  if (!isObject(patch)) return patch
  const entries = new Map<string, unknown>(isObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) entries.delete(key)
    else entries.set(key, merged(entries.get(key), value))
  }
  return fromEntries(entries)
}

/** As Object.fromEntries, which keeps `__proto__` a member. */
const fromEntries = (entries: Iterable<[string, unknown]>): Json => Object.fromEntries(entries)

test('mergePatch does what RFC 7396 says, and what upstream does to lists', () => {
  const random = seededRandom(1)
  for (let round = 0; round < 5000; round++) {
    const [target, patch] = [deepFreeze(object(random)), deepFreeze(object(random))]
    const result = patchObject(target, { type: 'merge', patch }, { type: 'object' })
    assert.ok(equal(result, merged(target, patch)), JSON.stringify([target, patch, result]))
  }
  assert.deepEqual(Object.keys(Object.prototype), [])
})

/** Every place of a document, as its path. */
function* places(value: unknown, path: string[] = []): Generator<string[]> {
  yield path
  const members = Array.isArray(value) ? [...value.entries()] : isObject(value) ? Object.entries(value) : []
  for (const [key, member] of members) yield* places(member, [...path, String(key)])
}

const pointer = (path: readonly string[]) => path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
const at = (value: unknown, path: readonly string[]): any => path.reduce<unknown>((below, step) => getOwn(below as object, step), value)

/** The document without or with a value at a place whose holder is there. */
function put(value: unknown, path: readonly string[], change: (holder: Json | unknown[], step: string) => void): unknown {
  const copy = clone(value)
  change(at(copy, path.slice(0, -1)), path.at(-1)!)
  return copy
}
const add = (value: unknown) => (holder: Json | unknown[], step: string) =>
  Array.isArray(holder) ? void holder.splice(step === '-' ? holder.length : Number(step), 0, value) : setOwn(holder, step, value)
const remove = (holder: Json | unknown[], step: string) =>
  Array.isArray(holder) ? void holder.splice(Number(step), 1) : void delete holder[step]

test('jsonPatch does what RFC 6902 says, one operation after another', () => {
  const random = seededRandom(2)
  for (let round = 0; round < 3000; round++) {
    const start = deepFreeze(object(random))
    let expected: unknown = start
    const patch: unknown[] = []
    for (let count = Math.floor(random.float() * 5); count > 0; count--) {
      const inner = [...places(expected)].filter((path) => path.length > 0)
      const holders = [...places(expected)].filter((path) => typeof at(expected, path) === 'object' && at(expected, path) !== null)
      const holder = pick(random, holders)
      const into = [...holder, Array.isArray(at(expected, holder)) ? pick(random, ['-', '0']) : pick(random, KEYS)]
      const value = document(random, 2)
      const op = pick(random, inner.length > 0 ? ['add', 'remove', 'replace', 'move', 'copy', 'test'] : ['add'])
      const from = inner.length > 0 ? pick(random, inner) : []
      if (op === 'add') {
        patch.push({ op, path: pointer(into), value })
        expected = put(expected, into, add(clone(value)))
      } else if (op === 'remove') {
        patch.push({ op, path: pointer(from) })
        expected = put(expected, from, remove)
      } else if (op === 'replace') {
        patch.push({ op, path: pointer(from), value })
        expected = put(put(expected, from, remove), from, add(clone(value)))
      } else if (op === 'test') {
        if (at(expected, from) === null) continue
        patch.push({ op, path: pointer(from), value: clone(at(expected, from)) })
      } else {
        // A place below what is moved, or shifted by its going, is another story: told by the table of cases.
        const apart = into[0] !== from[0] && from.length > 0
        if (!apart) continue
        patch.push({ op, from: pointer(from), path: pointer(into) })
        const moved = clone(at(expected, from))
        expected = put(op === 'move' ? put(expected, from, remove) : expected, into, add(moved))
      }
    }
    const result = patchObject(start, { type: 'json', patch }, { type: 'object' })
    assert.ok(equal(result, expected), JSON.stringify([start, patch, result, expected]))
  }
})

const scalar: Schema = { type: 'string' }
const item: Schema = {
  type: 'object',
  properties: { name: scalar, a: scalar, set: { type: 'array', items: scalar, patchStrategy: ['merge'] } },
}
const schema: Schema = {
  type: 'object',
  properties: {
    s: scalar,
    map: { type: 'object', additionalProperties: scalar },
    whole: { type: 'object', properties: { a: scalar, b: scalar }, patchStrategy: ['replace'] },
    atomic: { type: 'array', items: scalar },
    set: { type: 'array', items: scalar, patchStrategy: ['merge'] },
    keyed: { type: 'array', items: item, patchStrategy: ['merge'], patchMergeKey: 'name' },
  },
}

const names = (random: Random) => ['x', 'y', 'z'].filter(() => random.float() < 0.5)
const strings = (random: Random): Json =>
  fromEntries(['a', 'b', '__proto__'].filter(() => random.float() < 0.5).map((key) => [key, pick(random, ['1', '2'])]))
const maybe = (random: Random, fields: Json): Json => fromEntries(Object.entries(fields).filter(() => random.float() < 0.6))
const thing = (random: Random): Json =>
  maybe(random, {
    s: pick(random, ['1', '2']),
    map: strings(random),
    whole: maybe(random, { a: '1', b: '2' }),
    atomic: names(random),
    set: names(random),
    keyed: names(random).map((name) => ({ name, ...maybe(random, { a: pick(random, ['1', '2']), set: names(random) }) })),
  })

/** Lists as what they mean: keyed ones by key, sets without order. */
function strategic(target: Json, patch: Json): Json {
  const result = new Map<string, any>(Object.entries(target))
  for (const [key, value] of Object.entries(patch)) {
    const present = result.get(key)
    if (key.startsWith('$deleteFromPrimitiveList/')) {
      const list = key.slice(key.indexOf('/') + 1)
      if (result.has(list))
        result.set(
          list,
          result.get(list).filter((one: string) => !value.includes(one)),
        )
    } else if (value === null) result.delete(key)
    else if (key === 'map') result.set(key, merged(present, value))
    else if (key === 'set') result.set(key, [...new Set([...(present ?? []), ...value])])
    else if (key === 'keyed') {
      const replaced = value.some((one: Json) => one['$patch'] === 'replace')
      const items = new Map<string, Json>((replaced ? [] : (present ?? [])).map((one: Json) => [one['name'], one]))
      for (const one of value as Json[]) {
        if (one['$patch'] === 'delete') items.delete(one['name'])
        else if (one['$patch'] !== 'replace') items.set(one['name'], strategic(items.get(one['name']) ?? {}, one))
      }
      result.set(key, [...items.values()])
    } else result.set(key, value)
  }
  return fromEntries(result)
}

const settled = (value: Json): Json =>
  fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (key === 'set') return [key, member.toSorted()]
      if (key === 'keyed') return [key, member.map(settled).toSorted((a: Json, b: Json) => (a['name'] < b['name'] ? -1 : 1))]
      return [key, member]
    }),
  )

function strategicPatch(random: Random): Json {
  const patch = thing(random)
  for (const key of ['s', 'map', 'whole', 'atomic', 'set', 'keyed']) if (random.float() < 0.1) patch[key] = null
  if (random.float() < 0.2) patch['$deleteFromPrimitiveList/set'] = names(random)
  if (patch['map'] && random.float() < 0.5) patch['map'].a = null
  if (patch['keyed']) {
    if (random.float() < 0.3)
      patch['keyed'] = patch['keyed'].map((one: Json) => (random.float() < 0.5 ? { name: one['name'], $patch: 'delete' } : one))
    if (random.float() < 0.15) patch['keyed'].push({ $patch: 'replace' })
  }
  return patch
}

test('strategicMergePatch merges lists for what they mean', () => {
  const random = seededRandom(3)
  for (let round = 0; round < 10_000; round++) {
    const target = deepFreeze(thing(random))
    const patch = strategicPatch(random)
    const told = JSON.stringify([round, target, patch])
    const expected = strategic(target, clone(patch))
    const result = patchObject(target, { type: 'strategic', patch }, schema) as Json
    assert.deepEqual(settled(result), settled(expected), told)
  }
})

test('strategicMergePatch and the others answer or refuse whatever comes', () => {
  const random = seededRandom(4)
  const directives = [
    '$patch',
    '$retainKeys',
    '$setElementOrder/set',
    '$setElementOrder/keyed',
    '$deleteFromPrimitiveList/set',
    'keyed',
    'set',
    'map',
  ]
  let [done, refused] = [0, 0]
  for (let round = 0; round < 10_000; round++) {
    const patch: Json = strategicPatch(random)
    for (const key of directives)
      if (random.float() < 0.15)
        patch[key] = pick(random, [null, 'delete', 'replace', [], ['x', 'y'], {}, [{}], [{ name: 'x' }], [[1]], [null], 7])
    try {
      patchObject(deepFreeze(thing(random)), { type: pick(random, ['strategic', 'strategic', 'merge', 'json'] as const), patch }, schema)
      done++
    } catch (error) {
      assert.ok(error instanceof StatusError, `${JSON.stringify(patch)}: ${(error as Error).stack}`)
      refused++
    }
  }
  assert.ok(done > 1000 && refused > 1000, `${done} done, ${refused} refused`)
  assert.deepEqual(Object.keys(Object.prototype), [])
})
