import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '#api/clone.ts'
import { customDefinition } from '#api/custom/testing.ts'
import { BodyReader } from '#server/decoding/body-reader.ts'
import { configMap, IN_DEFAULT, pod, startRequests } from './requests.ts'

const [FEW, MANY] = [50, 5000]
const filler = (count: number, value = 'x') => Object.fromEntries(Array.from({ length: count }, (_, i) => [`fill${i}`, value]))

const MAP = `${IN_DEFAULT}/configmaps/a`
const V1 = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers'
const V2 = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers'
const scaler = (annotations: object, more: object = {}) => ({
  apiVersion: 'autoscaling/v1',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'h', annotations: { x: '1', ...annotations } },
  spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' }, ...more },
})
const applied = (data: object, more: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data, ...more })

const WIDES = '/apis/example.com/v1/namespaces/default/wides'
const wide = (data: object, more: object = {}) => ({
  apiVersion: 'example.com/v1',
  kind: 'Wide',
  metadata: { name: 'w' },
  spec: { data, ...more },
})
const DEFINITION = customDefinition('Wide', {
  schema: {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        'x-kubernetes-validations': [{ rule: 'self.size < 10', message: 'must be small' }],
        properties: {
          data: { type: 'object', additionalProperties: { type: 'string', maxLength: 3 } },
          size: { type: 'integer', default: 2 },
        },
      },
    },
  },
})

/** Every request of one sequence, with as much filler as it is given. */
const SEQUENCES: Record<string, (fill: (value?: string) => Record<string, string>) => [string, string, object][]> = {
  updates: (fill) => [
    ['POST', `${IN_DEFAULT}/configmaps`, configMap('a', { x: '1', ...fill() })],
    ['POST', `${IN_DEFAULT}/configmaps`, configMap('a', { x: '1', ...fill() })],
    ['PUT', MAP, configMap('a', { x: '1', ...fill() })],
    ['PUT', `${MAP}?fieldManager=other`, configMap('a', { x: '2', y: '1', ...fill() })],
    ['PUT', MAP, configMap('a', { 'not a key': '2', ...fill() })],
    ['PUT', `${MAP}?dryRun=All`, configMap('a', { z: '2', ...fill('y') })],
    ['PUT', MAP, configMap('a', fill('y'), { resourceVersion: '1' })],
    ['PUT', MAP, configMap('a', fill('y'), { labels: { 'a b': 'c' } })],
    ['POST', `${IN_DEFAULT}/configmaps`, configMap('', { x: '1', ...fill() }, { generateName: 'b-' })],
  ],
  patches: (fill) => [
    ['POST', `${IN_DEFAULT}/configmaps`, configMap('a', { x: '1', ...fill() })],
    ['PATCH merge', MAP, { data: { x: '2', ...fill() } }],
    ['PATCH merge', MAP, { data: { x: '2', ...fill() } }],
    ['PATCH merge', MAP, { data: { x: 2 } }],
    ['PATCH merge', `${MAP}?fieldValidation=Strict`, { other: 1, data: fill('y') }],
    ['PATCH merge', MAP, { other: 1, data: fill('y') }],
    ['PATCH strategic', MAP, { data: { y: '2', x: null } }],
    ['PATCH json', MAP, [{ op: 'test', path: '/data/y', value: '3' }]],
    ['PATCH json', MAP, [{ op: 'add', path: '/data/z', value: '3' }]],
    ['PATCH merge', MAP, { metadata: { name: 'b' }, data: fill('z') }],
    ['PATCH merge', MAP, { immutable: true }],
    ['PATCH merge', MAP, { data: { y: '9' } }],
    ['DELETE', MAP, {}],
  ],
  applies: (fill) => [
    ['PATCH apply', `${MAP}?fieldManager=one`, applied({ x: '1', w: '1', ...fill() })],
    ['PATCH apply', `${MAP}?fieldManager=one`, applied({ x: '1', w: '1', ...fill() })],
    ['PATCH apply', `${MAP}?fieldManager=one`, applied({ x: '1', ...fill() })],
    ['PATCH apply', `${MAP}?fieldManager=two`, applied({ x: '2', y: '1' })],
    ['PATCH apply', `${MAP}?fieldManager=two&force=true`, applied({ x: '2', y: '1' })],
    ['PATCH apply', `${MAP}?fieldManager=one`, applied({ ...fill() }, { other: 1 })],
    ['PATCH apply', `${MAP}?fieldManager=two`, applied({ y: '1', ...fill() })],
    ['PATCH apply', MAP, applied({ x: '2', ...fill() })],
  ],
  versions: (fill) => [
    ['POST', V1, scaler(fill())],
    ['PATCH merge', `${V2}/h`, { metadata: { annotations: { y: '1' } }, spec: { minReplicas: 2 } }],
    ['PATCH apply', `${V1}/h?fieldManager=one&force=true`, scaler(fill(), { maxReplicas: 4 })],
    ['PATCH apply', `${V1}/h?fieldManager=one`, scaler({}, { maxReplicas: 5 })],
    ['PATCH merge', `${V1}/h`, { spec: { maxReplicas: -1 } }],
  ],
  customs: (fill) => [
    ['POST', WIDES, wide({ x: '1', ...fill() }, { other: 1 })],
    ['PATCH merge', `${WIDES}/w`, { spec: { data: { y: '2', ...fill('y') } } }],
    ['PATCH merge', `${WIDES}/w`, { spec: { data: { y: 'long' } } }],
    ['PATCH merge', `${WIDES}/w`, { spec: { size: 'long' } }],
    ['PATCH merge', `${WIDES}/w`, { spec: { size: 10 } }],
    ['PATCH merge', `${WIDES}/w`, { spec: { data: fill('y') } }],
    ['PATCH apply', `${WIDES}/w?fieldManager=one`, wide({ x: '2', ...fill('y') })],
    ['PATCH apply', `${WIDES}/w?fieldManager=one&force=true`, wide({ x: '2', ...fill() }, { size: 3 })],
    ['PATCH apply', `${WIDES}/w?fieldManager=one`, wide(fill())],
  ],
}

