import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { endStrayShims } from './stray-shims.ts'

const skip = process.platform === 'linux' ? false : 'processes are listed in /proc'

test('endStrayShims ends shims without a bundle, of its own containerd alone', { skip }, async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'shims-'))
  t.after(() => rmSync(state, { recursive: true }))
  const endpoint = join(state, 'containerd.sock')
  mkdirSync(join(state, 'io.containerd.runtime.v2.task', 'k8s.io', 'known'), { recursive: true })
  const shims: ChildProcess[] = []
  t.after(() => shims.forEach((shim) => shim.kill('SIGKILL')))
  const shim = async (id: string, { address = endpoint, program = 'containerd-shim-runc-v2' } = {}) => {
    const words = ['-e', 'console.log(1); setInterval(() => {}, 1000)', '--', '-namespace', 'k8s.io', '-id', id, '-address', address]
    const child = spawn(process.execPath, words, { argv0: `/usr/bin/${program}`, stdio: ['ignore', 'pipe', 'ignore'] })
    shims.push(child)
    await once(child.stdout!, 'data')
    return child
  }
  const [stray] = await Promise.all([
    shim('stray'),
    shim('known'),
    shim('other', { address: '/run/other.sock' }),
    shim('shell', { program: 'sh' }),
  ])
  const gone = once(stray, 'exit')
  assert.deepEqual(await endStrayShims({ endpoint, state }), ['stray'])
  await gone
  assert.deepEqual(
    shims.map(({ signalCode }) => signalCode),
    ['SIGKILL', null, null, null],
  )
})
