import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage } from '#api/codec/protobuf-decode.ts'
import { openEnvelope } from '#api/codec/protobuf-envelope.ts'
import { messageNamed, messageOf } from '#api/codec/protobuf-tables.ts'
import { configMap, IN_DEFAULT, startRequests } from '#server/engine/requests.ts'
import { MemoryExchange } from './memory-exchange.ts'

const PROTOBUF = 'application/vnd.kubernetes.protobuf'
const MAPS = `${IN_DEFAULT}/configmaps`

test('answers come in protobuf to who takes that first', async () => {
  await using t = await startRequests()
  const created = await t.send('POST', MAPS, configMap('a', { x: 'y' }), { accept: `${PROTOBUF},application/json` })
  assert.deepEqual([created.status, created.headers['content-type']], [201, PROTOBUF])
  const { raw, kind, apiVersion } = openEnvelope(created.body)
  assert.deepEqual([apiVersion, kind], ['v1', 'ConfigMap'])
  const object = decodeMessage(raw, messageOf('io.k8s.api.core.v1.ConfigMap')!) as any
  assert.deepEqual([object.metadata.name, object.metadata.resourceVersion, object.data], ['a', '1', { x: 'y' }])

  const listed = await t.send('GET', MAPS, undefined, { accept: PROTOBUF })
  const list = openEnvelope(listed.body)
  assert.equal(list.kind, 'ConfigMapList')
  const { items, metadata } = decodeMessage(list.raw, messageOf('io.k8s.api.core.v1.ConfigMapList')!) as any
  assert.deepEqual([items.length, items[0].metadata.name, metadata.resourceVersion], [1, 'a', '1'])
})

test('metadata alone and refusals come in protobuf too', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a', { x: 'y' }))
  const accept = (as: string, v: string) => ({
    accept: `${PROTOBUF};as=${as};g=meta.k8s.io;v=${v},application/json;as=${as};g=meta.k8s.io;v=${v}`,
  })
  const one = openEnvelope((await t.send('GET', `${MAPS}/a`, undefined, accept('PartialObjectMetadata', 'v1'))).body)
  assert.deepEqual([one.kind, one.apiVersion], ['PartialObjectMetadata', 'meta.k8s.io/v1'])
  assert.equal((decodeMessage(one.raw, messageNamed('meta.v1.PartialObjectMetadata')!) as any).metadata.name, 'a')
  for (const version of ['v1', 'v1beta1']) {
    const list = openEnvelope((await t.send('GET', MAPS, undefined, accept('PartialObjectMetadataList', version))).body)
    assert.deepEqual([list.kind, list.apiVersion], ['PartialObjectMetadataList', `meta.k8s.io/${version}`])
    const { items } = decodeMessage(list.raw, messageNamed(`meta.${version}.PartialObjectMetadataList`)!) as any
    assert.equal(items[0].metadata.name, 'a')
  }
  // A Table has no such form: the next one named is taken.
  assert.equal((await t.send('GET', MAPS, undefined, accept('Table', 'v1'))).json.kind, 'Table')
  const missing = await t.send('GET', `${MAPS}/none`, undefined, { accept: PROTOBUF })
  assert.deepEqual([missing.status, missing.headers['content-type']], [404, PROTOBUF])
  const { reason, code } = decodeMessage(openEnvelope(missing.body).raw, messageNamed('meta.v1.Status')!) as any
  assert.deepEqual([reason, code], ['NotFound', 404])
  const yaml = await t.send('GET', `${MAPS}/none`, undefined, { accept: 'application/yaml' })
  assert.match(yaml.text, /^apiVersion: v1\ncode: 404\n/)
})

test('watch frames come in protobuf, each behind its length', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a'))
  const exchange = new MemoryExchange({ path: `${MAPS}?watch=1`, headers: { accept: `${PROTOBUF};stream=watch` } })
  t.server.serve(exchange)
  const { headers, stream } = await exchange.answer()
  assert.equal(headers['content-type'], `${PROTOBUF};stream=watch`)
  const [chunk] = (await stream.take(1).toArray()) as Buffer[]
  assert.equal(chunk!.readUInt32BE(0), chunk!.length - 4)
  assert.ok(chunk!.includes('ADDED') && chunk!.includes('k8s\0'))
})

test('a single object as Table and as metadata alone', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a', { x: 'y' }))
  const table = (await t.send('GET', `${MAPS}/a`, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })).json
  assert.deepEqual([table.kind, table.rows.length, table.metadata.resourceVersion], ['Table', 1, '1'])
  const meta = (await t.send('GET', `${MAPS}/a`, undefined, { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' }))
    .json
  assert.deepEqual([meta.kind, meta.metadata.name, meta.data], ['PartialObjectMetadata', 'a', undefined])
})

test('a Table of flow schemas has them in the order they are asked, other lists by name', async () => {
  await using t = await startRequests()
  const path = '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas'
  const priorityLevelConfiguration = { name: 'exempt' }
  for (const [name, matchingPrecedence] of [
    ['a', 30],
    ['b', 2],
    ['d', 10],
    ['c', 10],
  ] as const)
    await t.send('POST', path, JSON.stringify({ metadata: { name }, spec: { matchingPrecedence, priorityLevelConfiguration } }))
  const table = (await t.send('GET', path, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })).json
  const list = (await t.send('GET', path)).json
  assert.deepEqual(
    table.rows.map(({ cells }: any) => cells[0]),
    ['b', 'c', 'd', 'a'],
  )
  assert.deepEqual(
    list.items.map(({ metadata }: any) => metadata.name),
    ['a', 'b', 'c', 'd'],
  )
})

test('large answers are compressed for who is not on this machine', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a', { x: 'y'.repeat(300_000) }))
  const get = (path: string, remoteAddress: string) =>
    t.server.handle({ path, headers: { 'accept-encoding': 'gzip' }, peer: { remoteAddress } })
  for (const path of [`${MAPS}/a`, MAPS]) {
    const far = await get(path, '10.1.2.3')
    assert.equal(far.headers['content-encoding'], 'gzip')
    const near = await get(path, '127.0.0.1')
    assert.equal(near.headers['content-encoding'], undefined)
    const { gunzipSync } = await import('node:zlib')
    assert.equal(gunzipSync(far.body).toString(), near.text)
  }
})
