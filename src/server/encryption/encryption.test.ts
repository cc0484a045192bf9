import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, statSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Secret } from '#api/kinds/core/secret.ts'
import { hasReason } from '#api/status.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { systemClock } from '#lib/clock.ts'
import { MemoryFiles, OwnerOnlyFiles } from '#server/pki/owner-only-files.ts'
import { startTestServer } from '#server/testing.ts'
import { openEmbeddedStore } from '#store/embedded.ts'
import { createMemoryStore } from '#store/memory.ts'
import type { Store } from '#store/store.ts'
import { aesCbc, aesGcm, secretBox } from './ciphers.ts'
import { readEncryptionConfiguration } from './configuration.ts'
import { Encryption } from './encryption.ts'
import { localEncryption } from './local-key.ts'
import { open } from './providers.ts'

const parts = () => ({ clock: systemClock, random: seededRandom(7), log: silentLogger })
const KEY = Buffer.alloc(32, 1).toString('base64')
const OTHER = Buffer.alloc(32, 2).toString('base64')
const secret = (name: string, value: string): Secret => ({ metadata: { name, namespace: 'default' }, stringData: { value } })
const at = (name: string) => ({ namespace: 'default', name })

const config = (...providers: object[]) => configFor(['secrets'], ...providers)
const configFor = (resources: string[], ...providers: object[]) =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'EncryptionConfiguration', resources: [{ resources, providers }] })
const keys = (kind: string, ...given: [string, string][]) => ({ [kind]: { keys: given.map(([name, secret]) => ({ name, secret })) } })
const identity = { identity: {} }
const encryptionOf = (text: string) => Encryption.create({ read: () => text }, parts())

