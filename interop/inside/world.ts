// A private containerd with a pod network and the test images, for suites that already run in namespaces of their own.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock as clock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { createCommands } from '#lib/spawn-commands.ts'
import { createContainerd } from '#node/cri/containerd.ts'
import { createCriRuntime } from '#node/cri/cri-runtime.ts'
import { createImageTools } from '#node/images/image-tools.ts'
import { createCgroups } from '#node/cgroups.ts'
import { contractCgroup, type RuntimeWorld } from '#node/runtime-contract.ts'
import { testImages } from '../images/recipes.ts'

export interface CriWorld extends RuntimeWorld {
  directory: string
  endpoint: string
  tools: ReturnType<typeof createImageTools>
}

export async function criWorld(given?: string): Promise<CriWorld> {
  const directory = given ?? mkdtempSync(join(tmpdir(), 'sampan-cri-'))
  await using starting = new AsyncDisposableStack()
  starting.defer(() => rmSync(directory, { recursive: true, force: true }))
  // The agent's work, where there is one.
  const pods = new Set<string>()
  starting.defer(async () => {
    for (const pod of pods) await createCgroups().removePod(contractCgroup(pod))
  })
  const cniConfDir = join(directory, 'cni')
  mkdirSync(cniConfDir, { recursive: true })
  writeFileSync(join(cniConfDir, '10-test.conflist'), JSON.stringify(network(directory)))
  const containerd = createContainerd({
    directory: join(directory, 'containerd'),
    cniConfDir,
    cniBinDirs: ['/opt/cni/bin', '/usr/lib/cni'],
    clock,
    log: silentLogger,
    commands: createCommands({ clock, env: process.env }),
    stopGraceSeconds: 0,
  })
  starting.use(await containerd.start(new AbortController().signal))
  const { endpoint } = containerd
  const runtime = starting.use(createCriRuntime({ endpoint, clock, log: silentLogger }))
  const tools = starting.use(createImageTools({ endpoint, runtime, clock }))
  for (const file of await testImages()) await tools.load(file)
  const held = starting.move()
  return {
    directory,
    endpoint,
    runtime,
    tools,
    image: 'busybox',
    logDirectory(pod) {
      pods.add(pod)
      const folder = join(directory, 'logs', pod)
      mkdirSync(folder, { recursive: true })
      return folder
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

function network(directory: string): object {
  return {
    cniVersion: '0.4.0',
    name: 'test',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipam: {
          type: 'host-local',
          dataDir: join(directory, 'ipam'),
          ranges: [[{ subnet: '10.244.9.0/24' }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  }
}
