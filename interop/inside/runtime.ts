// The CRI driver on real containers: the contract, and what only real containers show.
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ContainerConfig } from '#node/runtime.ts'
import { contractContainer, contractSandbox, runtimeContract } from '#node/runtime-contract.ts'
import { eventually } from '../instance.ts'
import { type CriWorld, criWorld } from './world.ts'

runtimeContract('containerd over CRI', criWorld)

describe('containerd over CRI', () => {
  let world: CriWorld
  let serial = 0
  before(async () => {
    world = await criWorld()
  })
  after(async () => {
    await world?.[Symbol.asyncDispose]()
  })

  const start = async (command: string[], more: Partial<ContainerConfig> = {}, image = 'busybox') => {
    const { runtime } = world
    const config = contractSandbox(`real-${++serial}`, world, {
      dns: { servers: ['192.0.2.53'], searches: ['ns.svc.cluster.local'], options: ['ndots:5'] },
    })
    const sandboxId = await runtime.runPodSandbox(config)
    const { id } = (await runtime.imageStatus(image))!
    const containerId = await runtime.createContainer(
      sandboxId,
      contractContainer('c', { id, reference: image }, { command, ...more }),
      config,
    )
    await runtime.startContainer(containerId)
    return { config, sandboxId, containerId }
  }
  const ended = (id: string) =>
    eventually(async () => {
      const status = await world.runtime.containerStatus(id)
      return status?.state === 'exited' && status
    })

  test('starts pods (sandbox, create, start; medians of 10)', async (t) => {
    const times: number[][] = []
    const { runtime } = world
    const { id } = (await runtime.imageStatus('busybox'))!
    for (let i = 0; i < 10; i++) {
      const config = contractSandbox(`timed-${i}`, world)
      const at = [performance.now()]
      const sandbox = await runtime.runPodSandbox(config)
      at.push(performance.now())
      const container = await runtime.createContainer(sandbox, contractContainer('sleeper', { id, reference: 'busybox' }), config)
      at.push(performance.now())
      await runtime.startContainer(container)
      at.push(performance.now())
      times.push([at[1]! - at[0]!, at[2]! - at[1]!, at[3]! - at[2]!, at[3]! - at[0]!])
      await runtime.stopPodSandbox(sandbox)
    }
    const median = (column: number) => Math.round(times.map((row) => row[column]!).sort((a, b) => a - b)[5]!)
    t.diagnostic(`sandbox ${median(0)} ms, create ${median(1)} ms, start ${median(2)} ms, together ${median(3)} ms`)
  })

  test('writes logs in CRI format, both streams', async () => {
    const { config, containerId } = await start(['sh', '-c', 'echo out; echo err >&2; printf unfinished'])
    await ended(containerId)
    const file = join(config.logDirectory, 'c/0.log')
    const lines = [/^\S+Z stdout F out$/m, /^\S+Z stderr F err$/m, /^\S+Z stdout P unfinished$/m]
    await eventually(async () => lines.every((line) => line.test(readFileSync(file, 'utf8'))))
  })

  test('execSync answers output and exit code, and its timeout is a Timeout', async () => {
    const { containerId } = await start(['sleep', '3600'])
    const { exitCode, stdout, stderr } = await world.runtime.execSync(
      containerId,
      ['sh', '-c', 'echo "$0"; cat /etc/resolv.conf; hostname; echo bad >&2; exit 7', 'hello'],
      60,
    )
    assert.equal(exitCode, 7)
    assert.equal(stderr.toString(), 'bad\n')
    assert.match(stdout.toString(), /^hello\n[\s\S]*nameserver 192\.0\.2\.53[\s\S]*real-\d+\n$/)
    await assert.rejects(world.runtime.execSync(containerId, ['sleep', '60'], 1), { reason: 'Timeout' })
  })

  test('a container beyond its memory limit is OOMKilled, and the event comes', async () => {
    const watching = new AbortController()
    const oom = new Set<string>()
    void (async () => {
      for await (const event of world.runtime.events(watching.signal)) if (event.type === 'oom') oom.add(event.containerId)
    })()
    const resources = { cpuShares: 2, cpuQuota: 0, cpuPeriod: 100_000, memoryLimitBytes: 16 << 20, oomScoreAdj: 1000 }
    const { containerId } = await start(['sh', '-c', 'a=x; while :; do a=$a$a; done'], { resources })
    const status = await ended(containerId)
    assert.equal(status.exitCode, 137)
    await eventually(async () => (await world.runtime.containerStatus(containerId))?.reason === 'OOMKilled')
    await eventually(async () => oom.has(containerId))
    watching.abort()
  })

  test('the sandbox program reaps orphans of a shared process namespace', async () => {
    const { runtime } = world
    const config = contractSandbox(`real-${++serial}`, world, { shareProcessNamespace: true })
    const sandboxId = await runtime.runPodSandbox(config)
    const { id } = (await runtime.imageStatus('busybox'))!
    const command = ['sh', '-c', '(sleep 0.1 &) ; exec sleep 3600']
    const containerId = await runtime.createContainer(sandboxId, contractContainer('c', { id, reference: 'busybox' }, { command }), config)
    await runtime.startContainer(containerId)
    const processes = async () => (await runtime.execSync(containerId, ['ps', '-o', 'pid,stat,args'], 60)).stdout.toString()
    assert.match(await processes(), /^ *1 .*\/pause$/m)
    // Ended, but not yet reaped, it is there under its name in brackets.
    await eventually(async () => !/sleep 0\.1| Z /.test(await processes()))
  })

  test('images are saved to a file, removed, and loaded from it again', async () => {
    const { tools, directory, runtime } = world
    const file = join(directory, 'web.tar')
    const before = await runtime.imageStatus('web:v1')
    await tools.save('web:v1', file)
    assert.ok(statSync(file).size > 1_000_000)
    await tools.remove('web:v1')
    assert.equal(await runtime.imageStatus('web:v1'), undefined)
    await assert.rejects(tools.remove('web:v1'), /no image web:v1 here/)
    assert.deepEqual(await tools.load(file), ['docker.io/library/web:v1'])
    assert.equal((await runtime.imageStatus('web:v1'))?.id, before?.id)
    const { containerId } = await start(['sh', '-c', 'test "$VERSION" = v1'], {}, 'web:v1')
    assert.equal((await ended(containerId)).exitCode, 0)
  })
})
