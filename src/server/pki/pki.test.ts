import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, KeyObject, webcrypto, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { JsonGeneralNames } from '@peculiar/x509'
import { type Clock, systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { DamagedPki, ensurePki, type PkiOptions } from './pki.ts'

function options(t: TestContext, more: Partial<PkiOptions> = {}): PkiOptions & { directory: string } {
  const directory = join(mkdtempSync(join(tmpdir(), 'pki-')), 'pki')
  t.after(() => rmSync(join(directory, '..'), { recursive: true }))
  return { directory, clock: systemClock, random: systemRandom, hostName: 'Boat', ...more }
}

function contents(directory: string): Record<string, string> {
  return Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')]))
}

test('ensurePki makes credentials only their owner can read', async (t) => {
  const given = options(t)
  await ensurePki(given)
  assert.equal(statSync(given.directory).mode & 0o777, 0o700)
  for (const name of readdirSync(given.directory)) assert.equal(statSync(join(given.directory, name)).mode & 0o777, 0o600, name)
})

test('ensurePki changes nothing on a second start', async (t) => {
  const given = options(t)
  await ensurePki(given)
  const before = contents(given.directory)
  await ensurePki(given)
  assert.deepEqual(contents(given.directory), before)
})

test('ensurePki stays good when the clock is set back', async (t) => {
  const given = options(t)
  const ahead: Clock = { ...systemClock, now: () => systemClock.now() + 30 * 86_400_000 }
  const first = await ensurePki({ ...given, clock: ahead })
  const second = await ensurePki(given)
  assert.equal(second.authority, first.authority)
  for (const certificate of [second.authority, second.serving.certificate, second.admin.certificate])
    assert.ok(Date.parse(new X509Certificate(certificate).validFrom) <= systemClock.now())
})

test('ensurePki makes one authority for all that start at once, and is not kept waiting by one that died', async (t) => {
  const given = options(t)
  mkdirSync(given.directory)
  writeFileSync(join(given.directory, '.lock'), '999999999')
  const starts = [1, 2, 3].map((n) => ensurePki({ ...given, addresses: [`192.0.2.${n}`] }))
  const made = await Promise.all(starts)
  assert.equal(new Set(made.map(({ authority }) => authority)).size, 1)
  const last = new X509Certificate(readFileSync(join(given.directory, 'apiserver.crt')))
  for (const n of [1, 2, 3]) assert.match(last.subjectAltName!, new RegExp(`192\\.0\\.2\\.${n}\\b`))
  assert.equal(existsSync(join(given.directory, '.lock')), false)
})

test('ensurePki does not load the library that reads requests', (t) => {
  const given = options(t)
  const script = `
    import { ensurePki } from '#server/pki/pki.ts'
    import { systemClock } from '#lib/clock.ts'
    import { systemRandom } from '#lib/random.ts'
    await ensurePki({ directory: ${JSON.stringify(given.directory)}, clock: systemClock, random: systemRandom, hostName: 'Boat' })
    process.stdout.write(String(typeof Reflect.getMetadata))`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: new URL('.', import.meta.url) })
  assert.equal(output.toString(), 'undefined')
})

test('ensurePki serves every name clients use', async (t) => {
  const pki = await ensurePki(options(t, { addresses: ['192.0.2.7', 'api.example.org'] }))
  const certificate = new X509Certificate(pki.serving.certificate)
  for (const name of [
    'localhost',
    'kubernetes',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    'boat',
    'api.example.org',
  ])
    assert.equal(certificate.checkHost(name), name)
  for (const address of ['127.0.0.1', '::1', '10.96.0.1', '192.0.2.7']) assert.equal(certificate.checkIP(address), address)
})

test('ensurePki replaces the serving certificate alone when its names change', async (t) => {
  const given = options(t)
  await ensurePki(given)
  const before = contents(given.directory)
  await ensurePki({ ...given, addresses: ['192.0.2.9'] })
  const after = contents(given.directory)
  assert.deepEqual(
    Object.keys(after).filter((name) => after[name] !== before[name]),
    ['apiserver.crt', 'apiserver.key'],
  )
})