test('stepApart comes to what the same steps over small objects come to', async ({ mock }) => {
  const steps = mock.method(BodyReader.prototype, 'step')
  await using t = await startRequests()
  await t.send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', DEFINITION)
  for (let made = 404; made === 404; ) made = (await t.send('GET', WIDES)).status
  const answers = async (namespace: string, requests: [string, string, object][]) => {
    const all: unknown[] = []
    let last: string | undefined
    for (const [verb, path, body] of requests) {
      const { status, json, headers } = await t.send(verb, path.replace('/default/', `/${namespace}/`), body)
      const { resourceVersion } = json.metadata ?? {}
      all.push({ status, warning: headers['warning'], json: comparable(json), unchanged: resourceVersion === last })
      last = resourceVersion
    }
    return all
  }
  for (const [name, sequence] of Object.entries(SEQUENCES)) {
    const small = await answers(
      `${name}-1`,
      sequence((value) => filler(FEW, value)),
    )
    assert.equal(steps.mock.callCount(), 0)
    const large = await answers(
      `${name}-2`,
      sequence((value) => filler(MANY, value)),
    )
    assert.ok(steps.mock.callCount() > 0)
    steps.mock.resetCalls()
    for (const [index, answer] of large.entries()) assert.deepEqual(answer, small[index], `${name} ${index}`)
  }
})

const OF_ITS_OWN = /^(uid|time|creationTimestamp|namespace|resourceVersion)$/

/** Without the filler and what differs from run to run. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  // What a patch would have made of an object is shown in full.
  if (typeof value === 'string')
    return value
      .replace(/Invalid value: "\{.*\}":/, 'Invalid value:')
      .replace(/b-\w{5}/, 'b-')
      .replace(/-[12]\//, '/')
  if (typeof value !== 'object' || value === null) return value
  const kept: JsonObject = {}
  for (const [key, member] of Object.entries(value)) if (!OF_ITS_OWN.test(key) && !/^(f:)?fill\d/.test(key)) kept[key] = comparable(member)
  return kept
}

test('persist refuses more than is kept of an object', async () => {
  await using t = await startRequests()
  const containers = Array.from({ length: 30_000 }, (_, i) => ({
    name: `c${i}`,
    image: 'a',
    imagePullPolicy: 'Always',
    tty: true,
    stdin: true,
  }))
  const { status, json } = await t.send('POST', `${IN_DEFAULT}/pods`, pod('a', { containers }))
  assert.deepEqual([status, json.reason, json.message], [413, 'RequestEntityTooLarge', 'etcdserver: request is too large'])
})
