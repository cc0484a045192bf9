// Starts a containerd with one running container, says so in one line, and waits to be killed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { contractContainer, contractSandbox } from '#node/runtime-contract.ts'
import { criWorld } from './world.ts'

const world = await criWorld(process.argv[2])
const { runtime } = world
const { id } = (await runtime.imageStatus('busybox'))!
const sandbox = contractSandbox(`survivor-${process.pid}`, world)
const sandboxId = await runtime.runPodSandbox(sandbox)
const command = ['sh', '-c', 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done']
const containerId = await runtime.createContainer(sandboxId, contractContainer('c', { id, reference: 'busybox' }, { command }), sandbox)
await runtime.startContainer(containerId)
const { pid } = JSON.parse(readFileSync(join(world.directory, 'containerd/containerd.pid'), 'utf8'))
process.stdout.write(`${JSON.stringify({ containerId, logPath: join(sandbox.logDirectory, 'c/0.log'), pid })}\n`)
setInterval(() => {}, 1000)
