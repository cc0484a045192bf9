import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ManagedFieldsEntry } from '#api/object.ts'
import { at, DEFINITIONS, definitionOf, GROUP, type Json, NAME, startConverted } from './testing.ts'

type Fixture = Awaited<ReturnType<typeof startConverted>>

const apply = (f: Fixture, version: 'v1' | 'v2', { manager, spec, force = false }: { manager: string; spec: object; force?: boolean }) =>
  f.send('PATCH apply', `${at(version, 'a')}?fieldManager=${manager}${force ? '&force=true' : ''}`, {
    apiVersion: `${GROUP}/${version}`,
    kind: 'Endpoint',
    metadata: { name: 'a' },
    spec,
  })

/** `MANAGER VERSION FIELD...`, in the order they are kept. */
const owners = ({ body }: { body: Json }): string[] =>
  (body['metadata'].managedFields as ManagedFieldsEntry[]).map(({ manager, apiVersion, fieldsV1 }) =>
    [manager, apiVersion!.slice(-2), ...Object.keys((fieldsV1 as Json)['f:spec'] ?? {}).filter((one) => one !== '.')].join(' '),
  )

const calls = (f: Fixture) => f.stranger.calls.splice(0).map(({ body }) => JSON.parse(body).request as Json)

test('a manager keeps its fields in its own version, where changes made in another are looked for', async () => {
  await using f = await startConverted()
  await apply(f, 'v2', { manager: 'two', spec: { host: 'h', port: '1' } })
  const changed = await f.send('PATCH merge', `${at('v1', 'a')}?fieldManager=one`, { spec: { hostPort: 'h:2' } })
  assert.deepEqual([changed.status, changed.body['spec']], [200, { hostPort: 'h:2' }])
  assert.deepEqual(owners(changed).sort(), ['one v1 f:hostPort', 'two v2 f:host'])
  const conflict = await apply(f, 'v1', { manager: 'other', spec: { hostPort: 'x:2' } })
  assert.equal(conflict.status, 409)
  assert.equal(
    conflict.body['message'],
    `Apply failed with 2 conflicts: conflicts with "one" using ${GROUP}/v1:\n- .spec.hostPort\nconflicts with "two":\n- .spec.host`,
  )
  const forced = await apply(f, 'v1', { manager: 'other', spec: { hostPort: 'x:2' }, force: true })
  assert.deepEqual(owners(forced), ['other v1 f:hostPort'])
})

test('what a manager applied in one version and no longer applies in another goes', async () => {
  await using f = await startConverted()
  const spec = async () => (await f.send('GET', at('v1', 'a'))).body['spec']
  await apply(f, 'v2', { manager: 'me', spec: { host: 'h', port: '1' } })
  const same = await apply(f, 'v1', { manager: 'me', spec: { hostPort: 'h:1' } })
  assert.deepEqual([owners(same), await spec()], [['me v1 f:hostPort'], { hostPort: 'h:1' }])
  await apply(f, 'v2', { manager: 'me', spec: { host: 'h', port: '1' } })
  const without = await apply(f, 'v1', { manager: 'me', spec: {} })
  assert.deepEqual([without.status, await spec()], [200, {}])
})

test('a write asks once for each version that others own fields in, however many they are, and never for its own', async () => {
  await using f = await startConverted()
  for (const [manager, field] of [
    ['a', 'host'],
    ['b', 'port'],
  ] as const)
    await f.send('PATCH apply', `${at('v2', 'a')}?fieldManager=${manager}`, {
      ...f.object('a', 'v2'),
      spec: { [field]: '1' },
    })
  calls(f)
  await f.send('PATCH merge', `${at('v1', 'a')}?fieldManager=c`, { spec: { hostPort: '1:2' } })
  assert.deepEqual(
    calls(f).map(({ desiredAPIVersion, objects }) => [desiredAPIVersion, objects.length]),
    [[`${GROUP}/v2`, 2]],
  )
  await f.send('PATCH merge', `${at('v1', 'a')}?fieldManager=c`, { spec: { hostPort: '1:2' } })
  assert.deepEqual(calls(f), [], 'a write that changes nothing')
  const touched = await f.send('PATCH merge', `${at('v1', 'a')}?fieldManager=c`, { spec: { hostPort: '3:2' } })
  assert.deepEqual(owners(touched).sort(), ['c v1 f:hostPort'])
  calls(f)
  await f.send('PATCH merge', `${at('v1', 'a')}?fieldManager=c`, { spec: { hostPort: '4:2' } })
  assert.deepEqual(calls(f), [], 'nobody owns fields of another version')
})

