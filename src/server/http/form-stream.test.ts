// Lists of many and of large objects are made piece by piece: they must be what the document would be, in every form.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeObject } from '#api/codec/protobuf.ts'
import { messageNamed, messageOf } from '#api/codec/protobuf-tables.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { tableOf } from '#api/table.ts'
import { IN_DEFAULT, startRequests } from '#server/engine/requests.ts'
import { encode } from './encode.ts'
import { partialMetadata } from './partial-metadata.ts'

const MAPS = `${IN_DEFAULT}/configmaps`
const META = 'g=meta.k8s.io;v=v1'
const words = ['', 'plain', 'two\nlines\n', '  leading', 'ümläute 𝄞', '- not: a [list]', '"quoted" \\', '{}', 'no', '0123', 'a'.repeat(200)]

async function fixture() {
  const t = await startRequests()
  for (let i = 0; i < 60; i++) {
    const data = Object.fromEntries(words.map((word, k) => [`k${k}`, `${word}${i % 3 ? word : ''}`]))
    const metadata = { name: `m${i}`, annotations: { text: words[i % words.length]! } }
    assert.equal((await t.send('POST', MAPS, { metadata, data: { ...data, pad: 'x'.repeat(1000) } })).status, 201)
  }
  const data = Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`key${i}`, words[i % words.length]!]))
  for (const name of ['large-a', 'large-b']) assert.equal((await t.send('POST', MAPS, { metadata: { name }, data })).status, 201)
  const plain = async (path: string) => (await t.send('GET', path)).json
  const get = async (path: string, accept: string) => {
    const answer = await t.send('GET', path, undefined, { accept })
    assert.equal(answer.status, 200)
    return answer
  }
  return { plain, get, [Symbol.asyncDispose]: () => t[Symbol.asyncDispose]() }
}

test('streamForm sends what the document would be', async () => {
  await using f = await fixture()
  const list = await f.plain(MAPS)
  const full = list.items.map((item: object) => ({ kind: 'ConfigMap', apiVersion: 'v1', ...item }))
  const { metadata } = list
  const partial = {
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    items: full.map((one: any) => partialMetadata(one, 'v1')),
  }
  const table = tableOf(ConfigMap, full, { now: 0, listMeta: metadata })
  // Ages are of the moment.
  const ageless = (value: any) =>
    value.rows ? { ...value, rows: value.rows.map((row: any) => ({ ...row, cells: row.cells.slice(0, 2) })) } : value
  const cases: [path: string, accept: string, expected: string | Uint8Array][] = [
    [MAPS, 'application/yaml', encode(list, { format: 'yaml' }).body],
    [`${MAPS}?pretty=1`, 'application/json', encode(list, { format: 'json', pretty: true }).body],
    [MAPS, 'application/vnd.kubernetes.protobuf', encodeObject(list, messageOf('io.k8s.api.core.v1.ConfigMapList')!)],
    [MAPS, `application/json;as=PartialObjectMetadataList;${META}`, encode(partial, { format: 'json' }).body],
    [MAPS, `application/yaml;as=PartialObjectMetadataList;${META}`, encode(partial, { format: 'yaml' }).body],
    [
      MAPS,
      `application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;${META}`,
      encodeObject(partial as never, messageNamed('meta.v1.PartialObjectMetadataList')!),
    ],
    [MAPS, `application/json;as=Table;${META}`, encode(table, { format: 'json' }).body],
    [`${MAPS}?pretty=1`, `application/json;as=Table;${META}`, encode(table, { format: 'json', pretty: true }).body],
    [
      `${MAPS}?includeObject=Object`,
      `application/json;as=Table;${META}`,
      encode(tableOf(ConfigMap, full, { now: 0, listMeta: metadata, includeObject: 'Object' }), { format: 'json' }).body,
    ],
  ]
  for (const [path, accept, expected] of cases) {
    const { body } = await f.get(path, accept)
    if (typeof expected !== 'string') assert.ok(Buffer.compare(body, expected) === 0, accept)
    else if (accept.startsWith('application/yaml')) assert.equal(body.toString(), expected)
    else {
      assert.deepEqual(ageless(JSON.parse(body.toString())), ageless(JSON.parse(expected)), `${accept} ${path}`)
      // Members may stand in another order, but nothing else is different.
      assert.equal(body.toString(), encode(JSON.parse(body.toString()), { format: 'json', pretty: path.includes('pretty') }).body)
    }
  }
})

test('sendStored makes a large object into a table or its metadata as it does a small one', async () => {
  await using f = await fixture()
  for (const pretty of ['', '&pretty=1'])
    for (const as of ['Table', 'PartialObjectMetadata'])
      for (const format of as === 'Table' ? ['json', 'yaml'] : ['json', 'yaml', 'vnd.kubernetes.protobuf']) {
        const object = await f.plain(`${MAPS}/large-a`)
        const answer = await f.get(`${MAPS}/large-a?includeObject=None${pretty}`, `application/${format};as=${as};${META}`)
        assert.equal(answer.headers['content-type'], `application/${format}`)
        const partial = partialMetadata(object, 'v1')
        if (format.startsWith('vnd')) {
          assert.ok(Buffer.compare(answer.body, encodeObject(partial, messageNamed('meta.v1.PartialObjectMetadata')!)) === 0)
          continue
        }
        if (as === 'PartialObjectMetadata') {
          assert.equal(answer.text, encode(partial, { format: format as 'json', pretty: pretty !== '' }).body)
          continue
        }
        const { rows, kind, columnDefinitions, metadata } =
          format === 'json' ? answer.json : ({ rows: [{ cells: ['large-a', 9000] }], kind: 'Table' } as any)
        assert.deepEqual([kind, rows[0].cells.slice(0, 2)], ['Table', ['large-a', 9000]])
        if (format === 'json')
          assert.deepEqual([columnDefinitions.length, metadata], [3, { resourceVersion: object.metadata.resourceVersion }])
        else assert.match(answer.text, /\nmetadata:\n {2}resourceVersion: '\d+'\nrows:\n- cells:\n {2}- large-a\n {2}- 9000\n/)
      }
})
