import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deepFreeze } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import { randomObject } from '#api/kinds/random-objects.ts'
import { builtinKinds } from '#api/kinds.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { seededRandom } from '#lib/random.ts'
import { inGoOrder } from './go-order.ts'

test('inGoOrder puts fields as they are declared, entries of maps by key, and leaves the rest', () => {
  const pod = {
    status: { qosClass: 'BestEffort', phase: 'Running' },
    spec: {
      volumes: [{ emptyDir: {}, name: 'v' }],
      containers: [{ image: 'i', name: 'c', resources: { limits: { memory: '1', cpu: '1' } } }],
      nodeSelector: { b: '', a: '' },
    },
    metadata: {
      managedFields: [{ fieldsV1: { 'f:b': {}, 'f:a': {} }, manager: 'm' }],
      labels: { z: '', a: '' },
      uid: 'u',
      namespace: 'n',
      name: 'x',
    },
    apiVersion: 'v1',
    kind: 'Pod',
  }
  assert.equal(
    JSON.stringify(inGoOrder(deepFreeze(pod), Pod.schema)),
    JSON.stringify({
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: {
        name: 'x',
        namespace: 'n',
        uid: 'u',
        labels: { a: '', z: '' },
        managedFields: [{ manager: 'm', fieldsV1: { 'f:b': {}, 'f:a': {} } }],
      },
      spec: {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '1', memory: '1' } } }],
        nodeSelector: { a: '', b: '' },
      },
      status: { phase: 'Running', qosClass: 'BestEffort' },
    }),
  )
})

test('inGoOrder changes no value, and returns what is in order itself', () => {
  for (const kind of builtinKinds.filter(({ verbs }) => verbs.includes('create')))
    for (let seed = 0; seed < 5; seed++) {
      const object = deepFreeze(randomObject(kind, seededRandom(seed), 'x'))
      const ordered = inGoOrder(object, kind.schema)
      assert.ok(equal(ordered, object), kind.kind)
      assert.equal(inGoOrder(ordered, kind.schema), ordered, kind.kind)
    }
})

test('inGoOrder keeps members called __proto__ as data', () => {
  const map = JSON.parse('{"data":{"b":"1","__proto__":"2","a":"3"},"kind":"ConfigMap"}')
  assert.equal(JSON.stringify(inGoOrder(map, ConfigMap.schema)), '{"kind":"ConfigMap","data":{"__proto__":"2","a":"3","b":"1"}}')
})

test('inGoOrder looks at each member once, however deep maps lie in maps', () => {
  let schema: Record<string, unknown> = { type: 'string' }
  let expected: Record<string, unknown> = schema
  for (let depth = 0; depth < 60; depth++) {
    schema = { type: 'object', properties: { b: schema, a: { type: 'string' } } }
    expected = { type: 'object', properties: { a: { type: 'string' }, b: expected } }
  }
  const definition = (openAPIV3Schema: object) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema } }] },
  })
  const ordered = JSON.stringify(inGoOrder(definition(schema), CustomResourceDefinition.schema))
  assert.ok(ordered.includes(JSON.stringify(expected)), ordered.slice(0, 300))
})

test('inGoOrder remembers how names are put in order, and does so for each object anew', () => {
  const sent = (name: string, more: object = {}) => ({ value: 'v', name, ...more })
  const list = Array.from({ length: 3 }, (_, at) => sent(`e${at}`))
  const env = (value: unknown) => inGoOrder(value, Pod.schema.properties!['spec']!.properties!['containers']!.items!.properties!['env']!)
  assert.equal(JSON.stringify(env(list)), '[{"name":"e0","value":"v"},{"name":"e1","value":"v"},{"name":"e2","value":"v"}]')
  // Fewer, more, other and absent members than those seen before.
  assert.equal(
    JSON.stringify(env([{ value: 'v' }, sent('a', { strange: 1 }), { strange: 1, name: 'b' }])),
    '[{"value":"v"},{"name":"a","value":"v","strange":1},{"name":"b","strange":1}]',
  )
  assert.deepEqual(Object.keys((env([{ value: undefined, name: 'c' }]) as object[])[0]!), ['name'])
  // As many ways as there are to spell them are not all remembered.
  for (let round = 0; round < 2; round++)
    for (let many = 0; many < 20; many++) {
      const object = { [`x${many}`]: many, value: 'v', name: 'n' }
      assert.deepEqual(Object.keys((env([object]) as object[])[0]!), ['name', 'value', `x${many}`])
    }
})
