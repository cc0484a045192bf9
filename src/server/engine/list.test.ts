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

const token = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const badToken = 'invalid continue token: continue key is not valid'
const badOptions = 'ListOptions.meta.k8s.io "" is invalid:'
const parsing = 'strconv.ParseInt: parsing'
const forbidden = 'Forbidden: resourceVersionMatch is forbidden'
const refusals: [query: string, code: number, message: string | RegExp][] = [
  ['limit=x', 400, `${parsing} "x": invalid syntax`],
  ['limit=', 400, `${parsing} "": invalid syntax`],
  ['limit=1.5', 400, `${parsing} "1.5": invalid syntax`],
  ['limit=9223372036854775808', 400, `${parsing} "9223372036854775808": value out of range`],
  ['limit=-9223372036854775809', 400, `${parsing} "-9223372036854775809": value out of range`],
  ['timeoutSeconds=x', 400, `${parsing} "x": invalid syntax`],
  ['timeoutSeconds=', 400, `${parsing} "": invalid syntax`],
  ['watch=1&timeoutSeconds=1s', 400, `${parsing} "1s": invalid syntax`],
  ['watch=1&limit=99999999999999999999', 400, `${parsing} "99999999999999999999": value out of range`],
  ['continue=abc', 400, `${badToken}: invalid character 'i' looking for beginning of value`],
  ['continue=a!', 400, `${badToken}: illegal base64 data at input byte 1`],
  ['continue=abcde', 400, `${badToken}: illegal base64 data at input byte 5`],
  [`continue=${token([])}`, 400, `${badToken}: json: cannot unmarshal array into Go value of type storage.continueToken`],
  [`continue=${token('null')}`, 400, `${badToken}: server does not recognize this encoded version `],
  [`continue=${token({ v: 'v2' })}`, 400, `${badToken}: server does not recognize this encoded version v2`],
  [`continue=${token({ v: 2 })}`, 400, `${badToken}: json: cannot unmarshal number into Go struct field continueToken.v of type string`],
  [
    `continue=${token({ rv: 1.5 })}`,
    400,
    `${badToken}: json: cannot unmarshal number 1.5 into Go struct field continueToken.rv of type int64`,
  ],
  [`continue=${token({ v: 'meta.k8s.io/v1' })}`, 400, `${badToken}: incorrect encoded start resourceVersion (version meta.k8s.io/v1)`],
  [`continue=${token({ v: 'meta.k8s.io/v1', rv: 1 })}`, 400, `${badToken}: encoded start key empty (version meta.k8s.io/v1)`],
  [`continue=${token({ v: 'meta.k8s.io/v1', rv: 1, start: '../x' })}`, 400, `${badToken}: ../x`],
  [`continue=${token({ v: 'meta.k8s.io/v1', rv: 1, start: 'a//b' })}`, 400, `${badToken}: a//b`],
  ['continue=abc&resourceVersion=1', 400, `${badToken}: invalid character 'i' looking for beginning of value`],
  [
    `continue=${token({ v: 'meta.k8s.io/v1', rv: 1, start: 'a' })}&resourceVersion=x`,
    400,
    'specifying resource version is not allowed when using continue',
  ],
  ['sendInitialEvents=true', 422, `${badOptions} sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list`],
  ['watch=yes&resourceVersion=x', 500, 'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'],
  [
    'resourceVersion=x',
    400,
    'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
  ],
  [
    'resourceVersion=-1',
    400,
    'invalid resource version: resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax',
  ],
  [
    'resourceVersion=18446744073709551616',
    400,
    'invalid resource version: resourceVersion: Invalid value: "18446744073709551616": strconv.ParseUint: parsing "18446744073709551616": value out of range',
  ],
  ['resourceVersionMatch=Exact', 422, `${badOptions} resourceVersionMatch: ${forbidden} unless resourceVersion is provided`],
  [
    'resourceVersionMatch=Newer&continue=x&sendInitialEvents=0',
    422,
    `${badOptions} [resourceVersionMatch: ${forbidden} unless resourceVersion is provided, resourceVersionMatch: ${forbidden} when continue is provided, resourceVersionMatch: Unsupported value: "Newer": supported values: "Exact", "NotOlderThan", "", sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list]`,
  ],
  [
    'resourceVersion=0&resourceVersionMatch=Exact',
    422,
    `${badOptions} resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"`,
  ],
  [
    'watch=1&resourceVersion=5&resourceVersionMatch=Exact',
    422,
    `${badOptions} [resourceVersionMatch: ${forbidden} for watch unless sendInitialEvents is provided, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]`,
  ],
  [
    'watch=1&sendInitialEvents=true',
    422,
    `${badOptions} resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan`,
  ],
  ['watch=1&continue=x', 422, `${badOptions} resourceVersionMatch: ${forbidden} when continue is provided`],
  ['labelSelector=a%3D%3D%3Db', 400, /^unable to parse requirement/],
  ['fieldSelector=spec.foo%3D1', 400, /spec\.foo/],
]
for (const [query, code, message] of refusals) {
  test(`list refuses ${query}`, async () => {
    await using t = await startRequests()
    const { status, json } = await t.send('GET', `${MAPS}?${query}`)
    assert.equal(json.message.match(message)?.[0] ?? json.message, typeof message === 'string' ? message : json.message.match(message)?.[0])
    assert.equal(status, code)
    assert.equal(json.reason, { 400: 'BadRequest', 422: 'Invalid' }[code])
    if (query.startsWith('watch')) return
    // Who deletes what a list tells, lists.
    const { status: refused, json: told } = await t.send('DELETE', `${MAPS}?${query}`)
    assert.deepEqual([refused, told.message], [status, json.message])
  })
}

