// Large custom resources of a definition that changed are shown by another thread: they must look as small ones do, in every way of looking.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customDefinition } from '#api/custom/testing.ts'
import { startRequests } from './requests.ts'

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const at = (version: string, name = '') => `/apis/example.com/${version}/namespaces/default/boats${name && `/${name}`}`
const text = { type: 'string' }
const definition = (properties: object) =>
  customDefinition('Boat', {
    versions: ['v1', 'v2'],
    schema: {
      type: 'object',
      properties: { spec: { type: 'object', properties: { data: { type: 'object', additionalProperties: text }, ...properties } } },
    },
  })

async function fixture() {
  const cluster = await startRequests()
  const send = async (method: string, path: string, body?: unknown, headers = {}) => {
    const answer = await cluster.send(method, path, body, headers)
    assert.ok(answer.status < 300, answer.text)
    return answer.json
  }
  await send('POST', DEFINITIONS, definition({ old: text }))
  while ((await cluster.send('GET', at('v1'))).status === 404) await new Promise((resolve) => setImmediate(resolve))
  const boat = (name: string, members: number) => {
    const data = Object.fromEntries(Array.from({ length: members }, (_, i) => [`key${i}`, 'value']))
    return { apiVersion: 'example.com/v1', kind: 'Boat', metadata: { name, labels: { name } }, spec: { data, old: 'goes' } }
  }
  for (const [name, members] of [
    ['small', 1],
    ['large', 9000],
  ] as const)
    await send('POST', at('v1'), boat(name, members))
  const { metadata } = await send('GET', `${DEFINITIONS}/boats.example.com`)
  const { resourceVersion } = metadata
  await send('PUT', `${DEFINITIONS}/boats.example.com`, {
    ...definition({ speed: { type: 'integer', default: 7 } }),
    metadata: { name: 'boats.example.com', resourceVersion },
  })
  return { ...cluster, json: send, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() }
}

test('LargeReads shows large objects as small ones are shown: pruned, defaulted, in their version', async () => {
  await using f = await fixture()
  for (const version of ['v1', 'v2']) {
    for (const name of ['small', 'large']) {
      const { apiVersion, kind, metadata, spec } = await f.json('GET', at(version, name))
      assert.deepEqual([apiVersion, kind, metadata.name, spec.old, spec.speed], [`example.com/${version}`, 'Boat', name, undefined, 7])
      assert.match(metadata.resourceVersion, /^\d+$/)
    }
    const { items } = await f.json('GET', at(version))
    assert.deepEqual(
      items.map((one: any) => [one.apiVersion, one.metadata.name, one.spec.old, one.spec.speed, Object.keys(one.spec.data).length]),
      [
        [`example.com/${version}`, 'large', undefined, 7, 9000],
        [`example.com/${version}`, 'small', undefined, 7, 1],
      ],
    )
    assert.equal(items[0].metadata.resourceVersion, (await f.json('GET', at(version, 'large'))).metadata.resourceVersion)
  }
})

test('LargeReads keeps the order of a watch, small changes behind large ones', async () => {
  await using f = await fixture()
  const { kind } = f.server.registry.find('example.com', 'v2', 'boats')!
  const stop = new AbortController()
  const events = f.client.watch(kind, { namespace: 'default', signal: stop.signal })[Symbol.asyncIterator]()
  const next = async () => {
    const { value } = (await events.next()) as any
    return [value.type, value.object.metadata.name, value.object.spec.speed, value.object.spec.old]
  }
  const seen = [await next(), await next()].sort()
  assert.deepEqual(seen, [
    ['ADDED', 'large', 7, undefined],
    ['ADDED', 'small', 7, undefined],
  ])
  const patch = (name: string, speed: number) => f.json('PATCH merge', at('v1', name), { spec: { speed } })
  assert.equal((await patch('large', 1)).spec.speed, 1)
  await patch('small', 2)
  await patch('large', 3)
  assert.deepEqual(
    [await next(), await next(), await next()],
    [
      ['MODIFIED', 'large', 1, undefined],
      ['MODIFIED', 'small', 2, undefined],
      ['MODIFIED', 'large', 3, undefined],
    ],
  )
  stop.abort()
})
