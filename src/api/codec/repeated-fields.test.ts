import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtinKinds } from '#api/kinds.ts'
import { minimalObject } from '#api/kinds/minimal-objects.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { planOf } from '#api/schema/plan.ts'
import { StatusError } from '#api/status.ts'
import { decodeBody, type Expected } from './decode-body.ts'
import { readRepeated } from './repeated-fields.ts'

const decode = (text: string, expected: Expected = Pod) =>
  decodeBody(Buffer.from(text), 'application/json', { expected, fieldValidation: 'Ignore' }).object as any

const MERGED: [what: string, text: string, read: (pod: any) => unknown, wanted: unknown][] = [
  [
    'structs get the fields of both',
    '{"spec":{"nodeName":"a"},"spec":{"hostname":"b"}}',
    ({ spec: { nodeName, hostname } }) => [nodeName, hostname],
    ['a', 'b'],
  ],
  [
    'so do structs below them',
    '{"spec":{"securityContext":{"runAsUser":1}},"spec":{"securityContext":{"fsGroup":2}}}',
    ({ spec }) => spec.securityContext,
    { runAsUser: 1, fsGroup: 2 },
  ],
  [
    'maps get the keys of both',
    '{"metadata":{"labels":{"a":"1","b":"2"},"labels":{"b":"3","c":"4"}}}',
    ({ metadata }) => metadata.labels,
    { a: '1', b: '3', c: '4' },
  ],
  [
    'items get the fields of those in their place, and there are as many as the last time',
    '{"spec":{"containers":[{"name":"a","image":"x","args":["1","2"]},{"name":"b"}],"containers":[{"image":"y","args":["3"]}]}}',
    ({ spec }) => spec.containers.map(({ name, image, args }: any) => [name, image, args]),
    [['a', 'y', ['3']]],
  ],
  ['the last scalar counts', '{"spec":{"hostname":"a","hostname":"b"}}', ({ spec }) => spec.hostname, 'b'],
  ['null says nothing of a scalar', '{"spec":{"hostname":"a","hostname":null}}', ({ spec }) => spec.hostname, 'a'],
  ['null takes a pointer away', '{"spec":{"priority":1,"priority":null}}', ({ spec }) => spec.priority, undefined],
  ['null takes a list away', '{"spec":{"tolerations":[{"key":"a"}],"tolerations":null}}', ({ spec }) => spec.tolerations, undefined],
  [
    'null takes a struct away that is a pointer',
    '{"spec":{"affinity":{"podAffinity":{}},"affinity":null}}',
    ({ spec }) => spec.affinity,
    undefined,
  ],
  ['null says nothing of a struct that is none', '{"spec":{"hostname":"a"},"spec":null}', ({ spec }) => spec.hostname, 'a'],
  [
    'what comes after null is new',
    '{"spec":{"affinity":{"podAffinity":{}},"affinity":null,"affinity":{"nodeAffinity":{}}}}',
    ({ spec }) => spec.affinity,
    { nodeAffinity: {} },
  ],
  [
    'values of maps are new',
    '{"spec":{"overhead":{"cpu":"1"},"overhead":{"cpu":"2","memory":"3"}}}',
    ({ spec }) => spec.overhead,
    { cpu: '2', memory: '3' },
  ],
  ['escaped names are the same', '{"spec":{"host\\u006eame":"a","hostname":"\\"b\\\\"}}', ({ spec }) => spec.hostname, '"b\\'],
  [
    'a key may have any name',
    '{"metadata":{"labels":{"__proto__":"a","__proto__":"b"}}}',
    ({ metadata }) => Object.entries(metadata.labels),
    [['__proto__', 'b']],
  ],
]

for (const [what, text, read, wanted] of MERGED) {
  test(`readRepeated as Go reads fields that occur twice: ${what}`, () => assert.deepEqual(read(decode(text)), wanted))
}

const REFUSED: [text: string, why: string][] = [
  ['{"spec":{"replicas":"x","replicas":1}}', 'cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32'],
  ['{"spec":{"replicas":1.0,"replicas":1}}', 'cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32'],
  ['{"spec":{"replicas":1,"replicas":1.0}}', 'cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32'],
  ['{"spec":[],"spec":{}}', 'cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec'],
]

for (const [text, why] of REFUSED) {
  test(`readRepeated keeps what is of a wrong type, to be refused: ${text}`, () => {
    assert.throws(
      () => decode(text, Deployment),
      (error) => error instanceof StatusError && error.message.endsWith(`: json: ${why}`),
    )
  })
}

test('readRepeated reads every kind as JSON.parse does where nothing occurs twice', () => {
  for (const kind of builtinKinds) {
    const text = JSON.stringify(minimalObject(kind), null, 1)
    assert.deepEqual(readRepeated(text, planOf(kind.schema)), JSON.parse(text))
  }
})

test('readRepeated leaves custom resources to the last occurrence', () => {
  const custom = { ...Pod, decode: () => [] }
  assert.deepEqual(decode('{"spec":{"a":1},"spec":{"b":2}}', custom).spec, { b: 2 })
})
