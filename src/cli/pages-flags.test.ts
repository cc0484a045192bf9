import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from './errors.ts'
import { readPagesFlags } from './pages-flags.ts'

const loopback = { bindAddress: '127.0.0.1' }

test('readPagesFlags takes upstream’s port on loopback unless told otherwise', () => {
  assert.deepEqual(readPagesFlags(loopback, 10_259), { address: '127.0.0.1', port: 10_259, byDefault: true })
  assert.deepEqual(readPagesFlags({ bindAddress: '::', securePort: '8443' }, 10_259), { address: '::', port: 8443, byDefault: false })
  assert.equal(readPagesFlags({ ...loopback, securePort: '0' }, 10_259), undefined)
})

for (const [what, flags, message] of [
  ['a name for an address', { bindAddress: 'localhost' }, '--bind-address localhost: an IP address'],
  ['a port that is none', { ...loopback, securePort: '65536' }, '--secure-port 65536: a port number, or 0 for none'],
  ['a port in words', { ...loopback, securePort: '1e3' }, '--secure-port 1e3: a port number, or 0 for none'],
  ['a certificate without its key', { ...loopback, tlsCertFile: 'x' }, '--tls-cert-file and --tls-private-key-file belong together'],
  [
    'a certificate that is not there',
    { ...loopback, tlsCertFile: '/nowhere/x', tlsPrivateKeyFile: '/nowhere/y' },
    '--tls-cert-file /nowhere/x: no such file or directory',
  ],
] as const)
  test(`readPagesFlags refuses ${what}`, () => {
    assert.throws(() => readPagesFlags(flags, 10_259), new UsageError(message))
  })
