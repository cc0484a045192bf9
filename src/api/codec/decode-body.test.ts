import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GroupVersionKind } from '#api/object.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { StatusError } from '#api/status.ts'
import { type DecodeOptions, decodeBody, type Expected } from './decode-body.ts'
import { DeleteOptionsKind } from './meta-kinds.ts'
import { encodeObject, messageOfSchema } from './protobuf.ts'

interface Case extends DecodeOptions {
  expected?: Expected
  contentType?: string
}

const decode = (body: string | Uint8Array, { contentType = 'application/json', expected = Deployment, ...options }: Case = {}) =>
  decodeBody(typeof body === 'string' ? Buffer.from(body) : body, contentType, { expected, ...options })
const refused = (body: string | Uint8Array, options: Case, message: string | RegExp, code = 400) =>
  assert.throws(
    () => decode(body, options),
    (error: unknown) => {
      assert.ok(error instanceof StatusError)
      assert.equal(error.code, code)
      if (typeof message === 'string') assert.equal(error.message, message)
      else assert.match(error.message, message)
      return true
    },
  )

const UNRECOGNIZED = 'the object provided is unrecognized (must be of type Deployment): '
const HANDLED = 'Deployment in version "v1" cannot be handled as a Deployment: '

for (const [body, message] of [
  ['', `${UNRECOGNIZED}couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)`],
  ['{"spec":{', `${UNRECOGNIZED}couldn't get version/kind; json parse error: unexpected end of JSON input ({"spec":{)`],
  [
    '{"metadata":{"name":"web",}, "spec": {}}',
    `${UNRECOGNIZED}couldn't get version/kind; json parse error: invalid character '}' looking for beginning of object key string ({"metadata":{"name":"web",}, " ...)`,
  ],
  ['\u00ef', `${UNRECOGNIZED}couldn't get version/kind; json parse error: invalid character 'Ã' looking for beginning of value (c3af)`],
  [
    '{"kind":5}',
    `${UNRECOGNIZED}couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string ({"kind":5})`,
  ],
  ['{"apiVersion":"a/b/c"}', `${UNRECOGNIZED}unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c"})`],
  ['{"spec":{"replicas":"x"}}', `${HANDLED}json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`],
  // As Go spells numbers, not as they are worth.
  ...['1.0', '1e3', '1E0', '10e-1', '2147483648', '9223372036854775807', '1e400'].map((number): [string, string] => [
    `{"spec":{"replicas":${number}}}`,
    `${HANDLED}json: cannot unmarshal number ${number} into Go struct field DeploymentSpec.spec.replicas of type int32`,
  ]),
  [
    '{"metadata":{"generation":9223372036854775808}}',
    `${HANDLED}json: cannot unmarshal number 9223372036854775808 into Go struct field ObjectMeta.metadata.generation of type int64`,
  ],
  [
    '{"kind":"Foo"}',
    'Foo in version "v1" cannot be handled as a Deployment: no kind "Foo" is registered for version "apps/v1" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
  ],
] as const) {
  test(`decodeBody refuses ${body || 'nothing'}`, () => refused(body, {}, message))
}

test('decodeBody refuses other kinds and versions it knows in their own words', () => {
  const isKnown = ({ kind }: GroupVersionKind) => kind === 'Deployment' || kind === 'DaemonSet'
  refused(
    '{"apiVersion":"apps/v1beta1","kind":"Deployment"}',
    { isKnown },
    'the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)',
  )
  refused(
    '{"apiVersion":"apps/v1","kind":"DaemonSet"}',
    { isKnown },
    'DaemonSet in version "v1" cannot be handled as a Deployment: converting (v1.DaemonSet) to (apps.Deployment): unknown conversion',
  )
})

test('decodeBody fills in apiVersion and kind', () => {
  const { object, warnings } = decode('{"metadata":{"name":"web"}}')
  const template = { metadata: {}, spec: { containers: null } }
  const spec = { strategy: {}, template }
  assert.deepEqual(object, { kind: 'Deployment', apiVersion: 'apps/v1', metadata: { name: 'web' }, spec, status: {} })
  assert.deepEqual(warnings, [])
})

test('decodeBody takes numbers as they are spelled where they need not be whole, and whole ones up to the last', () => {
  const read = (text: string) => decode(text).object as any
  assert.equal(read('{"metadata":{"generation":-9223372036854775808}}').metadata.generation, -(2n ** 63n))
  const limits = '{"spec":{"template":{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":1.50,"memory":1e3}}}]}}}}'
  assert.deepEqual(read(limits).spec.template.spec.containers[0].resources.limits, { cpu: '1500m', memory: '1e3' })
  // What no field knows is not read.
  assert.deepEqual(decode('{"other":1e400}').warnings, ['unknown field "other"'])
})

test('decodeBody makes whole characters of halves', () => {
  const { metadata } = decode('{"metadata":{"labels":{"a\\udc00":"\\uD83D\\ude00 \\ud800"}}}').object
  assert.deepEqual(metadata?.labels, { 'a\ufffd': '😀 \ufffd' })
  assert.deepEqual(decode('{"metadata":{"labels":{"a":"\\\\ud800 \\ud800"}}}').object.metadata?.labels, { a: '\\ud800 \ufffd' })
})

test('decodeBody takes DeleteOptions of any version', () => {
  const options = { expected: DeleteOptionsKind, anyVersion: true }
  for (const apiVersion of ['v1', 'meta.k8s.io/v1', 'policy/v1']) {
    const { object } = decode(JSON.stringify({ apiVersion, kind: 'DeleteOptions', gracePeriodSeconds: 0 }), options)
    assert.deepEqual(object, { kind: 'DeleteOptions', apiVersion, gracePeriodSeconds: 0 })
  }
  refused(
    '{"kind":"DeleteOptions","gracePeriodSeconds":"1"}',
    options,
    /^DeleteOptions in version "v1" cannot be handled as a DeleteOptions: json: /,
  )
})