test('ensurePki names every server that shares the directory, and takes nothing away', async (t) => {
  const given = options(t)
  const one = { ...given, addresses: ['192.0.2.1', '2001:db8::1'] }
  const other = { ...given, hostName: 'raft', addresses: ['api.example.org', '*.apps.example.org'] }
  await ensurePki(one)
  const { serving } = await ensurePki(other)
  const certificate = new X509Certificate(serving.certificate)
  for (const name of ['boat', 'raft', 'api.example.org', 'a.apps.example.org']) assert.ok(certificate.checkHost(name), name)
  for (const address of ['192.0.2.1', '2001:db8::1', '10.96.0.1']) assert.equal(certificate.checkIP(address), address)
  assert.equal((await ensurePki(one)).serving.certificate, serving.certificate)
  assert.equal((await ensurePki({ ...given, hostName: 'raft' })).serving.certificate, serving.certificate)
})

test('ensurePki names a hundred servers at most, its own among them', async (t) => {
  const given = options(t)
  const addresses = Array.from({ length: 99 }, (_, at) => `192.0.2.${at}`)
  await ensurePki({ ...given, addresses })
  const { serving } = await ensurePki({ ...given, addresses: ['198.51.100.1'] })
  const names = new X509Certificate(serving.certificate).subjectAltName!.split(', ')
  assert.equal(names.length, 100)
  assert.ok(names.includes('IP Address:198.51.100.1'))
})

test('ensurePki replaces leaf certificates near their end', async (t) => {
  const given = options(t)
  const first = await ensurePki(given)
  const later: Clock = { ...systemClock, now: () => systemClock.now() + 320 * 24 * 3600 * 1000 }
  const second = await ensurePki({ ...given, clock: later })
  assert.equal(second.authority, first.authority)
  assert.notEqual(second.admin.certificate, first.admin.certificate)
  assert.ok(Date.parse(new X509Certificate(second.admin.certificate).validTo) > later.now())
})

test('ensurePki refuses a damaged authority instead of replacing it', async (t) => {
  for (const name of ['ca.crt', 'ca.key', 'sa.key']) {
    const given = options(t)
    await ensurePki(given)
    writeFileSync(join(given.directory, name), 'rubbish')
    await assert.rejects(ensurePki(given), DamagedPki, name)
  }
})

test('ensurePki without its damaged authority makes another and goes on, as its complaint advises', async (t) => {
  const given = options(t)
  const first = await ensurePki(given)
  writeFileSync(join(given.directory, 'ca.crt'), 'rubbish')
  await assert.rejects(ensurePki(given), /restore both from a backup, or remove both to make new ones/)
  for (const name of ['ca.crt', 'ca.key']) rmSync(join(given.directory, name))
  const second = await ensurePki(given)
  for (const { certificate } of [second.serving, second.admin, second.kubeletClient])
    assert.ok(new X509Certificate(certificate).verify(new X509Certificate(second.authority).publicKey))
  assert.ok(second.serviceAccountKey.privateKey.equals(first.serviceAccountKey.privateKey))
})

test('nodeCertificates name the node and its group and stay the same', async (t) => {
  const pki = await ensurePki(options(t))
  const first = await pki.nodeCertificates('node-1', ['192.0.2.1'])
  assert.deepEqual(new X509Certificate(first.client.certificate).subject.split('\n').sort(), ['CN=system:node:node-1', 'O=system:nodes'])
  assert.equal(new X509Certificate(first.serving.certificate).checkIP('192.0.2.1'), '192.0.2.1')
  assert.deepEqual(await pki.nodeCertificates('node-1', ['192.0.2.1']), first)
})

test('ensurePki certificates carry mutual TLS', async (t) => {
  const pki = await ensurePki(options(t))
  const server = createServer({
    cert: pki.serving.certificate,
    key: pki.serving.key,
    ca: pki.authority,
    requestCert: true,
    minVersion: 'TLSv1.3',
  })
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const accepted = once(server, 'secureConnection')
  const client = connect({ port, host: '127.0.0.1', ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key })
  t.after(() => client.destroy())
  const [socket] = await accepted
  assert.equal(socket.authorized, true)
  assert.deepEqual({ ...socket.getPeerCertificate().subject }, { O: 'system:masters', CN: 'kubernetes-admin' })
})

