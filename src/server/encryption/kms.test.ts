import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '#api/kinds/core/secret.ts'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { startTestServer } from '#server/testing.ts'
import { createMemoryStore } from '#store/memory.ts'
import { Encryption } from './encryption.ts'
import { type KmsPlugin, kmsProvider } from './kms.ts'
import { TestPlugin } from './testing.ts'

const secret = (name: string, value: string): Secret => ({ metadata: { name, namespace: 'default' }, stringData: { value } })
const at = (name: string) => ({ namespace: 'default', name })
const dataOf = (value: string) => Buffer.from(value).toString('base64')

const configOf = (plugin: TestPlugin) => {
  const kms = { apiVersion: 'v2', name: 'vault', endpoint: `unix://${plugin.socket}` }
  return JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources: ['secrets'], providers: [{ kms }] }],
  })
}
let seed = 0
const encryptionBy = (plugin: TestPlugin, clock = systemClock) =>
  Encryption.create({ read: () => configOf(plugin) }, { clock, random: seededRandom(seed++), log: silentLogger })

const made = async (plugin: TestPlugin, timeoutMs = 1000) => {
  const clock = createVirtualClock()
  let recoveries = 0
  const parts = { clock, random: seededRandom(seed++), log: silentLogger, recovered: () => recoveries++ }
  const { plugin: client } = await kmsProvider({ name: 'vault', socket: plugin.socket, timeoutMs }, parts)
  return { client, clock, recoveries: () => recoveries, [Symbol.dispose]: () => client[Symbol.dispose]() }
}
/** The plugin answers in real time, wherever the clock of the cluster stands. */
const eventually = async <T>(attempt: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await attempt()
    } catch {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
/** Waits for what a turn of the clock has begun. */
const passed = async (clock: ReturnType<typeof createVirtualClock>, ms: number, client: KmsPlugin) => {
  await clock.advance(ms)
  await client.probe()
}

test('a KMS v2 plugin is asked for one seed and its values open after a restart', async () => {
  await using plugin = await new TestPlugin().start()
  await using store = createMemoryStore()
  {
    await using test = await startTestServer({ store, encryption: await encryptionBy(plugin) })
    await test.client.create(Secret, secret('a', 'x'))
    await test.client.create(Secret, secret('b', 'y'))
    assert.deepEqual(plugin.asked.splice(0), ['Status', 'Encrypt'])
  }
  assert.match(Buffer.from((await store.get('/registry/secrets/default/a'))!.value).toString('latin1'), /^k8s:enc:kms:v2:vault:/)
  await using test = await startTestServer({ store, encryption: await encryptionBy(plugin) })
  assert.equal((await test.client.get(Secret, at('b'))).data?.value, dataOf('y'))
  assert.deepEqual(plugin.asked, ['Status', 'Encrypt', 'Decrypt'])
})

test('values that could not be read because their plugin was away are readable once it is there, and /readyz says so', async () => {
  await using plugin = await new TestPlugin().start()
  await using store = createMemoryStore()
  {
    await using before = await startTestServer({ store, encryption: await encryptionBy(plugin) })
    await before.client.create(Secret, secret('a', 'x'))
  }
  await plugin.stop()
  const clock = createVirtualClock()
  await using test = await startTestServer({ store, clock, encryption: await encryptionBy(plugin, clock) })
  const { server, client } = test
  const health = async (path: string) => {
    const { status, body } = await server.handle({ method: 'GET', path })
    return `${status} ${body.toString().trim()}`
  }
  await assert.rejects(client.list(Secret), /unable to transform key "\/registry\/secrets\/default\/a": failed to perform status section/)
  await assert.rejects(client.create(Secret, secret('b', 'y')), /^Error: failed to perform status section/)
  assert.match(
    await health('/readyz/kms-providers'),
    /^500 internal server error: kms-provider-0: failed to perform status section of the healthz check for KMS Provider vault, error: rpc error: code = Unavailable/,
  )
  assert.match(await health('/readyz'), /^500 [^]*\[-\]kms-providers failed: reason withheld/)
  assert.equal(await health('/livez'), '200 ok')
  await plugin.start()
  await clock.advance(10_000)
  await eventually(() => client.create(Secret, secret('b', 'y')))
  const { items } = await eventually(() => client.list(Secret))
  assert.deepEqual(
    items.map(({ data }) => data?.value),
    [dataOf('x'), dataOf('y')],
  )
  assert.equal(await health('/readyz/kms-providers'), '200 ok')
})

test('a new key of the plugin makes what other keys wrote stale: an update that changes nothing writes it again', async () => {
  await using plugin = await new TestPlugin().start()
  await using store = createMemoryStore()
  const clock = createVirtualClock()
  const encryption = await encryptionBy(plugin, clock)
  await using test = await startTestServer({ store, clock, encryption })
  const { client } = test
  const first = await client.create(Secret, secret('a', 'x'))
  assert.equal((await client.update(Secret, first)).metadata?.resourceVersion, first.metadata?.resourceVersion)
  plugin.status.keyId = '2'
  await clock.advance(60_000)
  const again = await eventually(async () => {
    const now = await client.update(Secret, first)
    assert.notEqual(now.metadata?.resourceVersion, first.metadata?.resourceVersion)
    return now
  })
  assert.equal((await client.update(Secret, again)).metadata?.resourceVersion, again.metadata?.resourceVersion)
})

test('KmsPlugin serves three minutes without its plugin, and asks it for nothing while it is there', async () => {
  await using plugin = await new TestPlugin().start()
  using it = await made(plugin)
  const { client, clock } = it
  const plain = Buffer.from('plain')
  const sealed = await client.encrypt(plain, 'k')
  plugin.asked.length = 0
  for (let count = 0; count < 20; count++) await client.encrypt(plain, 'k')
  assert.deepEqual([Buffer.from(await client.decrypt(sealed, 'k')), plugin.asked], [plain, []])
  await plugin.stop()
  await passed(clock, 60_000, client)
  assert.match((await client.problem())!, /^failed to perform status section of the healthz check for KMS Provider vault/)
  await clock.advance(115_000)
  await client.encrypt(plain, 'k')
  await clock.advance(10_000)
  await assert.rejects(
    client.encrypt(plain, 'k'),
    /^Error: encryptedDEKSource with keyID hash "sha256:[0-9a-f]{64}" expired at 2026-01-01T00:03:00Z \(current time is 2026-01-01T00:03:05Z\)/,
  )
  assert.deepEqual(Buffer.from(await client.decrypt(sealed, 'k')), plain)
  await plugin.start()
  await passed(clock, 10_000, client)
  assert.deepEqual([await client.problem(), it.recoveries()], [undefined, 2])
  await client.encrypt(plain, 'k')
})

test('KmsPlugin gives up a plugin that does not answer in time', async () => {
  await using plugin = await new TestPlugin().start()
  plugin.hangs = true
  const waiting = made(plugin, 30)
  // Its deadline is in the time of the clock, which nobody moves: the plugin goes.
  while (plugin.asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await plugin.stop()
  using it = await waiting
  assert.match((await it.client.problem())!, /the connection to the server was lost/)
})

const ILL: [string, (plugin: TestPlugin) => void, RegExp][] = [
  ['is not healthy', ({ status }) => (status.healthz = 'no vault'), /is not healthy, error: got unexpected healthz status: no vault$/],
  ['has another version', ({ status }) => (status.version = 'v3'), /error: expected KMSv2 API version v2, got v3$/],
  ['names no key', ({ status }) => (status.keyId = ''), /error: got invalid KMSv2 KeyID hash "": keyID is empty$/],
  ['names a long key', ({ status }) => (status.keyId = 'k'.repeat(1025)), /keyID is 1025 bytes, which exceeds the max size of 1024$/],
  [
    'encrypts with another key than it names',
    (plugin) => (plugin.encryptsWith = '2'),
    /failed to rotate DEK, errGen=<nil>, statusKeyIDHash="sha256:6b86/,
  ],
  ['makes long seeds', (plugin) => (plugin.padding = 1000), /encrypted DEK source is 1032 bytes, which exceeds the max size of 1024/],
  [
    'has annotations of no domain',
    (plugin) => (plugin.annotations = { v: Buffer.alloc(1) }),
    /should be a domain with at least two segments/,
  ],
  [
    'has large annotations',
    (plugin) => (plugin.annotations = { 'a.b': Buffer.alloc(32768) }),
    /total size of annotations is 32771, which exceeds the max size of 32768/,
  ],
]
for (const [what, change, message] of ILL)
  test(`KmsPlugin writes nothing with a plugin that ${what}`, async () => {
    await using plugin = await new TestPlugin().start()
    change(plugin)
    using it = await made(plugin)
    assert.match((await it.client.problem()) ?? '', message)
    if (what.startsWith('is not') || what.includes('version')) return
    await assert.rejects(it.client.encrypt(Buffer.from('x'), 'k'), message)
  })