test('secrets of a default cluster cannot be found in its data files and are readable after a restart', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-encryption-'))
  try {
    const clear = 'correct-horse-battery-staple'
    const needles = [clear, Buffer.from(clear).toString('base64')]
    const files = new OwnerOnlyFiles(join(directory, 'pki'))
    const found = () =>
      readdirSync(join(directory, 'store')).some((name) =>
        needles.some((text) => readFileSync(join(directory, 'store', name)).includes(text)),
      )
    for (const round of [1, 2]) {
      const store = await openEmbeddedStore({ directory: join(directory, 'store') })
      {
        await using test = await startTestServer({
          store,
          encryption: await Encryption.create(await localEncryption(files, { random: seededRandom(3), store }), parts()),
        })
        if (round === 1) {
          await test.client.create(Secret, secret('s', clear))
          assert.match(Buffer.from((await store.get('/registry/secrets/default/s'))!.value).toString('latin1'), /^k8s:enc:aesgcm:v1:local:/)
        }
        assert.equal((await test.client.get(Secret, at('s'))).data?.value, needles[1])
      }
      await store[Symbol.asyncDispose]()
      assert.equal(found(), false)
    }
    assert.equal(statSync(files.path('encryption-config.yaml')).mode & 0o777, 0o600)
    files.write('encryption-config.yaml', 'rubbish')
    await assert.rejects(
      async () => Encryption.create(await localEncryption(files, { random: seededRandom(3), store: createMemoryStore() }), parts()),
      /encryption-config\.yaml: encryption provider configuration is empty\. Restore it from a backup: stored Secrets/,
    )
    await using store = await openEmbeddedStore({ directory: join(directory, 'store') })
    const lost = localEncryption(new MemoryFiles('pki'), { random: seededRandom(4), store })
    await assert.rejects(
      lost,
      /^BadEncryptionConfiguration: pki\/encryption-config\.yaml is missing, and Secrets are stored that only its key/,
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('servers that start at once encrypt with one key', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-encryption-'))
  try {
    const store = createMemoryStore()
    const answer = Promise.withResolvers<void>()
    const slow = { list: () => answer.promise.then(() => store.list('/')) }
    const start = (seed: number, among: Pick<Store, 'list'>) =>
      localEncryption(new OwnerOnlyFiles(directory), { random: seededRandom(seed), store: among as Store })
    const second = start(2, slow)
    const first = (await start(1, store)).read()
    answer.resolve()
    assert.equal((await second).read(), first)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('plain secrets of before stay readable and are encrypted by themselves with a key of the cluster', async () => {
  await using store = createMemoryStore()
  {
    await using before = await startTestServer({ store })
    await before.client.create(Secret, secret('old', 'hidden'))
  }
  const source = { read: () => config(keys('aesgcm', ['local', KEY]), identity), rewrite: true }
  await using test = await startTestServer({ store, encryption: await Encryption.create(source, parts()) })
  const stop = new AbortController()
  const watching = test.client.watch(Secret, { signal: stop.signal, namespace: 'default', fieldSelector: 'metadata.name=old' })
  for await (const { object } of watching)
    if (
      Buffer.from((await store.get('/registry/secrets/default/old'))!.value)
        .toString()
        .startsWith('k8s:enc:')
    ) {
      assert.equal((object as Secret).data?.value, Buffer.from('hidden').toString('base64'))
      break
    }
})

test('an update that changes nothing encrypts again after the keys changed places', async () => {
  await using store = createMemoryStore()
  let text = config(keys('secretbox', ['a', KEY]), identity)
  const clock = createVirtualClock()
  const encryption = await Encryption.create({ read: () => text, reload: true }, { ...parts(), clock })
  await using test = await startTestServer({ store, encryption, clock })
  const prefix = async () =>
    /^k8s:enc:\w+:v1:\w+:/.exec(Buffer.from((await store.get('/registry/secrets/default/s'))!.value).toString())?.[0]
  const made = await test.client.create(Secret, secret('s', 'x'))
  assert.equal(await prefix(), 'k8s:enc:secretbox:v1:a:')
  const same = await test.client.update(Secret, made)
  assert.equal(same.metadata?.resourceVersion, made.metadata?.resourceVersion)
  text = 'nonsense'
  await clock.advance(60_000)
  text = config(keys('aescbc', ['b', OTHER]), keys('secretbox', ['a', KEY]))
  await clock.advance(60_000)
  const rewritten = await test.client.update(Secret, same)
  assert.notEqual(rewritten.metadata?.resourceVersion, made.metadata?.resourceVersion)
  assert.equal(await prefix(), 'k8s:enc:aescbc:v1:b:')
  const metrics = await test.server.handle({ path: '/metrics' })
  assert.match(metrics.text, /automatic_reloads_total\{status="failure"\} 1/)
  assert.match(metrics.text, /automatic_reloads_total\{status="success"\} 1/)
})

test('a server whose key is lost starts, says which object it cannot read, and serves the rest', async () => {
  await using store = createMemoryStore()
  {
    await using before = await startTestServer({ store, encryption: await encryptionOf(config(keys('aesgcm', ['a', KEY]), identity)) })
    await before.client.create(Secret, secret('s', 'x'))
  }
  await using test = await startTestServer({ store, encryption: await encryptionOf(config(keys('aesgcm', ['b', OTHER]), identity)) })
  const message = 'Internal error occurred: unable to transform key "/registry/secrets/default/s": no matching prefix found'
  for (const request of [() => test.client.get(Secret, at('s')), () => test.client.list(Secret)])
    await assert.rejects(request, (error: Error) => hasReason(error, 'InternalError') && error.message === message)
  await test.client.create(Secret, secret('t', 'y'))
  assert.equal((await test.client.get(Secret, at('t'))).data?.value, Buffer.from('y').toString('base64'))
})

test('an encrypted value does not open under another key of the store', async () => {
  const cipher = aesGcm(Buffer.alloc(32, 1), seededRandom(1))
  const sealed = await cipher.encrypt(Buffer.from('x'), '/registry/secrets/a/s')
  assert.equal(String(await cipher.decrypt(sealed, '/registry/secrets/a/s')), 'x')
  await assert.rejects(async () => cipher.decrypt(sealed, '/registry/secrets/b/s'), /message authentication failed/)
})

test('ciphers lay their values out as upstream does', async () => {
  const random = { ...seededRandom(1), bytes: (length: number) => Buffer.alloc(length, 9) }
  const key = Buffer.alloc(32, 1)
  const lengths = []
  for (const cipher of [aesGcm(key, random), aesCbc(key, random), await secretBox(key, random)]) {
    const sealed = Buffer.from(await cipher.encrypt(Buffer.from('hello'), 'k'))
    assert.equal(String(await cipher.decrypt(sealed, 'k')), 'hello')
    sealed[sealed.length - 1]! ^= 1
    await assert.rejects(async () => String(await cipher.decrypt(sealed, 'k')) === 'hello' || Promise.reject(new Error('differs')))
    lengths.push(sealed.length)
  }
  assert.deepEqual(lengths, [12 + 5 + 16, 16 + 16, 24 + 16 + 5])
})

const REFUSED: [string, string, RegExp][] = [
  ['another kind', '{"kind":"Pod","apiVersion":"v1"}', /no kind "Pod" is registered for version "v1"/],
  [
    'no resources',
    config().replace('["secrets"]', '[]'),
    /resources\[0\].resources: Required value: at least one resource name is required/,
  ],
  [
    'a short key',
    config(keys('aescbc', ['a', 'YWJj'])),
    /"REDACTED": secret is not of the expected length, got 3, expected one of \[16 24 32\]/,
  ],
  ['a key that is no base64', config(keys('secretbox', ['a', '***'])), /secret must be base64 encoded/],
  ['an unknown provider', config({ rot13: {} }), /strict decoding error: unknown field "resources\[0\]\.providers\[0\]\.rot13"/],
  ['no provider', config({}), /provider does not contain any of the expected providers/],
  [
    'a misspelt list of keys',
    config({ aesgcm: { key: [] } }),
    /strict decoding error: unknown field "resources\[0\]\.providers\[0\]\.aesgcm\.key"/,
  ],
  [
    'the cache of KMS v1',
    config({ kms: { apiVersion: 'v2', name: 'k', endpoint: 'unix:///k', cachesize: 5 } }),
    /kms\.cachesize: Invalid value: 5: cachesize is not supported in v2/,
  ],
  [
    'a time without length, but not one of several parts',
    config(
      { kms: { apiVersion: 'v2', name: 'k', endpoint: 'unix:///k', timeout: '0s' } },
      { kms: { apiVersion: 'v2', name: 'l', endpoint: 'unix:///l', timeout: '1m30s' } },
    ),
    /^[^\n]*providers\[0\]\.kms\.timeout: Invalid value: "0s": should be a positive value$/,
  ],
  ['two in one', config({ ...identity, ...keys('aesgcm', ['a', KEY]) }), /more than one provider specified in a single element/],
  ['KMS v1', config({ kms: { name: 'k', endpoint: 'unix:///k' } }), /kms.apiVersion: Invalid value: "v1": only kms v2 is supported here/],
  ['overlap', configFor(['secrets', '*.'], identity), /overlapping resources/],
  ['the same resource twice', configFor(['secrets', 'secrets.'], identity), /the same resource cannot be specified multiple times/],
  ['a resource of all groups', configFor(['foos.*'], identity), /encrypting the same resource across groups is not supported/],
  ['what is no resource', configFor(['serviceipallocations'], identity), /resources which do not have REST API\/s cannot be encrypted/],
  ['the group that events are not kept in', configFor(['events.events.k8s.io'], identity), /Use 'events' instead/],
  ['a group that is gone', configFor(['*.extensions'], identity), /'extensions' group has been removed/],
  ['a lone star', configFor(['*'], identity), /use '\*\.' to encrypt all/],
]
for (const [what, text, message] of REFUSED)
  test(`readEncryptionConfiguration refuses ${what}`, async () => {
    using connections = new DisposableStack()
    await assert.rejects(readEncryptionConfiguration(text, { ...parts(), connections, plugins: [], recovered: () => {} }), message)
  })

test('wildcards cover the core group, a group, or all', async () => {
  const sealed = keys('aesgcm', ['a', KEY])
  const rows: [string, { group: string; resource: string }, boolean][] = [
    ['*.', { group: '', resource: 'configmaps' }, true],
    ['*.', { group: 'apps', resource: 'deployments' }, false],
    ['*.apps', { group: 'apps', resource: 'deployments' }, true],
    ['*.*', { group: 'boats.example', resource: 'sloops' }, true],
    ['deployments.apps', { group: 'apps', resource: 'daemonsets' }, false],
    ['secrets.', { group: '', resource: 'secrets' }, true],
  ]
  for (const [name, resource, covered] of rows) {
    const encryption = await encryptionOf(configFor([name], sealed))
    assert.equal(encryption.providersOf(resource)[0]!.prefix !== '', covered, `${name} ${resource.resource}`)
  }
})

test('a resource named in several entries has all their providers, and none behind a wildcard', async () => {
  const entries = (...resources: object[]) =>
    JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'EncryptionConfiguration', resources })
  const a = keys('aesgcm', ['a', KEY])
  const b = keys('aescbc', ['b', OTHER])
  const { providersOf } = await encryptionOf(
    entries({ resources: ['secrets'], providers: [a] }, { resources: ['secrets'], providers: [b] }, { resources: ['*.'], providers: [b] }),
  ).then((encryption) => ({
    providersOf: (resource: string) => encryption.providersOf({ group: '', resource }).map(({ prefix }) => prefix),
  }))
  assert.deepEqual(providersOf('secrets'), ['k8s:enc:aesgcm:v1:a:', 'k8s:enc:aescbc:v1:b:'])
  assert.deepEqual(providersOf('pods'), ['k8s:enc:aescbc:v1:b:'])
  for (const [wild, name] of [
    ['*.', 'secrets'],
    ['*.*', '*.apps'],
    ['*.apps', '*.apps'],
  ])
    await assert.rejects(
      encryptionOf(entries({ resources: [wild], providers: [a] }, { resources: [name], providers: [b] })),
      new RegExp(`resource "${name}" is masked by earlier rule "${wild}"`.replaceAll(/[.*]/g, '\\$&')),
    )
})

test('a server that meets values it cannot read goes on following the store, and reads them once it has their key', async () => {
  await using store = createMemoryStore()
  const both = config(keys('aesgcm', ['a', KEY]), keys('aesgcm', ['b', OTHER]))
  const clock = createVirtualClock()
  let text = config(keys('aesgcm', ['b', OTHER]))
  await using ahead = await startTestServer({ store, encryption: await encryptionOf(both) })
  const encryption = await Encryption.create({ read: () => text, reload: true }, { ...parts(), clock })
  await using behind = await startTestServer({ store, encryption, clock })
  const { metadata } = await ahead.client.create(Secret, secret('s', 'x'))
  await ahead.client.create(Secret, secret('t', 'y'))
  await ahead.client.update(Secret, { ...secret('s', 'z'), metadata: metadata! })
  await ahead.client.delete(Secret, at('t'))
  await assert.rejects(behind.client.get(Secret, at('s')), (error) => hasReason(error, 'InternalError'))
  await behind.client.create(Secret, secret('u', 'y'))
  assert.equal((await behind.client.get(Secret, at('u'))).data?.value, Buffer.from('y').toString('base64'))
  text = both
  await clock.advance(60_000)
  assert.deepEqual(
    (await behind.client.list(Secret)).items.map(({ metadata }) => metadata?.name),
    ['s', 'u'],
  )
})

test('open names every reason when several providers claim a value', async () => {
  const broken = (text: string) => ({
    prefix: 'k8s:enc:x:',
    cipher: { encrypt: (plain: Uint8Array) => plain, decrypt: () => Promise.reject(new Error(text)) },
  })
  await assert.rejects(open([broken('one'), broken('two')], 'k', Buffer.from('k8s:enc:x:y')), /\[one, two\]/)
})
