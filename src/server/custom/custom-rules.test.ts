import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { isConditionTrue } from '#api/conditions.ts'
import { customDefinition } from '#api/custom/testing.ts'
import type { JSONSchemaProps, ValidationRule } from '#api/generated/types.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { startTestServer } from '#server/testing.ts'

const PATH = '/apis/rules.example.com/v1/namespaces/default/things'
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
type Json = Record<string, any>

/** A server with `things` of that schema, and how to talk to it. */
async function started(t: TestContext, schema: JSONSchemaProps) {
  const { server, client, ...rest } = await startTestServer()
  t.after(() => rest[Symbol.asyncDispose]())
  const ask = async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const response = await server.handle({
      method,
      path,
      headers: { 'content-type': type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, headers: response.headers, body: JSON.parse(response.body.toString() || '{}') as Json }
  }
  const define = async (next: JSONSchemaProps) => {
    const present = await ask('GET', `${DEFINITIONS}/things.rules.example.com`)
    if (present.status === 404) return ask('POST', DEFINITIONS, definition(next))
    return ask('PUT', `${DEFINITIONS}/things.rules.example.com`, {
      ...definition(next),
      metadata: present.body.metadata,
    })
  }
  const { status, body } = await define(schema)
  assert.equal(status, 201, body.message)
  for await (const event of client.watch(CustomResourceDefinition, { signal: t.signal }))
    if (event.type !== 'BOOKMARK' && isConditionTrue((event as Json).object.status?.conditions, 'Established')) break
  return { ask, define }
}

const definition = (schema: JSONSchemaProps) =>
  customDefinition('Thing', { group: 'rules.example.com', schema, version: { subresources: { status: {} } } })

const thing = (spec: unknown, more: Json = {}) => ({
  apiVersion: 'rules.example.com/v1',
  kind: 'Thing',
  metadata: { name: 'a' },
  spec,
  ...more,
})
const spec = (properties: Record<string, JSONSchemaProps>, rules: ValidationRule[] = [], more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'object',
  properties: { spec: { type: 'object', properties, 'x-kubernetes-validations': rules, ...more }, status: OPEN },
})
const OPEN: JSONSchemaProps = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }

test('rules refuse objects in the words of upstream', async (t) => {
  const { ask } = await started(
    t,
    spec(
      {
        min: { type: 'integer' },
        max: { type: 'integer' },
        'a-b': { type: 'string', maxLength: 5 },
        ref: { type: 'object', properties: { x: { type: 'string' } } },
      },
      [
        { rule: 'self.min <= self.max' },
        { rule: 'self.max < 100', message: ' too much ' },
        { rule: 'self.min > 0', messageExpression: '"min is %d".format([self.min])', fieldPath: '.min' },
        { rule: 'self.min != 7', reason: 'FieldValueForbidden', message: 'no sevens' },
        { rule: '!has(self.a__dash__b) || self.a__dash__b != "no"', fieldPath: "['a-b']", reason: 'FieldValueDuplicate' },
        { rule: '!has(self.ref) || self.ref.x == "x"', fieldPath: '.ref.x', reason: 'FieldValueRequired', message: 'x it is' },
      ],
    ),
  )
  const refused = async (body: unknown) => {
    const { status, body: answer } = await ask('POST', PATH, thing(body))
    assert.equal(status, 422, answer.message)
    return answer.details.causes
  }
  const cause = (message: string, field = 'spec', reason = 'FieldValueInvalid') => ({ reason, message, field })
  assert.deepEqual(await refused({ min: 5, max: 2 }), [cause('Invalid value: "object": failed rule: self.min <= self.max')])
  assert.deepEqual(await refused({ min: 5, max: 200 }), [cause('Invalid value: "object": too much')])
  assert.deepEqual(await refused({ min: 0, max: 2 }), [cause('Invalid value: "object": min is 0', 'spec.min')])
  assert.deepEqual(await refused({ min: 7, max: 9 }), [cause('Forbidden: no sevens', 'spec', 'FieldValueForbidden')])
  assert.deepEqual(await refused({ min: 1, max: 2, 'a-b': 'no' }), [cause('Duplicate value: "object"', 'spec.a-b', 'FieldValueDuplicate')])
  assert.deepEqual(await refused({ min: 1, max: 2, ref: { x: 'y' } }), [
    cause('Required value: x it is', 'spec.ref.x', 'FieldValueRequired'),
  ])
  assert.deepEqual(await refused({ min: 1, max: 2, ref: {} }), [cause('Invalid value: "object": no such key: x evaluating rule: x it is')])
  assert.deepEqual(await refused({ min: 'x', max: 2 }), [
    cause('Invalid value: "string": spec.min in body must be of type integer: "string"', 'spec.min', 'FieldValueTypeInvalid'),
    cause(
      'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
      '<nil>',
    ),
  ])
  assert.equal((await ask('POST', PATH, thing({ min: 1, max: 2 }))).status, 201)
})

