// A killed Sampan leaves containerd and containers running: the next start takes them over as they are. An orderly stop leaves nothing.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, run } from '../instance.ts'
import { criWorld } from './world.ts'

const HOLDER = fileURLToPath(new URL('holder.ts', import.meta.url))

test('a start after kill -9 adopts containerd and its containers, and an orderly stop leaves nothing', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-cri-'))
  const holder = spawn(process.execPath, [HOLDER, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [first] = await once(holder.stdout.setEncoding('utf8'), 'data')
  const { containerId, logPath, pid } = JSON.parse(first)
  holder.kill('SIGKILL')
  await once(holder, 'exit')

  await using stack = new AsyncDisposableStack()
  const world = stack.use(await criWorld(directory))
  const adopted = JSON.parse(readFileSync(join(directory, 'containerd/containerd.pid'), 'utf8'))
  assert.equal(adopted.pid, pid)
  const container = await world.runtime.containerStatus(containerId)
  assert.equal(container?.state, 'running')
  assert.equal(container.attempt, 0)

  // What it wrote meanwhile is all there.
  const numbers = () => [...readFileSync(logPath, 'utf8').matchAll(/ F (\d+)$/gm)].map(([, text]) => Number(text))
  const seen = numbers().length
  await eventually(async () => numbers().length > seen + 5)
  const all = numbers()
  assert.deepEqual(
    all,
    all.map((_, index) => index),
  )

  // containerd itself killed: it is started again and the container is still the same.
  process.kill(pid, 'SIGKILL')
  await eventually(async () => JSON.parse(readFileSync(join(directory, 'containerd/containerd.pid'), 'utf8')).pid !== pid)
  await eventually(async () => (await world.runtime.containerStatus(containerId))?.state === 'running')

  const uids = (await world.runtime.listSandboxes()).map(({ uid }) => uid)
  assert.equal(uids.length, 1)
  await stack.disposeAsync()
  assert.equal((await run(['pgrep', '-f', '-a', `${directory}/`])).stdout, '')
  assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(directory))
  assert.deepEqual(readdirSync('/run/netns'), [])
  const groups = await run(['find', '/sys/fs/cgroup', '-name', `pod${uids[0]}`])
  assert.equal(groups.stdout, '')
})
