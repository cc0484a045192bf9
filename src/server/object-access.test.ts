import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { StatusError } from '#api/status.ts'
import { startTestServer } from './testing.ts'

const map = (name: string, data: Record<string, string> = {}): ConfigMap => ({ metadata: { name, namespace: 'default' }, data })
const key = { namespace: 'default', name: 'a' }

test('reader shows what is there, shared and frozen', async () => {
  await using t = await startTestServer()
  const { reader } = t.server
  assert.equal(reader.get(ConfigMap, key), undefined)
  const made = await t.client.create(ConfigMap, map('a'))
  assert.equal(reader.get(ConfigMap, key), made)
  assert.throws(() => {
    reader.get(ConfigMap, key)!.data = {}
  }, TypeError)
  await t.client.create(ConfigMap, { metadata: { name: 'b', namespace: 'other' } })
  assert.deepEqual(
    [...reader.list(ConfigMap)].map(({ metadata }) => metadata!.name),
    ['a', 'b'],
  )
  assert.deepEqual(
    [...reader.list(ConfigMap, 'other')].map(({ metadata }) => metadata!.name),
    ['b'],
  )
})

test('reader tells changes, also to who stumbles over one', async () => {
  await using t = await startTestServer()
  const seen: [string | undefined, string | undefined][] = []
  const subscription = t.server.reader.onChange(ConfigMap, ({ object, previous }) => {
    seen.push([previous?.data?.['x'], object?.data?.['x']])
    if (seen.length === 1) throw new Error('stumbles')
  })
  await t.client.create(ConfigMap, map('a', { x: '1' }))
  await t.client.patch(ConfigMap, key, { type: 'merge', patch: { data: { x: '2' } } })
  await t.client.delete(ConfigMap, key)
  subscription[Symbol.dispose]()
  await t.client.create(ConfigMap, map('a'))
  assert.deepEqual(seen, [
    [undefined, '1'],
    ['1', '2'],
    ['2', undefined],
  ])
})

test('writer modifies again and again until no one is faster', async () => {
  await using t = await startTestServer()
  const { writer } = t.server
  await writer.create(ConfigMap, map('a', { n: '0' }))
  const add = () => writer.modify(ConfigMap, key, (object) => void (object.data!['n'] = String(Number(object.data!['n']) + 1)))
  await Promise.all(Array.from({ length: 20 }, add))
  assert.equal(t.server.reader.get(ConfigMap, key)!.data!['n'], '20')
  const refusing = writer.modify(ConfigMap, key, () => {
    throw new StatusError('Conflict', 'not now')
  })
  await assert.rejects(refusing, { reason: 'Conflict' })
  await assert.rejects(
    writer.modify(ConfigMap, { namespace: 'default', name: 'none' }, () => {}),
    { reason: 'NotFound' },
  )
  await writer.delete(ConfigMap, key)
  assert.equal(t.server.reader.get(ConfigMap, key), undefined)
})

test('writer goes where the main resource may not, by subresource', async () => {
  await using t = await startTestServer()
  const pod: Pod = { metadata: { name: 'a', namespace: 'default' }, spec: { containers: [{ name: 'c', image: 'busybox:1' }] } }
  await t.server.writer.create(Pod, pod)
  const bind = (options = {}) => t.server.writer.modify(Pod, key, (object) => void (object.spec!.nodeName = 'n1'), options)
  await assert.rejects(bind(), { reason: 'Invalid' })
  const dry = await bind({ subresource: 'binding', dryRun: true })
  assert.equal(dry.spec!.nodeName, 'n1')
  assert.equal(t.server.reader.get(Pod, key)!.spec!.nodeName, undefined)
  await bind({ subresource: 'binding' })
  assert.equal(t.server.reader.get(Pod, key)!.spec!.nodeName, 'n1')
})
