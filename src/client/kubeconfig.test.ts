import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { dump } from 'js-yaml'
import { BadKubeconfig, readKubeconfig } from './kubeconfig.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

function write(t: TestContext, { cluster = {}, user = {}, ...top }: Record<string, any> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'kubeconfig-'))
  t.after(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'token'), 'secret\n')
  writeFileSync(join(directory, 'ca.crt'), 'CA')
  const file = join(directory, 'config')
  const config = {
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443', ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
    ...top,
  }
  writeFileSync(file, dump(config))
  return file
}

test('readKubeconfig takes certificates from the text or from files beside it', (t) => {
  const user = { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') }
  const file = write(t, { cluster: { 'certificate-authority': 'ca.crt', 'tls-server-name': 'api' }, user })
  assert.deepEqual(readKubeconfig(file), { url: 'https://10.0.0.1:6443', ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'api' })
})

test('readKubeconfig reads a token file again for every request', (t) => {
  const { token } = readKubeconfig(write(t, { user: { tokenFile: 'token' } }))
  assert.equal((token as () => string)(), 'secret')
  assert.equal(readKubeconfig(write(t, { user: { token: 'plain' } })).token, 'plain')
})

for (const [what, parts, complaint] of [
  ['no current context', { 'current-context': '' }, /has no current-context/],
  ['a context that is not there', { 'current-context': 'y' }, /has no whole context y/],
  ['plain http', { cluster: { server: 'http://10.0.0.1' } }, /names no https server/],
  ['unchecked certificates', { cluster: { 'insecure-skip-tls-verify': true } }, /uses insecure-skip-tls-verify, which is not supported/],
  ['a program that makes credentials', { user: { exec: { command: 'x' } } }, /uses exec, which is not supported/],
  ['a missing file', { user: { 'client-key': 'none.key' } }, /names none\.key, which cannot be read: no such file or directory$/],
] as const) {
  test(`readKubeconfig refuses ${what}`, (t) =>
    assert.throws(
      () => readKubeconfig(write(t, parts)),
      (error: Error) => error instanceof BadKubeconfig && complaint.test(error.message),
    ))
}

test('readKubeconfig says which file it cannot read', () =>
  assert.throws(() => readKubeconfig('/does/not/exist'), /kubeconfig \/does\/not\/exist cannot be read/))
