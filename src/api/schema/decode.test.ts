import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definition } from '#api/definitions.ts'
import type { Schema } from '#api/schema.ts'
import { DecodeError, decodeInto, MAX_DEPTH } from './decode.ts'

const POD = definition('io.k8s.api.core.v1.Pod')
const CRD = definition('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition')
const pod = (spec: unknown, metadata: unknown = { name: 'web' }) => ({ metadata, spec })
const container = (fields: object) => pod({ containers: [{ name: 'web', ...fields }] })

const REFUSALS: [what: string, value: unknown, message: string][] = [
  ['a string for a struct', pod('x'), 'json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec'],
  [
    'a number for a string in a map',
    pod({}, { labels: { a: 5 } }),
    'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
  ],
  [
    'an object for a list',
    pod({ containers: {} }),
    'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
  ],
  [
    'a string for an int32, deep in lists',
    container({ ports: [{ containerPort: '80' }] }),
    'json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
  ],
  [
    'a fraction for an int64',
    pod({ terminationGracePeriodSeconds: 1.5 }),
    'json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64',
  ],
  [
    'a number beyond int32',
    container({ ports: [{ containerPort: 4294967296 }] }),
    'json: cannot unmarshal number 4294967296 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
  ],
  [
    'a string for a boolean',
    pod({ hostNetwork: 'true' }),
    'json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool',
  ],
  [
    'a boolean for a number or string',
    container({ readinessProbe: { httpGet: { port: true } } }),
    'json: cannot unmarshal bool into Go struct field HTTPGetAction.spec.containers.readinessProbe.httpGet.port of type int32',
  ],
  [
    'no quantity',
    container({ resources: { limits: { cpu: 'lots' } } }),
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  ],
  ['no time', pod({}, { creationTimestamp: 'now' }), 'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"'],
  ['no such day', pod({}, { creationTimestamp: '2026-02-30T00:00:00Z' }), 'parsing time "2026-02-30T00:00:00Z": day out of range'],
  [
    'a number for a time',
    pod({}, { creationTimestamp: 5 }),
    'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string',
  ],
]
for (const [what, value, message] of REFUSALS) {
  test(`decodeInto refuses ${what}`, () => assert.throws(() => decodeInto(value, POD), new DecodeError(message)))
}

test('decodeInto gives quantities and times their canonical form', () => {
  const value = pod(
    { containers: [{ resources: { limits: { cpu: 1, memory: '1024Mi', storage: '0.5' } } }] },
    { creationTimestamp: '2026-01-01T01:30:00.75+02:00', deletionTimestamp: null },
  )
  decodeInto(value, POD)
  assert.deepEqual(value, {
    metadata: { creationTimestamp: '2025-12-31T23:30:00Z' },
    spec: { containers: [{ name: '', resources: { limits: { cpu: '1', memory: '1Gi', storage: '500m' } } }] },
    status: {},
  })
})

test('decodeInto keeps six digits of a micro time and asks for them', () => {
  const lease = definition('io.k8s.api.coordination.v1.Lease')
  const value = { spec: { renewTime: '2026-01-01T01:00:00.000001+01:00' } }
  decodeInto(value, lease)
  assert.equal(value.spec.renewTime, '2026-01-01T00:00:00.000001Z')
  assert.throws(() => decodeInto({ spec: { renewTime: '2026-01-01T00:00:00Z' } }, lease), /cannot parse "Z" as ".000000"/)
})

test('decodeInto takes null for absence, and for zero in lists and maps', () => {
  const value = pod({ nodeName: null, containers: [{ args: ['a', null] }, null] }, { labels: { a: null }, annotations: null })
  decodeInto(value, POD)
  assert.deepEqual(value, {
    metadata: { labels: { a: '' } },
    spec: {
      containers: [
        { args: ['a', ''], name: '', resources: {} },
        { name: '', resources: {} },
      ],
    },
    status: {},
  })
})

test('decodeInto drops the zeros Go drops and puts in those it writes', () => {
  const deployment = definition('io.k8s.api.apps.v1.Deployment')
  const written = {
    metadata: { labels: {}, annotations: { a: '' }, finalizers: [], generateName: '' },
    spec: {
      replicas: 0,
      paused: false,
      minReadySeconds: 0,
      strategy: { type: '', rollingUpdate: { maxSurge: 0 } },
      template: {
        spec: {
          hostNetwork: false,
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 0,
          volumes: [{ name: 'tmp', emptyDir: {} }],
          nodeSelector: {},
          containers: [{ name: 'a', command: [], env: [{ name: 'A', value: '' }], securityContext: { privileged: false } }],
        },
      },
    },
  }
  decodeInto(written, deployment)
  const canonical = {
    metadata: { annotations: { a: '' } },
    spec: {
      replicas: 0,
      strategy: { rollingUpdate: { maxSurge: 0 } },
      template: {
        metadata: {},
        spec: {
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 0,
          volumes: [{ name: 'tmp', emptyDir: {} }],
          containers: [{ name: 'a', env: [{ name: 'A' }], resources: {}, securityContext: { privileged: false } }],
        },
      },
    },
    status: {},
  }
  assert.deepEqual(written, canonical)
  decodeInto(written, deployment)
  assert.deepEqual(written, canonical, 'what is canonical stays so')
})

