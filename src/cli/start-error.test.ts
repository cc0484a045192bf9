import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClusterConfig, DEFAULTS } from './config.ts'
import { CommandError } from './errors.ts'
import { startError } from './start-error.ts'

const config: ClusterConfig = {
  ...DEFAULTS,
  dataDirectory: '/data',
  port: 6443,
  nodes: { type: 'real', count: 1 },
  pkiDirectory: '/data/pki',
  serverOnly: false,
  store: { type: 'embedded' },
  clock: 'real',
  nodeName: 'node',
}
const named = (name: string, message: string) => Object.assign(new Error(message), { name })
const system = (code: string, message: string, more = {}) => Object.assign(new Error(message), { code, ...more })

const SAID: [what: string, error: unknown, line: RegExp][] = [
  ['damaged credentials', named('DamagedPki', 'ca.key is missing: restore it'), /^ca\.key is missing: restore it$/],
  ['a damaged store', named('CorruptStore', 'cut short'), /^cut short$/],
  [
    'what to do of this instance, not of another',
    named('CorruptStore', 'Start afresh with `sampan reset`.'),
    /^Start afresh with `sampan reset --data-dir \/data`\.$/,
  ],
  ['the API port taken', system('EADDRINUSE', 'listen', { port: 6443 }), /^port 6443 is taken by another program\. Choose another/],
  [
    'the node port taken',
    system('EADDRINUSE', 'listen', { port: 10250, address: '10.244.0.1' }),
    /^port 10250 of 10\.244\.0\.1, where the node answers, is taken/,
  ],
  ['a port below 1024', system('EACCES', 'listen EACCES'), /^port 6443 may not be used by this user/],
  ['a full disk', system('ENOSPC', 'ENOSPC: no space left on device, write'), /^the disk of \/data is full: .* Make room/],
  [
    'a folder that cannot be made',
    system('EACCES', "EACCES: permission denied, mkdir '/pki'", { path: '/pki', syscall: 'mkdir' }),
    /^the cluster did not start: \/pki: permission denied$/,
  ],
  ['a plain complaint', new CommandError('said'), /^said$/],
]
for (const [what, error, line] of SAID) {
  test(`startError says ${what} in one line`, () => {
    assert.match(startError(error, config, assert.fail).message, line)
  })
}

test('startError keeps what nobody foresaw for the log', () => {
  const lines: string[] = []
  const { message } = startError(new Error('cannot run nft'), config, (line) => lines.push(line))
  assert.equal(
    message,
    'the cluster did not start: cannot run nft (details in /data/sampan.log; `sampan doctor` tells what this machine lacks)',
  )
  assert.match(lines[0]!, /cannot run nft\\n +at /)
})
