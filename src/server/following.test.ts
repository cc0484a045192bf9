import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Following } from './following.ts'
import { startTestServer } from './testing.ts'

const PER_TURN = 10
const name = (i: number) => `m${String(i).padStart(2, '0')}`
const key = (i: number) => ({ namespace: 'default', name: name(i) })

async function fixture(count: number) {
  const t = await startTestServer()
  for (let i = 0; i < count; i++) await t.client.create(ConfigMap, { metadata: key(i), data: { x: 'first' } })
  /** What is there, as told. */
  const told = new Map<string, string>()
  const following = new Following<ConfigMap>(t.server.reader, {
    kind: ConfigMap,
    tell({ object, previous }) {
      const id = (object ?? previous)!.metadata!.name!
      assert.equal(told.get(id), previous?.data?.['x'], `what was told of ${id} before`)
      if (object) told.set(id, object.data!['x']!)
      else told.delete(id)
    },
  })
  const there = async () => new Map((await t.client.list(ConfigMap)).items.map((one) => [one.metadata!.name, one.data!['x']]))
  return { ...t, told, following, there, [Symbol.asyncDispose]: () => t[Symbol.asyncDispose]() }
}

test('Following tells of few at once, and of every change from then on', async () => {
  await using t = await fixture(PER_TURN - 1)
  assert.equal(t.following.load(PER_TURN), undefined)
  await t.client.patch(ConfigMap, key(3), { type: 'merge', patch: { data: { x: 'second' } } })
  await t.client.delete(ConfigMap, key(4))
  assert.deepEqual(t.told, await t.there())
  t.following[Symbol.dispose]()
  await t.client.delete(ConfigMap, key(5))
  assert.ok(t.told.has(name(5)))
})

test('Following tells of each of many once, whatever happens to those it has told of and to those it has not', async () => {
  await using t = await fixture(60)
  const loaded = t.following.load(PER_TURN)
  assert.ok(loaded)
  assert.equal(t.told.size, PER_TURN)
  const change = (i: number) => t.client.patch(ConfigMap, key(i), { type: 'merge', patch: { data: { x: 'second' } } })
  const remove = (i: number) => t.client.delete(ConfigMap, key(i))
  const both = change(58).then(() => remove(58))
  const back = remove(56).then(() => t.client.create(ConfigMap, { metadata: key(56), data: { x: 'new' } }))
  await Promise.all([change(1), change(59), remove(2), remove(57), both, back, loaded])
  assert.deepEqual(t.told, await t.there())
})

test('Following tells of all that is left at once where somebody cannot wait', async () => {
  await using t = await fixture(60)
  const loaded = t.following.load(PER_TURN)
  t.following.whole()
  assert.equal(t.told.size, 60)
  await loaded
  await t.client.delete(ConfigMap, key(59))
  assert.deepEqual(t.told, await t.there())
})