for (const query of ['limit=-1', 'limit=9223372036854775807', 'limit=%2B5', 'limit=007', 'timeoutSeconds=-5', 'unheardOf=x&limits=x'])
  test(`list takes ${query} as it takes any`, async () => {
    await using t = await withMaps(3)
    const { status, json } = await t.send('GET', `${MAPS}?${query}`)
    assert.deepEqual([status, json.items.length, json.metadata.continue], [200, 3, undefined])
  })

test('get refuses a version that is none as upstream does, without a reason', async () => {
  await using t = await withMaps(1)
  const { status, json } = await t.send('GET', `${MAPS}/m0?resourceVersion=1e3`)
  assert.deepEqual(
    [status, json.reason, json.message],
    [500, undefined, 'resourceVersion: Invalid value: "1e3": strconv.ParseUint: parsing "1e3": invalid syntax'],
  )
})

for (const [method, query, options, message] of [
  ['POST', 'dryRun=', 'CreateOptions', 'dryRun: Unsupported value: [""]: supported values: "All"'],
  [
    'POST',
    'fieldValidation=strict',
    'CreateOptions',
    'fieldValidation: Unsupported value: "strict": supported values: "", "Ignore", "Strict", "Warn"',
  ],
  ['PUT', 'dryRun=None', 'UpdateOptions', 'dryRun: Unsupported value: ["None"]: supported values: "All"'],
  ['PATCH merge', 'dryRun=all', 'PatchOptions', 'dryRun: Unsupported value: ["all"]: supported values: "All"'],
  ['PATCH merge', 'force=1', 'PatchOptions', 'force: Forbidden: may not be specified for non-apply patch'],
  ['DELETE', 'dryRun=', 'DeleteOptions', 'dryRun: Unsupported value: [""]: supported values: "All"'],
  [
    'DELETE',
    'propagationPolicy=none',
    'DeleteOptions',
    'propagationPolicy: Unsupported value: "none": supported values: "Background", "Foreground", "Orphan", "nil"',
  ],
] as const)
  test(`${method} refuses ${query}`, async () => {
    await using t = await withMaps(1)
    const body = method === 'DELETE' ? undefined : configMap(method === 'POST' ? 'new' : 'm0')
    const { status, json } = await t.send(method, `${MAPS}${method === 'POST' ? '' : '/m0'}?${query}`, body)
    assert.deepEqual([status, json.message], [422, `${options}.meta.k8s.io "" is invalid: ${message}`])
  })

test('delete refuses a grace period that is no number', async () => {
  await using t = await withMaps(1)
  const { status, json } = await t.send('DELETE', `${MAPS}/m0?gracePeriodSeconds=soon`)
  assert.deepEqual([status, json.message], [400, 'strconv.ParseInt: parsing "soon": invalid syntax'])
})

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