async function requestOf(name: string, names: JsonGeneralNames = []): Promise<{ request: string; key: string }> {
  await import('reflect-metadata')
  const { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } = await import('@peculiar/x509')
  const curve = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify'])
  const extensions = names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []
  const request = (await Pkcs10CertificateRequestGenerator.create({ name, keys, extensions, signingAlgorithm: curve })).toString('pem')
  return { request, key: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString() }
}

test('signCertificate certifies a request for its own key and subject', async (t) => {
  const pki = await ensurePki(options(t))
  const { request } = await requestOf('O=crew,CN=anna')
  const certificate = new X509Certificate(
    await pki.signCertificate(request, { usages: ['client auth', 'digital signature'], lifetimeMs: 3600_000 }),
  )
  assert.ok(certificate.verify(new X509Certificate(pki.authority).publicKey))
  assert.deepEqual(certificate.subject.split('\n'), ['O=crew', 'CN=anna'])
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'])
})

test('signCertificate writes names anew: one common name, the last, and nothing that is not checked', async (t) => {
  const pki = await ensurePki(options(t))
  const named = async (name: string, names: JsonGeneralNames = []) => {
    const pem = await pki.signCertificate((await requestOf(name, names)).request, { usages: ['client auth'], lifetimeMs: 3600_000 })
    const { subject, subjectAltName } = new X509Certificate(pem)
    return [subject?.split('\n') ?? [], subjectAltName]
  }
  assert.deepEqual(await named('CN=anna,OU=b,O=z,CN=otto,C=DE,O=a,E=a@example.com'), [['C=DE', 'O=a + O=z', 'OU=b', 'CN=otto'], undefined])
  assert.deepEqual(await named('CN=anna', [{ type: 'upn', value: 'otto@example.com' }]), [['CN=anna'], undefined])
  const names: JsonGeneralNames = [
    { type: 'dns', value: 'a.example.com' },
    { type: 'upn', value: 'otto@example.com' },
    { type: 'ip', value: '10.0.0.1' },
  ]
  assert.deepEqual(await named('CN=anna', names), [['CN=anna'], 'DNS:a.example.com, IP Address:10.0.0.1'])
})

