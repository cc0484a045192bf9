import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseNodes, parsePort, parseServerNames, parseStore } from './config.ts'
import { UsageError } from './errors.ts'

test('parseNodes accepts every documented form', () => {
  assert.deepEqual(parseNodes('real'), { type: 'real', count: 1 })
  assert.deepEqual(parseNodes('simulated'), { type: 'simulated', count: 1 })
  assert.deepEqual(parseNodes('simulated:50'), { type: 'simulated', count: 50 })
  assert.deepEqual(parseNodes('none'), { type: 'none', count: 0 })
})

const REFUSED: [string, () => unknown][] = [
  ['parseNodes of a word', () => parseNodes('fake')],
  ['parseNodes of no nodes', () => parseNodes('simulated:0')],
  ['parseNodes of too many', () => parseNodes('simulated:10001')],
  ['parseStore of etcd without a URL', () => parseStore('etcd:')],
  ['parseStore of etcd with another scheme', () => parseStore('etcd:ftp://127.0.0.1')],
  ['parseStore of etcd with a password', () => parseStore('etcd:http://root:secret@a:1')],
  ['parseStore of etcd with http and https', () => parseStore('etcd:http://a:1,https://b:2')],
  ['parseStore of etcd with certificates without TLS', () => parseStore('etcd:http://a:1', { etcdCafile: 'ca.crt' })],
  ['parseStore of etcd with half a key pair', () => parseStore('etcd:https://a:1', { etcdCertfile: 'tls.crt' })],
  ['parseStore of etcd with a missing file', () => parseStore('etcd:https://a:1', { etcdCafile: '/does/not/exist' })],
  ['parseStore of another store with certificates', () => parseStore('memory', { etcdCafile: 'ca.crt' })],
  ['parseStore of a word', () => parseStore('redis')],
  ['parseServerNames of nothing', () => parseServerNames('--tls-san', '')],
  ['parseServerNames of a URL', () => parseServerNames('--tls-san', 'https://a')],
  ['parseServerNames of a zone', () => parseServerNames('--tls-san', 'fe80::1%eth0')],
  ['parseServerNames of too many', () => parseServerNames('--tls-san', Array(51).fill('a').join())],
  ['parsePort of text', () => parsePort('--port', 'http')],
  ['parsePort out of range', () => parsePort('--port', '65536')],
]
for (const [what, run] of REFUSED) {
  test(`${what} is refused as a usage error`, () => assert.throws(run, UsageError))
}

test('parseServerNames accepts names and addresses', () => {
  const names = ['api.example.org', '*.example.org', '192.0.2.1', '2001:db8::1']
  assert.deepEqual(parseServerNames('--tls-san', 'API.example.org, *.example.org,192.0.2.1,2001:db8::1'), names)
})

test('parseStore accepts every documented form', () => {
  assert.deepEqual(parseStore('embedded'), { type: 'embedded' })
  assert.deepEqual(parseStore('memory'), { type: 'memory' })
  assert.deepEqual(parseStore('etcd:http://10.0.0.1:2379,http://[::1]:4001,http://etcd'), {
    type: 'etcd',
    addresses: [
      { host: '10.0.0.1', port: 2379 },
      { host: '::1', port: 4001 },
      { host: 'etcd', port: 2379 },
    ],
  })
})
