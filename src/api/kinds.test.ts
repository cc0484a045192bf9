import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createdObject, createErrors, minimalObject, testContext } from '#api/kinds/minimal-objects.ts'
import { validateObjectMeta } from '#api/meta/object-meta.ts'
import { tableOf } from '#api/table.ts'
import { builtinKinds } from './kinds.ts'

for (const kind of builtinKinds) {
  const title = `${kind.kind} of ${kind.group || 'core'}/${kind.version}`

  test(`${title} accepts a minimal object`, () => assert.deepEqual(createErrors(kind), []))

  if (!kind.virtual)
    test(`${title} accepts the name of its minimal object`, () => {
      assert.deepEqual(validateObjectMeta(kind, minimalObject(kind).metadata!), [])
    })

  test(`${title} defaults the same thing twice`, () => {
    const once = createdObject(kind)
    const twice = structuredClone(once)
    kind.default?.(twice)
    assert.deepEqual(twice, once)
  })

  test(`${title} accepts an update that changes nothing`, () => {
    const previous = createdObject(kind)
    const next = structuredClone(previous)
    kind.prepareForUpdate?.(next, previous, testContext)
    if (!kind.virtual) assert.deepEqual(kind.validate?.(next, previous, testContext) ?? [], [])
    assert.deepEqual(next, previous)
    if (kind.generationOf) assert.deepEqual(kind.generationOf(next), kind.generationOf(previous))
  })

  test(`${title} survives an empty object`, () => {
    const empty = { metadata: { name: 'x' } } as any
    kind.default?.(empty)
    kind.validate?.(empty, undefined, testContext)
    tableOf(kind, [empty], { now: testContext.now })
    for (const field of Object.values(kind.fields ?? {})) assert.equal(typeof field(empty), 'string')
  })

  test(`${title} prints a row with a cell for every column`, () => {
    const table = tableOf(kind, [createdObject(kind)], { now: testContext.now })
    assert.equal(table.rows[0]!.cells.length, table.columnDefinitions!.length)
    for (const cell of table.rows[0]!.cells) assert.notEqual(cell, undefined)
    for (const column of table.columnDefinitions!) assert.ok(column.description)
  })

  test(`${title} has a schema`, () => assert.ok(kind.schema))
}

test('builtinKinds convert to their storage version and back without loss', () => {
  for (const kind of builtinKinds.filter(({ convert }) => convert)) {
    const object = createdObject(kind)
    const back = kind.convert!.fromStorage(kind.convert!.toStorage(structuredClone(object)))
    assert.deepEqual(back, { apiVersion: `${kind.group}/${kind.version}`, kind: kind.kind, ...object })
  }
})
