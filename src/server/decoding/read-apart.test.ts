import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IN_DEFAULT, startRequests } from '#server/engine/requests.ts'

test('readApart gives large objects the defaults of small ones', async () => {
  await using t = await startRequests()
  const stringData = Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`key${i}`, 'value']))
  const secret = await t.send('POST', `${IN_DEFAULT}/secrets`, { metadata: { name: 'a' }, data: { first: 'Zmlyc3Q=' }, stringData })
  assert.equal(secret.status, 201)
  const { type, data, stringData: left } = secret.json
  assert.deepEqual([type, left, Object.keys(data).length, data.first, data.key8999], ['Opaque', undefined, 9001, 'Zmlyc3Q=', 'dmFsdWU='])
  const pod = (name: string, value: string) => ({
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'i', env: [{ name: 'A', value }] }] },
  })
  const [small, large] = [
    await t.send('POST', `${IN_DEFAULT}/pods`, pod('small', 'x')),
    await t.send('POST', `${IN_DEFAULT}/pods`, pod('large', 'x'.repeat(200_000))),
  ]
  assert.deepEqual([small!.status, large!.status], [201, 201])
  const specOf = ({ spec }: any) => ({ ...spec, containers: spec.containers.map((one: object) => ({ ...one, env: undefined })) })
  assert.deepEqual(specOf(large!.json), specOf(small!.json))
  const wrong = await t.send('POST', `${IN_DEFAULT}/secrets`, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'b' }, stringData })
  assert.equal(wrong.status, 400)
})
