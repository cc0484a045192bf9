import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '#lib/random.ts'
import {
  decodeFields,
  difference,
  encodeFields,
  type Fields,
  fieldsOf,
  has,
  intersection,
  NO_FIELDS,
  pathsOf,
  recursiveDifference,
  union,
} from './fields.ts'

/** The reference: a set of paths, spelled as text. */
type Model = Set<string>

const elements = ['f:a', 'f:b', 'k:{"name":"x"}', 'v:"y"']
const pick = (random: Random) => elements[Math.floor(random.float() * elements.length)]!

function randomPaths(random: Random): string[][] {
  return Array.from({ length: Math.floor(random.float() * 8) }, () =>
    Array.from({ length: 1 + Math.floor(random.float() * 3) }, () => pick(random)),
  )
}

const modelOf = (fields: Fields): Model => new Set([...pathsOf(fields)].map((path) => path.join('|')))
const below = (path: string, set: Model) => [...set].some((one) => path === one || path.startsWith(`${one}|`))

test('set operations agree with plain sets of paths', () => {
  const random = seededRandom(7)
  for (let round = 0; round < 2000; round++) {
    const [left, right] = [randomPaths(random), randomPaths(random)]
    const [a, b] = [fieldsOf(...left), fieldsOf(...right)]
    const [ma, mb]: [Model, Model] = [new Set(left.map((path) => path.join('|'))), new Set(right.map((path) => path.join('|')))]
    assert.deepEqual(modelOf(a), new Set([...ma].sort()))
    assert.deepEqual(modelOf(union(a, b)), ma.union(mb))
    assert.deepEqual(modelOf(difference(a, b)), ma.difference(mb))
    assert.deepEqual(modelOf(intersection(a, b)), ma.intersection(mb))
    assert.deepEqual(modelOf(recursiveDifference(a, b)), new Set([...ma].filter((path) => !below(path, mb))))
    for (const path of left) assert.ok(has(a, path))
    assert.deepEqual(decodeFields(encodeFields(a)), a)
  }
})

test('encodeFields sorts and puts the member itself first', () => {
  const fields = fieldsOf(['f:b'], ['f:a', 'f:x'], ['f:a'])
  assert.equal(JSON.stringify(encodeFields(fields)), '{"f:a":{".":{},"f:x":{}},"f:b":{}}')
})

test('decodeFields passes over what a later version may know', () => {
  const given = { '.': {}, 'z:later': { 'f:x': {} }, 'f:a': { '.': 1, 'f:b': null } }
  assert.equal(JSON.stringify(decodeFields(given)), '{"f:a":{".":{},"f:b":{}}}')
})

test('pathsOf names the members of a level before all below it', () => {
  const fields = fieldsOf(['f:a', 'f:y'], ['f:b'], ['f:a', 'k:{"p":443}'], ['f:a', 'k:{"p":80}', 'f:z'])
  assert.deepEqual(
    [...pathsOf(fields)].map((path) => path.join(' ')),
    ['f:b', 'f:a f:y', 'f:a k:{"p":443}', 'f:a k:{"p":80} f:z'],
  )
})

test('decodeFields spells keys one way and refuses what is no set', () => {
  const decoded = decodeFields({ 'f:ports': { 'k:{"protocol":"TCP","containerPort":80}': {} } })
  assert.deepEqual(decoded, { 'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': {} } })
  for (const bad of [{ x: {} }, { 'f:a': 1 }, { 'k:[1]': {} }, { 'k:{': {} }, { 'i:x': {} }, [], null, JSON.parse('{"__proto__":{}}')]) {
    assert.equal(decodeFields(bad), undefined, JSON.stringify(bad))
  }
  assert.deepEqual(decodeFields({}), NO_FIELDS)
})
