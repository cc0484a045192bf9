import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configMap, IN_DEFAULT, pod, type Requests, startRequests } from './requests.ts'

const MAPS = `${IN_DEFAULT}/configmaps`
const names = (json: any) => json.items.map((one: any) => one.metadata.name)

async function withMaps(count: number): Promise<Requests> {
  const t = await startRequests()
  for (let i = 0; i < count; i++) await t.send('POST', MAPS, configMap(`m${i}`, {}, { labels: { parity: i % 2 ? 'odd' : 'even' } }))
  return t
}

test('list tells its kind once, its version, and items without either', async () => {
  await using t = await withMaps(1)
  const { json, text } = await t.send('GET', MAPS)
  assert.deepEqual([json.kind, json.apiVersion, json.metadata], ['ConfigMapList', 'v1', { resourceVersion: '1' }])
  assert.equal(json.items[0].kind, undefined)
  assert.equal(json.items[0].metadata.resourceVersion, '1')
  assert.ok(text.endsWith('\n'))
})

test('list goes through pages of one moment', async () => {
  await using t = await withMaps(5)
  const first = (await t.send('GET', `${MAPS}?limit=2`)).json
  assert.deepEqual([names(first), first.metadata.remainingItemCount], [['m0', 'm1'], 3])
  await t.send('POST', MAPS, configMap('m22'))
  await t.send('DELETE', `${MAPS}/m3`)
  await t.send('PATCH merge', `${MAPS}/m4`, { data: { later: 'yes' } })
  const second = (await t.send('GET', `${MAPS}?limit=2&continue=${first.metadata.continue}`)).json
  assert.deepEqual([names(second), second.metadata.remainingItemCount], [['m2', 'm3'], 1])
  assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion)
  const third = (await t.send('GET', `${MAPS}?limit=2&continue=${second.metadata.continue}`)).json
  assert.deepEqual([names(third), third.metadata.continue, third.items[0].data?.later], [['m4'], undefined, undefined])
})

test('list answers a page whose moment is gone with a token for the rest as it is now', async () => {
  await using t = await withMaps(4)
  const first = (await t.send('GET', `${MAPS}?limit=2`)).json
  await t.send('POST', MAPS, configMap('m22'))
  await t.store.compact(t.store.revision())
  const expired = await t.send('GET', `${MAPS}?limit=2&continue=${first.metadata.continue}`)
  assert.deepEqual([expired.status, expired.json.reason], [410, 'Expired'])
  assert.match(expired.json.message, /^The provided continue parameter is too old/)
  const rest = (await t.send('GET', `${MAPS}?limit=9&continue=${expired.json.metadata.continue}`)).json
  assert.deepEqual(names(rest), ['m2', 'm22', 'm3'])
})

test('list selects by labels and fields, paged too', async () => {
  await using t = await withMaps(6)
  assert.deepEqual(names((await t.send('GET', `${MAPS}?labelSelector=parity%3Dodd`)).json), ['m1', 'm3', 'm5'])
  assert.deepEqual(names((await t.send('GET', `${MAPS}?labelSelector=parity%20in%20(even),!x`)).json), ['m0', 'm2', 'm4'])
  assert.deepEqual(names((await t.send('GET', `${MAPS}?fieldSelector=metadata.name%3Dm3`)).json), ['m3'])
  assert.deepEqual(names((await t.send('GET', `/api/v1/configmaps?fieldSelector=metadata.name!%3Dm3,metadata.namespace%3Ddefault`)).json), [
    'm0',
    'm1',
    'm2',
    'm4',
    'm5',
  ])
  const page = (await t.send('GET', `${MAPS}?labelSelector=parity%3Dodd&limit=2`)).json
  assert.deepEqual([names(page), page.metadata.remainingItemCount], [['m1', 'm3'], undefined])
  const next = (await t.send('GET', `${MAPS}?labelSelector=parity%3Dodd&limit=2&continue=${page.metadata.continue}`)).json
  assert.deepEqual([names(next), next.metadata.continue], [['m5'], undefined])
})

test('list selects pods by fields of theirs', async () => {
  await using t = await startRequests()
  await t.send('POST', `${IN_DEFAULT}/pods`, pod('a', { nodeName: 'n1' }))
  await t.send('POST', `${IN_DEFAULT}/pods`, pod('b', { nodeName: 'n2' }))
  assert.deepEqual(names((await t.send('GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dn2,status.phase%3DPending')).json), ['b'])
})

