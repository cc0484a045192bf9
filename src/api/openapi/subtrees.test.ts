import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customKinds } from '#api/custom/custom-kind.ts'
import type { CustomResourceDefinition } from '#api/generated/types.ts'
import { OpenApi, type OpenApiDocument } from './openapi.ts'
import { subtreesOf } from './subtrees.ts'

interface Node {
  name: string
  within: Node[]
}
const node = (name: string, ...within: Node[]): Node => ({ name, within })
const chosen = (root: Node, most: number): string[] => {
  const steps = subtreesOf(root, ({ within }) => within, most)
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value.map(({ name }) => name)
}

test('subtreesOf chooses the largest that are small enough, and nothing of a small tree', () => {
  const tree = node('r', node('a', node('a1'), node('a2', node('a21'))), node('b'), node('c', node('c1')))
  assert.deepEqual(chosen(tree, 8), [])
  assert.deepEqual(chosen(tree, 7), ['a', 'b', 'c'])
  assert.deepEqual(chosen(tree, 3), ['b', 'c', 'a1', 'a2'])
  assert.deepEqual(chosen(tree, 1), ['b', 'a1', 'c1', 'a21'])
})

/** A definition whose spec has so many parts of 1,500 schemas each, all alike. */
function definitionOf(parts: number): CustomResourceDefinition {
  const field = (i: number) => ({ type: 'array', nullable: i % 3 === 0, items: { type: 'object', properties: { a: { type: 'string' } } } })
  const part = { type: 'object', properties: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`f${i}`, field(i)])) }
  const properties = Object.fromEntries(Array.from({ length: parts }, (_, i) => [`p${i}`, part]))
  const openAPIV3Schema = { type: 'object', properties: { spec: { type: 'object', properties } } }
  const names = { plural: 'larges', kind: 'Large' }
  const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }]
  return { spec: { group: 'example.com', names, scope: 'Cluster', versions } } as unknown as CustomResourceDefinition
}

const openapi = (parts: number) => new OpenApi(customKinds(definitionOf(parts)), 'v1.36.0')
const json = ({ body }: OpenApiDocument) => JSON.parse(body.toString())
const partOf = ({ properties }: any, i: number) => properties.spec.properties[`p${i}`]

test('v3 and v2 spell each part of a large definition as that of a small one', async () => {
  const [small, large] = [openapi(1), openapi(8)]
  const schema = async (of: OpenApi) => json((await of.v3('apis/example.com/v1'))!).components.schemas['com.example.v1.Large']
  const old = async (of: OpenApi) => json(await of.v2('json')).definitions['com.example.v1.Large']
  for (const read of [schema, old]) {
    const [one, other] = [await read(small), await read(large)]
    assert.equal(Object.keys(partOf(one, 0).properties).length, 500)
    for (let i = 0; i < 8; i++) assert.deepEqual(partOf(other, i), partOf(one, 0))
  }
})

test('v3 and v2 write each part of a large definition into protobuf as that of a small one', async () => {
  const [small, large] = [openapi(1), openapi(8)]
  const [v3, v2] = [async (of: OpenApi) => (await of.v3('apis/example.com/v1', 'protobuf'))!, (of: OpenApi) => of.v2('protobuf')]
  /** An entry of that name, from its value on. */
  const partOf = (body: Buffer, i: number) => body.subarray(body.indexOf(Buffer.from(`\x0a\x02p${i}\x12`, 'latin1')) + 4)
  for (const read of [v3, v2]) {
    const [one, other] = [(await read(small)).body, (await read(large)).body]
    const expected = partOf(one, 0)
    const whole = expected.subarray(0, expected.indexOf('f99') + 3)
    assert.ok(whole.length > 15_000)
    for (let i = 0; i < 8; i++) assert.deepEqual(partOf(other, i).subarray(0, whole.length), whole)
  }
})