test('rules see metadata, lists, maps, embedded objects and formats', async (t) => {
  const { ask } = await started(t, {
    type: 'object',
    'x-kubernetes-validations': [{ rule: "self.metadata.name.startsWith('a') && self.kind == 'Thing'" }],
    properties: {
      status: OPEN,
      spec: {
        type: 'object',
        properties: {
          list: { type: 'array', maxItems: 5, items: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self % 2 == 0' }] } },
          map: {
            type: 'object',
            maxProperties: 5,
            additionalProperties: { type: 'string', maxLength: 10, 'x-kubernetes-validations': [{ rule: "self != 'x'" }] },
          },
          pod: {
            type: 'object',
            'x-kubernetes-embedded-resource': true,
            'x-kubernetes-preserve-unknown-fields': true,
            'x-kubernetes-validations': [{ rule: "self.kind == 'Pod' && self.metadata.name != 'x'" }],
          },
          port: {
            'x-kubernetes-int-or-string': true,
            'x-kubernetes-validations': [{ rule: 'type(self) == int ? self < 10 : self == "http"' }],
          },
          when: { type: 'string', format: 'date-time', 'x-kubernetes-validations': [{ rule: "self > timestamp('2020-01-01T00:00:00Z')" }] },
          both: {
            type: 'object',
            properties: { n: { type: 'integer' } },
            allOf: [{ properties: { n: { 'x-kubernetes-validations': [{ rule: 'self > 1' }] } } }],
          },
        },
      },
    },
  })
  const cases: [spec: Json, where: string | undefined][] = [
    [{ list: [2, 3] }, 'spec.list[1]'],
    [{ map: { a: 'x' } }, 'spec.map[a]'],
    [{ pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' } } }, 'spec.pod'],
    [{ port: 12 }, 'spec.port'],
    [{ port: 'ftp' }, 'spec.port'],
    [{ when: '2019-01-01T00:00:00Z' }, 'spec.when'],
    [{ both: { n: 1 } }, 'spec.both.n'],
    [{ list: [2], map: { a: 'b' }, port: 'http', when: '2021-01-01T00:00:00Z', both: { n: 2 } }, undefined],
  ]
  for (const [given, where] of cases) {
    const { status, body } = await ask('POST', PATH, thing(given))
    assert.equal(status, where ? 422 : 201, JSON.stringify([given, body.message]))
    if (where)
      assert.deepEqual(
        body.details.causes.map(({ field }: Json) => field),
        [where],
      )
  }
  const { body } = await ask('POST', PATH, thing({}, { metadata: { name: 'b' } }))
  assert.match(body.message, /^Thing.rules.example.com "b" is invalid: <nil>: Invalid value: "object": failed rule: self.metadata.name/)
})

test('transition rules compare with what was there', async (t) => {
  const { ask } = await started(t, {
    type: 'object',
    properties: {
      status: {
        type: 'object',
        properties: { n: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf', message: 'no way back' }] } },
      },
      spec: {
        type: 'object',
        properties: {
          name: { type: 'string', maxLength: 9, 'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'immutable' }] },
          level: {
            type: 'integer',
            'x-kubernetes-validations': [
              { rule: 'oldSelf.hasValue() ? self >= oldSelf.value() : self == 1', optionalOldSelf: true, message: 'from one, upwards' },
            ],
          },
          parts: {
            type: 'array',
            maxItems: 3,
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['k'],
            items: {
              type: 'object',
              required: ['k'],
              properties: {
                k: { type: 'string' },
                v: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf', message: 'must not shrink' }] },
              },
            },
          },
        },
      },
    },
  })
  assert.match((await ask('POST', PATH, thing({ level: 2 }))).body.message, /from one, upwards/)
  assert.equal(
    (
      await ask(
        'POST',
        PATH,
        thing({
          name: 'x',
          level: 1,
          parts: [
            { k: 'a', v: 1 },
            { k: 'b', v: 1 },
          ],
        }),
      )
    ).status,
    201,
  )
  const merge = (patch: Json, path = `${PATH}/a`) => ask('PATCH', path, patch, 'application/merge-patch+json')
  assert.match((await merge({ spec: { name: 'y' } })).body.message, /spec.name: Invalid value: "string": immutable/)
  assert.match((await merge({ spec: { level: 0 } })).body.message, /spec.level: Invalid value: "integer": from one, upwards/)
  const moved = await merge({
    spec: {
      parts: [
        { k: 'b', v: 2 },
        { k: 'a', v: 0 },
      ],
    },
  })
  assert.match(moved.body.message, /spec.parts\[1\].v: Invalid value: "integer": must not shrink/)
  assert.equal(
    (
      await merge({
        spec: {
          parts: [
            { k: 'b', v: 2 },
            { k: 'c', v: 0 },
          ],
        },
      })
    ).status,
    200,
  )
  assert.equal((await merge({ status: { n: 3 } }, `${PATH}/a/status`)).status, 200)
  assert.match((await merge({ status: { n: 2 } }, `${PATH}/a/status`)).body.message, /status.n: .*no way back/)
})

test('what an update leaves alone is let through, with a warning where a rule fails', async (t) => {
  const before = spec({
    a: { type: 'string', maxLength: 9 },
    b: { type: 'string', maxLength: 9 },
    c: { type: 'object', properties: { d: { type: 'integer' } } },
  })
  const { ask, define } = await started(t, before)
  assert.equal((await ask('POST', PATH, thing({ a: 'old', b: 'x', c: { d: 5 } }))).status, 201)
  const after = spec({
    a: { type: 'string', maxLength: 9, enum: ['new'], 'x-kubernetes-validations': [{ rule: 'self == "new"' }] },
    b: { type: 'string', maxLength: 9 },
    c: { type: 'object', properties: { d: { type: 'integer', maximum: 3 } }, 'x-kubernetes-validations': [{ rule: 'self.d < 4' }] },
  })
  assert.equal((await define(after)).status, 200)
  const merge = (patch: Json) => ask('PATCH', `${PATH}/a`, patch, 'application/merge-patch+json')
  let answer = await merge({ spec: { b: 'y' } })
  while (answer.status === 200 && answer.headers.warning === undefined)
    answer = await merge({ spec: { b: `${answer.body.metadata.resourceVersion}` } })
  assert.equal(answer.status, 200, answer.body.message)
  assert.match(String(answer.headers.warning), /spec.a: Invalid value: .*failed rule: self ==/)
  assert.equal((await merge({ spec: { a: 'odd' } })).status, 422)
  assert.equal((await merge({ spec: { c: { d: 6 } } })).status, 422)
  assert.equal((await ask('POST', PATH, thing({ a: 'old' }, { metadata: { name: 'b' } }))).status, 422)
})

test('rules that cost too much are stopped, and stop the rest', async (t) => {
  const list = (rule: string): JSONSchemaProps => ({
    type: 'array',
    maxItems: 100,
    items: { type: 'integer' },
    'x-kubernetes-validations': [{ rule }],
  })
  const nested = 'self.all(a, self.all(b, self.all(c, a + b + c >= 0)))'
  const { ask } = await started(t, spec({ l: list(nested), m: list('self.size() < 100') }))
  const long = Array.from({ length: 100 }, (_, at) => at)
  const { status, body } = await ask('POST', PATH, thing({ l: long, m: long }))
  assert.equal(status, 422)
  assert.deepEqual(body.details.causes, [
    {
      reason: 'FieldValueInvalid',
      field: 'spec.l',
      message: `Invalid value: "array": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${nested}`,
    },
  ])
})