test('list and get honour resourceVersion', async () => {
  await using t = await withMaps(2)
  assert.deepEqual(names((await t.send('GET', `${MAPS}?resourceVersion=0`)).json), ['m0', 'm1'])
  assert.deepEqual(names((await t.send('GET', `${MAPS}?resourceVersion=1&resourceVersionMatch=Exact`)).json), ['m0'])
  assert.deepEqual(names((await t.send('GET', `${MAPS}?resourceVersion=1&resourceVersionMatch=NotOlderThan`)).json), ['m0', 'm1'])
  await t.store.compact(2)
  const old = await t.send('GET', `${MAPS}?resourceVersion=1&resourceVersionMatch=Exact`)
  assert.deepEqual(
    [old.status, old.json.reason, old.json.message],
    [410, 'Expired', 'The resourceVersion for the provided list is too old.'],
  )
})

test('list of a version from the future is told to wait', async () => {
  await using t = await withMaps(1)
  const { status, json, headers } = await t.send('GET', `${MAPS}?resourceVersion=100&resourceVersionMatch=Exact`)
  assert.equal(status, 504)
  assert.equal(json.message, 'Timeout: Too large resource version: 100, current: 1')
  assert.deepEqual(json.details.causes, [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }])
  assert.equal(headers['retry-after'], '1')
})

const refusals: [string, number, RegExp][] = [
  ['limit=x', 400, /strconv\.ParseInt/],
  ['continue=abc', 400, /^invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value$/],
  ['continue=a!', 400, /illegal base64 data at input byte 1$/],
  ['sendInitialEvents=true', 422, /sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list/],
  ['timeoutSeconds=x', 400, /strconv\.ParseInt/],
  ['watch=yes&resourceVersion=x', 422, /^configmaps "" is invalid: resourceVersion: Invalid value: "x"/],
  ['resourceVersion=x', 400, /^invalid resource version: resourceVersion: Invalid value: "x"/],
  ['resourceVersionMatch=Exact', 422, /resourceVersionMatch is forbidden unless resourceVersion is provided/],
  ['resourceVersion=1&resourceVersionMatch=Newer', 422, /Unsupported value: "Newer"/],
  ['resourceVersion=0&resourceVersionMatch=Exact', 422, /forbidden for resourceVersion "0"/],
  ['labelSelector=a%3D%3D%3Db', 400, /^unable to parse requirement/],
  ['fieldSelector=spec.foo%3D1', 400, /spec\.foo/],
]
for (const [query, code, message] of refusals) {
  test(`list refuses ${query}`, async () => {
    await using t = await startRequests()
    const { status, json } = await t.send('GET', `${MAPS}?${query}`)
    assert.equal(status, code)
    assert.match(json.message, message)
  })
}

test('list as Table, as metadata, as YAML, and pretty', async () => {
  await using t = await withMaps(3)
  const get = (accept: string, query = '') => t.send('GET', MAPS + query, undefined, { accept })
  const table = (await get('application/json;as=Table;v=v1;g=meta.k8s.io,application/json', '?limit=2')).json
  assert.deepEqual([table.kind, table.apiVersion, table.rows.length], ['Table', 'meta.k8s.io/v1', 2])
  assert.equal(table.rows[0].object.kind, 'PartialObjectMetadata')
  assert.equal(table.metadata.remainingItemCount, 1)
  assert.equal((await get('application/json;as=Table;v=v1;g=meta.k8s.io', '?includeObject=Object')).json.rows[0].object.kind, 'ConfigMap')
  const partial = (await get('application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io')).json
  assert.deepEqual(
    [partial.kind, partial.items[0].kind, partial.items[0].data],
    ['PartialObjectMetadataList', 'PartialObjectMetadata', undefined],
  )
  const yaml = await get('application/yaml')
  assert.equal(yaml.headers['content-type'], 'application/yaml')
  assert.match(yaml.text, /^apiVersion: v1\nitems:\n/)
  assert.match((await t.send('GET', `${MAPS}?pretty=true`)).text, /^\{\n {2}"kind": "ConfigMapList"/)
  assert.equal((await get('text/html')).status, 406)
})

test('list streams what fits no slab, byte for byte', async () => {
  await using t = await startRequests()
  const filler = 'é"\\x'.repeat(20_000)
  for (let i = 0; i < 5; i++) await t.send('POST', MAPS, configMap(`big${i}`, { filler }))
  for (let i = 0; i < 300; i++) await t.send('POST', MAPS, configMap(`small${i}`, { i: String(i) }))
  const { json } = await t.send('GET', MAPS)
  assert.equal(json.items.length, 305)
  assert.ok(json.items.slice(0, 5).every((one: any) => one.data.filler === filler))
  const one = (await t.send('GET', `${MAPS}/small7`)).json
  const { kind: _kind, apiVersion: _version, ...item } = one
  assert.deepEqual(
    json.items.find((candidate: any) => candidate.metadata.name === 'small7'),
    item,
  )
})