test('decodeInto keeps every zero inside what has no type of its own', () => {
  const crd = definition('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition')
  const zeros = ['', 0, false, [], {}]
  const properties = Object.fromEntries(zeros.map((zero, index) => [`p${index}`, { default: zero }]))
  const value = {
    spec: { versions: [{ name: 'v1', served: false, schema: { openAPIV3Schema: { properties, minimum: 0, nullable: false } } }] },
  }
  decodeInto(value, crd)
  assert.deepEqual(value.spec.versions[0], {
    name: 'v1',
    served: false,
    storage: false,
    schema: { openAPIV3Schema: { properties, minimum: 0 } },
  })
  const plain = { type: 'object', properties: { flag: { type: 'boolean' }, list: { type: 'array', items: { type: 'string' } } } } as const
  const custom = { flag: false, list: [] }
  decodeInto(custom, plain)
  assert.deepEqual(custom, { flag: false, list: [] })
})

test('decodeInto checks base64 and tells the first byte that is none', () => {
  const secret = definition('io.k8s.api.core.v1.Secret')
  const value = { data: { a: 'aGVs\nbG8=', b: '' } }
  decodeInto(value, secret)
  assert.deepEqual(value, { data: { a: 'aGVsbG8=', b: '' } })
  for (const [text, at] of [
    ['a b=', 1],
    ['aGVsbG8', 4],
    ['aGVsbG8=x', 8],
    ['====', 0],
  ] as const) {
    assert.throws(() => decodeInto({ data: { a: text } }, secret), new DecodeError(`illegal base64 data at input byte ${at}`), text)
  }
})

test('decodeInto names and drops what no field knows', () => {
  const value = { ...container({ foo: 1, env: [{ name: 'a', bar: { baz: 2 } }] }), other: true, constructor: 1 }
  const { unknown } = decodeInto(value, POD)
  assert.deepEqual(unknown, ['spec.containers[0].foo', 'spec.containers[0].env[0].bar', 'other', 'constructor'])
  assert.deepEqual(value, {
    metadata: { name: 'web' },
    spec: { containers: [{ name: 'web', env: [{ name: 'a' }], resources: {} }] },
    status: {},
  })
})

test('decodeInto keeps unknown fields where told to, and reports them all the same', () => {
  const value = container({ foo: 1 })
  assert.deepEqual(decodeInto(value, POD, { keepUnknown: true }).unknown, ['spec.containers[0].foo'])
  assert.deepEqual(value, { ...container({ foo: 1, resources: {} }), status: {} })
})

test('decodeInto lets open objects be, but not deeper than the bound', () => {
  const schema: Schema = { type: 'object', properties: { any: { type: 'any' } }, preserveUnknownFields: true }
  const value = { any: { a: [null, { b: 1 }] }, more: { c: null } }
  assert.deepEqual(decodeInto(value, schema).unknown, [])
  assert.deepEqual(value, { any: { a: [null, { b: 1 }] }, more: { c: null } })
  let deep: unknown = 1
  for (let depth = 0; depth <= MAX_DEPTH; depth++) deep = [deep]
  for (const field of ['any', 'more']) assert.throws(() => decodeInto({ [field]: deep }, schema), new DecodeError('exceeded max depth'))
})

test('decodeInto bounds recursive types', () => {
  let schema: object = {}
  for (let depth = 0; depth <= MAX_DEPTH; depth++) schema = { not: schema }
  const crd = { spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema: schema } }] } }
  assert.throws(() => decodeInto(crd, CRD), new DecodeError('exceeded max depth'))
})

test('decodeInto reads the unions of JSON schemas, silently dropping what they do not know', () => {
  const openAPIV3Schema = {
    properties: {
      a: { items: { type: 'string', foo: 1 } },
      b: { additionalProperties: true },
      c: { dependencies: { x: ['y'] }, default: null },
    },
  }
  const { unknown } = decodeInto({ spec: { versions: [{ schema: { openAPIV3Schema } }] } }, CRD)
  assert.deepEqual(unknown, [])
  assert.deepEqual(openAPIV3Schema.properties, {
    a: { items: { type: 'string' } },
    b: { additionalProperties: true },
    c: { dependencies: { x: ['y'] } },
  } as never)
  const bad = { spec: { versions: [{ schema: { openAPIV3Schema: { additionalProperties: 5 } } }] } }
  assert.throws(() => decodeInto(bad, CRD), new DecodeError('boolean or JSON schema expected'))
})

test('decodeInto leaves prototypes alone', () => {
  const configMap = definition('io.k8s.api.core.v1.ConfigMap')
  const value = JSON.parse('{"data":{"__proto__":null,"a":"b"},"__proto__":{"polluted":true}}')
  assert.deepEqual(decodeInto(value, configMap).unknown, ['__proto__'])
  assert.deepEqual(JSON.stringify(value), '{"data":{"__proto__":"","a":"b"}}')
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
})