const FAULTY =
  '{"spec":{"unknown1":1,"unknown1":2,"replicas":1,"replicas":2,"template":{"metadata":{"labels":{"a":"b","a":"c"}},' +
  '"spec":{"containers":[{"nested":{"x":1},"name":"a","name":"b"}]}}}}'
const FAULTS = [
  'unknown field "spec.unknown1"',
  'duplicate field "spec.replicas"',
  'duplicate field "spec.template.metadata.labels.a"',
  'unknown field "spec.template.spec.containers[0].nested"',
  'duplicate field "spec.template.spec.containers[0].name"',
]

test('decodeBody warns of unknown and duplicate fields in document order and keeps the last', () => {
  for (const fieldValidation of [undefined, 'Warn'] as const) {
    const { object, warnings } = decode(FAULTY, fieldValidation ? { fieldValidation } : {})
    assert.deepEqual(warnings, FAULTS)
    assert.deepEqual((object as Deployment).spec, {
      replicas: 2,
      strategy: {},
      template: { metadata: { labels: { a: 'c' } }, spec: { containers: [{ name: 'b', resources: {} }] } },
    })
  }
})

test('decodeBody refuses them when strict and says nothing when told to ignore', () => {
  refused(FAULTY, { fieldValidation: 'Strict' }, `${HANDLED}strict decoding error: ${FAULTS.join(', ')}`)
  assert.deepEqual(decode(FAULTY, { fieldValidation: 'Ignore' }).warnings, [])
})

test('decodeBody sees a duplicate beside a key that text alone could be taken for', () => {
  const body = '{"metadata":{"annotations":{"a":"x:\\"y\\": {z:1}","b":"\\\\"},"name":"a","name":"b"}}'
  assert.deepEqual(decode(body).warnings, ['duplicate field "metadata.name"'])
})

test('decodeBody reads YAML, strictly if asked', () => {
  const yaml = 'spec:\n  replicas: 0x10\n  foo: 1\n  replicas: 3\n'
  const { object, warnings } = decode(yaml, { contentType: 'application/yaml; charset=utf-8' })
  assert.equal((object as Deployment).spec?.replicas, 3)
  const texts = ['yaml: unmarshal errors:\n  line 4: key "replicas" already set in map', 'unknown field "spec.foo"']
  assert.deepEqual(warnings, ['line 4: key "replicas" already set in map', 'unknown field "spec.foo"'])
  refused(yaml, { contentType: 'application/yaml', fieldValidation: 'Strict' }, `${HANDLED}strict decoding error: ${texts.join(', ')}`)
  refused(
    'a: b: c',
    { contentType: 'application/yaml' },
    /^the object provided is unrecognized \(must be of type Deployment\): yaml: mapping values are not allowed in this context /,
  )
})

test('decodeBody tells unknown fields of YAML in the order of their keys', () => {
  const yaml = 'zoo: 1\nspec:\n  template: {spec: {containers: [{b: 1, a: 2}]}}\n  foo: 1\n  bar: 1\nalso: 1\n'
  const unknown = ['also', 'spec.bar', 'spec.foo', 'spec.template.spec.containers[0].a', 'spec.template.spec.containers[0].b', 'zoo']
  assert.deepEqual(
    decode(yaml, { contentType: 'application/yaml' }).warnings,
    unknown.map((path) => `unknown field "${path}"`),
  )
})

test('decodeBody tells of at most 100 faults, each once', () => {
  const fields = Array.from({ length: 300 }, (_, at) => `"x${at % 150}":1`)
  assert.equal(decode(`{"spec":{${fields.join()}}}`).warnings.length, 100)
  assert.equal(new Set(decode(`{"spec":{${fields.join()}}}`).warnings).size, 100)
})

test('decodeBody reads protobuf', () => {
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { replicas: 0, paused: true, strategy: {}, template: { metadata: {}, spec: { containers: null } } },
    status: {},
  }
  const bytes = encodeObject(deployment, messageOfSchema(Deployment.schema)!)
  const contentType = 'application/vnd.kubernetes.protobuf'
  assert.deepEqual(decode(bytes, { contentType }).object, deployment)
  refused(
    bytes,
    { contentType, expected: Pod },
    /^Deployment in version "v1" cannot be handled as a Pod: no kind "Deployment" is registered/,
  )
  refused(bytes.subarray(0, bytes.length - 3), { contentType }, /unexpected EOF/)
  refused('{}', { contentType }, /provided data does not appear to be a protobuf message, expected prefix \[107 56 115 0\]/)
})

test('decodeBody refuses media types it does not know, and protobuf for kinds without a message', () => {
  const message = 'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml'
  refused('a', { contentType: 'text/plain' }, `${message}, application/vnd.kubernetes.protobuf`, 415)
  const expected = { group: 'example.com', version: 'v1', kind: 'Foo', schema: { type: 'object', properties: {} } } as const
  refused('a', { contentType: 'application/vnd.kubernetes.protobuf', expected }, message, 415)
})

test('decodeBody bounds depth in every format', () => {
  const depth = 200_000
  const list = '['.repeat(depth) + ']'.repeat(depth)
  for (const fieldValidation of ['Ignore', 'Strict'] as const) {
    for (const field of ['spec', 'foo']) refused(`{"${field}":${list}}`, { fieldValidation }, /exceeded max depth/)
  }
  refused(`{"foo":${'['.repeat(depth)}`, {}, /exceeded max depth/)
  refused(`foo: ${list}`, { contentType: 'application/yaml' }, /yaml: /)
})
