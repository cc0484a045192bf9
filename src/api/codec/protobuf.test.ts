import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Ingress } from '#api/kinds/networking/ingress.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { decodeBody } from './decode-body.ts'
import { PROTOBUF_TYPE } from './media-type.ts'
import { openEnvelope } from './protobuf-envelope.ts'
import { ProtobufReader } from './protobuf-reader.ts'
import { encodeObject, encodeWatchFrame, messageOfSchema } from './protobuf.ts'

// As kubectl 1.33 sends them.
const DEPLOYMENT =
  'azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErgBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEoYBCAASDAoKCgNhcHASA3dlYhpsChwKABIA' +
  'GgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkwSLgoFbmdpbngSBW5naW54KgAyCgoAEAAYUCIAKgBCAGoAcgCAAQCIAQCQAQCiAQAaADIAQgBKAFIAWABgAGgA' +
  'ggEAigEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA='
const INGRESS =
  'azhzAAofChRuZXR3b3JraW5nLms4cy5pby92MRIHSW5ncmVzcxJdChEKAWkSABoAIgAqADIAOABCABJEEhIKB2Zvby5jb20SB215LWNlcnQaLgoHZm9vLmNv' +
  'bRIjCiEKHwoEL2JhchIPIg0KBHN2YzESBQoAEJA/GgZQcmVmaXgaAgoAGgAiAA=='
const DISRUPTION_BUDGET =
  'azhzAAogCglwb2xpY3kvdjESE1BvZERpc3J1cHRpb25CdWRnZXQSOAoTCgNwZDISABoAIgAqADIAOABCABIVEgsKCQoDYXBwEgJwZBoGCAAQABoAGgoIABgAIAAoADAAGgAiAA=='

test('decodeBody reads what kubectl create deployment sends: pointers keep their zeros, the rest goes', () => {
  const { object } = decodeBody(Buffer.from(DEPLOYMENT, 'base64'), PROTOBUF_TYPE, { expected: Deployment })
  assert.deepEqual(object, {
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }], resources: {} }] },
      },
      strategy: {},
    },
    status: {},
  })
})

test('decodeBody reads what kubectl create ingress sends: embedded messages stand in their parent', () => {
  const { object } = decodeBody(Buffer.from(INGRESS, 'base64'), PROTOBUF_TYPE, { expected: Ingress })
  const backend = { service: { name: 'svc1', port: { number: 8080 } } }
  assert.deepEqual((object as Ingress).spec, {
    tls: [{ hosts: ['foo.com'], secretName: 'my-cert' }],
    rules: [{ host: 'foo.com', http: { paths: [{ path: '/bar', pathType: 'Prefix', backend }] } }],
  })
})

test('decodeBody reads what kubectl create pdb --max-unavailable=0 sends: none at all is not nothing said', () => {
  const { object } = decodeBody(Buffer.from(DISRUPTION_BUDGET, 'base64'), PROTOBUF_TYPE, { expected: PodDisruptionBudget })
  assert.deepEqual((object as PodDisruptionBudget).spec, { selector: { matchLabels: { app: 'pd' } }, maxUnavailable: 0 })
})

test('encodeObject writes times, amounts and numbers-or-strings as upstream does', () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { creationTimestamp: '1970-01-01T00:00:00Z' },
    spec: { containers: [{ name: 'a', resources: { limits: { cpu: '1' } }, livenessProbe: { httpGet: { port: -1 } } }] },
    status: {},
  }
  const bytes = encodeObject(pod, messageOfSchema(Pod.schema)!)
  const raw = Buffer.from(openEnvelope(bytes).raw).toString('hex')
  assert.match(raw, /^0a06420408001000/, 'creationTimestamp: both zeros are written')
  assert.match(raw, /0a0363707512030a0131/, 'limits: cpu is a message around its text')
  assert.match(raw, /080010ffffffffffffffffff011a00/, 'port: its type, the number in ten bytes, an empty string')
  assert.deepEqual(decodeBody(bytes, PROTOBUF_TYPE, { expected: Pod }).object, pod)
})

test('encodeWatchFrame frames an event around an object in its envelope', () => {
  const object = encodeObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' } }, messageOfSchema(Pod.schema)!)
  const frame = encodeWatchFrame('ADDED', object)
  assert.equal(frame.readUInt32BE(0), frame.length - 4)
  const event = new ProtobufReader(frame, 4)
  assert.equal(event.tag(), 1 * 8 + 2)
  assert.equal(event.string(), 'ADDED')
  assert.equal(event.tag(), 2 * 8 + 2)
  const extension = event.message()
  assert.equal(extension.tag(), 1 * 8 + 2)
  assert.deepEqual(extension.bytes(), object)
  assert.ok(extension.done && event.done)
})