test('a manager whose version cannot be asked for is forgotten by an update, and refuses an apply', async () => {
  await using f = await startConverted()
  await apply(f, 'v2', { manager: 'two', spec: { host: 'h', port: '1' } })
  const works = f.stranger.answerer
  f.stranger.answerer = () => '{}'
  const refused = await apply(f, 'v1', { manager: 'one', spec: { hostPort: 'x:1' }, force: true })
  assert.equal(refused.status, 500)
  assert.match(refused.body['message'], /^conversion webhook for net\.example\.com\/v1, Kind=Endpoint failed: /)
  const updated = await f.send('PATCH merge', `${at('v1', 'a')}?fieldManager=one`, { spec: { hostPort: 'x:1' } })
  assert.deepEqual([updated.status, owners(updated)], [200, ['one v1 f:hostPort']])
  f.stranger.answerer = works
})

test('fields owned in a version that is served no more stay owned; one that is gone is forgotten', async () => {
  await using f = await startConverted()
  await apply(f, 'v2', { manager: 'two', spec: { host: 'h', port: '1' } })
  const change = async (change: (versions: Json[]) => Json[]) => {
    const { body } = await f.send('GET', `${DEFINITIONS}/${NAME}`)
    body['spec'].versions = change(body['spec'].versions)
    const { status } = await f.send('PUT', `${DEFINITIONS}/${NAME}`, body)
    assert.equal(status, 200)
  }
  const renamed = (name: string) => f.send('PATCH merge', `${at('v1', 'a')}?fieldManager=one`, { metadata: { labels: { name } } })
  await change((versions) => versions.map((one) => ({ ...one, served: one['name'] !== 'v2' })))
  while ((await f.send('GET', at('v2'))).status !== 404) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(owners(await renamed('a')).sort(), ['one v1', 'two v2 f:host f:port'])
  const third = { ...(definitionOf(f.stranger).spec.versions[1] as Json), name: 'v3' }
  await change((versions) => [versions[0]!, third])
  while ((await f.send('GET', at('v3'))).status !== 200) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(owners(await renamed('b')), ['one v1'])
})

/** So many that the object's owners are worked out by another thread. */
async function pad(f: Fixture): Promise<void> {
  const annotations = Object.fromEntries(Array.from({ length: 4500 }, (_, i) => [`example.com/a${i}`, 'x']))
  const padded = await f.send('PATCH merge', `${at('v1', 'a')}?fieldManager=pad`, { metadata: { annotations } })
  assert.equal(padded.status, 200)
}
const others = (answer: { body: Json }) => owners(answer).filter((one) => !one.startsWith('pad'))

test('of an object of thousands of members, too, changes made in another version are looked for, and what is no longer applied goes', async () => {
  await using f = await startConverted()
  await apply(f, 'v2', { manager: 'two', spec: { host: 'h', port: '1' } })
  await pad(f)
  calls(f)
  const changed = await f.send('PATCH merge', `${at('v1', 'a')}?fieldManager=one`, { spec: { hostPort: 'h:2' } })
  assert.deepEqual(others(changed).sort(), ['one v1 f:hostPort', 'two v2 f:host'])
  assert.deepEqual(
    calls(f).map(({ desiredAPIVersion, objects }) => [desiredAPIVersion, objects.length]),
    [[`${GROUP}/v2`, 2]],
  )
  const conflict = await apply(f, 'v1', { manager: 'other', spec: { hostPort: 'x:2' } })
  assert.equal(
    conflict.body['message'],
    `Apply failed with 2 conflicts: conflicts with "one" using ${GROUP}/v1:\n- .spec.hostPort\nconflicts with "two":\n- .spec.host`,
  )
  const forced = await apply(f, 'v1', { manager: 'other', spec: { hostPort: 'x:2' }, force: true })
  assert.deepEqual(others(forced), ['other v1 f:hostPort'])
  await apply(f, 'v2', { manager: 'other', spec: { host: 'h', port: '1' }, force: true })
  const without = await apply(f, 'v1', { manager: 'other', spec: {} })
  assert.deepEqual([without.status, (await f.send('GET', at('v1', 'a'))).body['spec']], [200, {}])
})
