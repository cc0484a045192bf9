import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { systemClock } from './clock.ts'
import { createCommands } from './spawn-commands.ts'

const linux = { skip: process.platform === 'linux' ? false : 'Linux only' }
const commands = createCommands({ clock: systemClock, env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' } })

test('run answers exit code, output and error output', linux, async () => {
  assert.deepEqual(await commands.run(['sh', '-c', 'echo out; echo err >&2; exit 3']), { code: 3, stdout: 'out\n', stderr: 'err\n' })
})

test('run hands over arguments as they are, environment and input', linux, async () => {
  const strange = `a'b "c" $(d) \n e`
  assert.equal((await commands.run(['printf', '%s', strange])).stdout, strange)
  assert.equal((await commands.run(['sh', '-c', 'printf %s "$X"'], { env: { X: 'y' } })).stdout, 'y')
  const big = 'line\n'.repeat(100_000)
  assert.equal((await commands.run(['cat'], { stdin: big })).stdout, big)
})

test('run does not mind a program that never reads its input', linux, async () => {
  assert.equal((await commands.run(['true'], { stdin: 'x'.repeat(1_000_000) })).code, 0)
})

test('run kills a program that takes too long', linux, async () => {
  assert.equal((await commands.run(['sleep', '60'], { timeoutMs: 50 })).code, 137)
})

test('run throws when there is no such program', linux, async () => {
  await assert.rejects(commands.run(['/no/such/program']), /cannot run \/no\/such\/program: no such file or directory/)
})

test('run leaves no descriptor open', linux, async () => {
  await commands.run(['true'])
  const before = readdirSync('/proc/self/fd').length
  for (let i = 0; i < 20; i++) await commands.run(['true'])
  assert.ok(readdirSync('/proc/self/fd').length <= before + 1)
})
