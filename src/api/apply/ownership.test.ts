// Random histories of applies and updates, checked against what ownership promises, not against another implementation.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clone, deepFreeze, getOwn, isObject, type JsonObject } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { StatusError } from '#api/status.ts'
import { type Random, seededRandom } from '#lib/random.ts'
import { compareObjects } from './compare.ts'
import { has, pathsOf } from './fields.ts'
import { fieldSetOf } from './field-set.ts'
import { decodeManagers } from './managers.ts'
import { serverSideApply } from './server-side-apply.ts'
import { itemElement } from './shape.ts'
import { trackUpdate } from './track-update.ts'

const text: Schema = { type: 'string' }
const schema: Schema = {
  type: 'object',
  properties: {
    apiVersion: text,
    kind: text,
    metadata: { type: 'object', properties: { name: text } },
    scalar: text,
    map: { type: 'object', additionalProperties: text },
    atomic: { type: 'object', mapType: 'atomic', additionalProperties: text },
    set: { type: 'array', listType: 'set', items: text },
    list: { type: 'array', items: text },
    keyed: {
      type: 'array',
      listType: 'map',
      listMapKeys: ['id'],
      items: { type: 'object', properties: { id: text, a: text, inner: { type: 'object', properties: { x: text, y: text } } } },
    },
  },
}
const kind = { group: 'example.com', version: 'v1', kind: 'Thing' }
const options = { schema, kind, apiVersion: 'example.com/v1', now: 0 }

const some = <T>(random: Random, make: () => T): T | undefined => (random.float() < 0.5 ? make() : undefined)
const letter = (random: Random) => 'abc'[Math.floor(random.float() * 3)]!
const letters = (random: Random) => [...new Set(Array.from({ length: 1 + Math.floor(random.float() * 3) }, () => letter(random)))]
const mapOf = (random: Random) => Object.fromEntries(letters(random).map((key) => [key, letter(random)]))

function randomFields(random: Random): JsonObject {
  const fields = {
    scalar: some(random, () => letter(random)),
    map: some(random, () => mapOf(random)),
    atomic: some(random, () => mapOf(random)),
    set: some(random, () => letters(random)),
    list: some(random, () => letters(random)),
    keyed: some(random, () =>
      letters(random).map((id) => ({
        id,
        a: some(random, () => letter(random)),
        inner: some(random, () => ({ x: letter(random), y: some(random, () => letter(random)) })),
      })),
    ),
  }
  return JSON.parse(JSON.stringify(fields)) as JsonObject
}

const thing = (fields: JsonObject): KubeObject => ({ apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'x' }, ...fields })

/** The value a path leads to; undefined when it leads nowhere. */
function valueAt(object: unknown, path: readonly string[]): unknown {
  let value = object
  let at: Schema | undefined = schema
  for (const element of path) {
    if (element.startsWith('f:')) {
      value = isObject(value) ? getOwn(value, element.slice(2)) : undefined
      at = at?.properties?.[element.slice(2)] ?? at?.additionalProperties
    } else {
      const list = at!
      const shape = list.listType === 'set' ? 'set' : 'keyed'
      value = Array.isArray(value) ? value.find((item) => itemElement(list, shape, item) === element) : undefined
      at = list.items
    }
  }
  return value
}

function check(object: KubeObject): void {
  const managers = decodeManagers(object.metadata!.managedFields)!
  for (const { manager, fields } of managers.values()) {
    for (const path of pathsOf(fields))
      assert.notEqual(valueAt(object, path), undefined, `${manager} owns ${path.join(' ')}, which is not there`)
  }
}

test('ownership holds over random histories of applies and updates', () => {
  const random = seededRandom(11)
  let conflicts = 0
  for (let history = 0; history < 300; history++) {
    let live = serverSideApply(undefined, thing(randomFields(random)), { ...options, manager: 'a' })
    for (let step = 0; step < 12; step++) {
      const manager = letter(random)
      const before = deepFreeze(clone(live))
      if (random.float() < 0.3) {
        const next = clone(live)
        Object.assign(next, randomFields(random))
        trackUpdate(before, next, { ...options, manager })
        live = next
      } else {
        const applied = thing(randomFields(random))
        const force = random.float() < 0.7
        let next: KubeObject
        try {
          next = serverSideApply(before, applied, { ...options, manager, force })
        } catch (error) {
          assert.ok(!force && error instanceof StatusError && error.code === 409, String(error))
          conflicts++
          continue
        }
        // What was applied is there, and the applier owns it.
        const own = [...decodeManagers(next.metadata!.managedFields)!.values()].find(
          (one) => one.manager === manager && one.operation === 'Apply',
        )
        for (const path of pathsOf(fieldSetOf(schema, applied))) {
          if (path[1] === 'f:name' || path[0] === 'f:apiVersion' || path[0] === 'f:kind') continue
          assert.ok(own && has(own.fields, path), `${manager} does not own ${path.join(' ')}`)
          if (schemaLeaf(path)) assert.ok(equal(valueAt(next, path), valueAt(applied, path)), path.join(' '))
        }
        // Applying the same again changes nothing.
        assert.equal(serverSideApply(next, applied, { ...options, manager }), next)
        live = next
      }
      check(live)
    }
  }
  assert.ok(conflicts > 20, 'histories must meet conflicts')
})

/** Paths whose whole value the applier decides. */
const schemaLeaf = (path: readonly string[]) => !(path[0] === 'f:keyed' && (path.length === 2 || path.at(-1) === 'f:inner'))

test('an applier that leaves takes its fields along, unless others own them', () => {
  const random = seededRandom(5)
  for (let round = 0; round < 500; round++) {
    const [mine, theirs] = [thing(randomFields(random)), thing(randomFields(random))]
    const alone = serverSideApply(undefined, theirs, { ...options, manager: 'b' })
    const both = serverSideApply(alone, mine, { ...options, manager: 'a', force: true })
    const rest = serverSideApply(both, thing({}), { ...options, manager: 'a' })
    const owned = [...decodeManagers(rest.metadata!.managedFields)!.values()]
    assert.deepEqual(
      owned.map(({ manager }) => manager).filter((name) => name === 'a'),
      [],
    )
    // Nothing is left that neither b nor anyone owns.
    for (const path of pathsOf(fieldSetOf(schema, { ...rest, metadata: {} }))) {
      if (['f:apiVersion', 'f:kind', 'f:metadata'].includes(path[0]!)) continue
      assert.ok(
        owned.some(({ fields }) => has(fields, path)),
        `${path.join(' ')} belongs to nobody`,
      )
    }
  }
})

test('compareObjects tells exactly what a merge would have to say', () => {
  const random = seededRandom(9)
  for (let round = 0; round < 1000; round++) {
    const [left, right] = [randomFields(random), randomFields(random)]
    const { added, modified, removed } = compareObjects(schema, left, right)
    for (const path of pathsOf(added)) assert.ok(valueAt(left, path) === undefined && valueAt(right, path) !== undefined, path.join(' '))
    for (const path of pathsOf(removed)) assert.ok(valueAt(left, path) !== undefined && valueAt(right, path) === undefined, path.join(' '))
    for (const path of pathsOf(modified)) assert.ok(!equal(valueAt(left, path), valueAt(right, path)), path.join(' '))
    const same = compareObjects(schema, left, clone(left))
    assert.deepEqual([same.added, same.modified, same.removed], [{}, {}, {}])
  }
})