test('signCertificate certifies keys of every curve that requests may have, and none whose signature is wrong', async (t) => {
  const pki = await ensurePki(options(t))
  const directory = mkdtempSync(join(tmpdir(), 'request-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'key.pem')
  for (const algorithm of ['ec -pkeyopt ec_paramgen_curve:P-224', 'ec -pkeyopt ec_paramgen_curve:P-521', 'ed25519', 'rsa:2048']) {
    const made = ['req', '-new', '-newkey', ...algorithm.split(' '), '-nodes', '-keyout', file, '-subj', '/CN=anna']
    const request = execFileSync('openssl', made, { stdio: ['ignore', 'pipe', 'ignore'] }).toString()
    const pem = await pki.signCertificate(request, { usages: ['client auth'], lifetimeMs: 3600_000 })
    assert.ok(new X509Certificate(pem).checkPrivateKey(createPrivateKey(readFileSync(file))), algorithm)
  }
  const { request } = await requestOf('CN=anna')
  const bytes = Buffer.from(request.replace(/-----.*-----|\s/g, ''), 'base64')
  bytes[bytes.indexOf('anna')]! ^= 1
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
  await assert.rejects(pki.signCertificate(forged, { usages: ['client auth'], lifetimeMs: 3600_000 }), /verification failure/)
})

test('signCertificate gives every usage that can be asked for, each once', async (t) => {
  const pki = await ensurePki(options(t))
  const { request } = await requestOf('CN=anna')
  const usages = ['timestamping', 's/mime', 'cert sign', 'email protection', 'crl sign', 'decipher only', 'encipher only', 'any']
  const pem = await pki.signCertificate(request, { usages, lifetimeMs: 3600_000 })
  assert.deepEqual(new X509Certificate(pem).keyUsage, ['2.5.29.37.0', '1.3.6.1.5.5.7.3.4', '1.3.6.1.5.5.7.3.8'])
  const { KeyUsageFlags, KeyUsagesExtension, X509Certificate: Parsed } = await import('@peculiar/x509')
  const flags = new Parsed(pem).getExtension(KeyUsagesExtension)?.usages
  assert.equal(flags, KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.encipherOnly | KeyUsageFlags.decipherOnly)
})

test('signCertificate takes what it dates back off the end of long lives, and leaves short ones whole', async (t) => {
  const pki = await ensurePki(options(t))
  const { request } = await requestOf('CN=anna')
  for (const [lifetimeMs, lasting] of [
    [600_000, 900_000],
    [8 * 3600_000 - 1000, 8 * 3600_000 + 299_000],
    [8 * 3600_000, 8 * 3600_000],
    [30 * 24 * 3600_000, 30 * 24 * 3600_000],
  ] as const) {
    const { validFrom, validTo } = new X509Certificate(await pki.signCertificate(request, { usages: ['client auth'], lifetimeMs }))
    assert.equal(Date.parse(validTo) - Date.parse(validFrom), lasting, String(lifetimeMs))
  }
})

test('signCertificate makes certificates that are believed, whichever usages were asked for', async (t) => {
  const pki = await ensurePki(options(t))
  const server = createServer({ cert: pki.serving.certificate, key: pki.serving.key, ca: pki.authority, requestCert: true })
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  for (const [usages, believed] of [
    [['client auth'], true],
    [['client auth', 'digital signature', 'key encipherment'], true],
    [['server auth'], false],
  ] as const) {
    const { request, key } = await requestOf('CN=anna')
    const cert = await pki.signCertificate(request, { usages, lifetimeMs: 3600_000 })
    const accepted = Promise.race([once(server, 'secureConnection'), once(server, 'tlsClientError')])
    const client = connect({ port, host: '127.0.0.1', ca: pki.authority, cert, key })
    client.on('error', () => {})
    const [outcome] = await accepted
    assert.equal(outcome.authorized === true, believed, usages.join())
    client.destroy()
  }
})

test('ensurePki without a directory keeps the keys in memory', async (t) => {
  const { directory, ...given } = options(t)
  const pki = await ensurePki(given)
  const node = await pki.nodeCertificates('boat', ['192.0.2.1'])
  assert.ok(new X509Certificate(node.serving.certificate).verify(new X509Certificate(pki.authority).publicKey))
  assert.deepEqual(await pki.nodeCertificates('boat', ['192.0.2.1']), node)
  assert.equal(existsSync(directory), false)
})

test('ensurePki goes on with an authority that was brought along, of any common kind of key', async (t) => {
  if (!existsSync('/usr/bin/openssl')) return t.skip('no openssl')
  for (const [kind, how] of [
    ['RSA', ['rsa:2048']],
    ['EC', ['ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1']],
  ] as const) {
    const given = options(t)
    mkdirSync(given.directory, { recursive: true })
    const [key, certificate] = ['ca.key', 'ca.crt'].map((name) => join(given.directory, name)) as [string, string]
    const subject = '/C=DE/O=Ships & Boats/CN=our own/emailAddress=a@example.org'
    const made = ['req', '-x509', '-nodes', '-days', '30', '-subj', subject, '-keyout', key, '-out', certificate]
    execFileSync('openssl', [...made, '-newkey', ...how], { stdio: 'ignore' })
    const pki = await ensurePki(given)
    const [admin, authority] = [new X509Certificate(pki.admin.certificate), new X509Certificate(pki.authority)]
    assert.equal(admin.issuer, authority.subject, kind)
    assert.ok(admin.checkIssued(authority) && admin.verify(authority.publicKey), kind)
    assert.ok(Date.parse(admin.validTo) <= Date.parse(authority.validTo), kind)
  }
})

test('ensurePki writes certificates that openssl verifies strictly', async (t) => {
  if (!existsSync('/usr/bin/openssl')) return t.skip('no openssl')
  const given = options(t)
  await ensurePki(given)
  for (const [name, purpose] of [
    ['apiserver', 'sslserver'],
    ['admin', 'sslclient'],
  ] as const) {
    const files = ['-CAfile', join(given.directory, 'ca.crt'), join(given.directory, `${name}.crt`)]
    const told = execFileSync('openssl', ['verify', '-x509_strict', '-purpose', purpose, ...files])
    assert.match(told.toString(), /: OK/)
  }
})
