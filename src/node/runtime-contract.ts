// What every runtime must do, real or simulated. Each implementation's test calls this with a way to make one. The containers of the suite are told
// apart by name: `sleeper` runs until it is stopped, `exit-3` ends with that code, `missing-program` cannot be started.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '#lib/clock.ts'
import { type ContainerConfig, type Runtime, RuntimeError, type RuntimeEvent, type SandboxConfig, type SecurityConfig } from './runtime.ts'

export interface RuntimeWorld extends AsyncDisposable {
  runtime: Runtime
  /** Present from the start, as people spell it; has `sh` and `sleep` where programs run at all. */
  image: string
  /** An existing directory per pod. */
  logDirectory(pod: string): string
}

const COMMANDS: Record<string, string[]> = {
  sleeper: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.05; done'],
  'exit-3': ['sh', '-c', 'exit 3'],
  'missing-program': ['/no/such/program'],
}
const MISSING = 'sampan.invalid/missing:1'
const GONE = 'f'.repeat(64)

const SECURITY: SecurityConfig = {
  privileged: false,
  supplementalGroups: [],
  readOnlyRootFilesystem: false,
  noNewPrivileges: false,
  addCapabilities: [],
  dropCapabilities: [],
  seccomp: 'RuntimeDefault',
  maskedPaths: [],
  readonlyPaths: [],
}

/** Groups are the machine's, so no two runs may share one. */
function contractUid(name: string): string {
  return `uid-${name}-${process.pid}`
}

export function contractCgroup(name: string): string {
  return `/kubepods/besteffort/pod${contractUid(name)}`
}

export function contractSandbox(name: string, world: Pick<RuntimeWorld, 'logDirectory'>, more: Partial<SandboxConfig> = {}): SandboxConfig {
  return {
    namespace: 'contract',
    name,
    uid: contractUid(name),
    attempt: 0,
    hostname: name,
    logDirectory: world.logDirectory(name),
    labels: { 'io.kubernetes.pod.name': name },
    annotations: { note: 'kept' },
    dns: { servers: [], searches: [], options: [] },
    portMappings: [],
    cgroupParent: contractCgroup(name),
    hostNetwork: false,
    hostPid: false,
    hostIpc: false,
    shareProcessNamespace: false,
    sysctls: {},
    security: SECURITY,
    ...more,
  }
}

export function contractContainer(
  name: string,
  image: { id: string; reference: string },
  more: Partial<ContainerConfig> = {},
): ContainerConfig {
  return {
    name,
    attempt: 0,
    imageId: image.id,
    image: image.reference,
    command: COMMANDS[name] ?? [],
    args: [],
    workingDir: '',
    env: [],
    mounts: [],
    devices: [],
    labels: { 'io.kubernetes.container.name': name },
    annotations: {},
    logPath: `${name}/0.log`,
    stdin: false,
    stdinOnce: false,
    tty: false,
    resources: { cpuShares: 2, cpuQuota: 0, cpuPeriod: 100_000, memoryLimitBytes: 0, oomScoreAdj: 1000 },
    security: SECURITY,
    ...more,
  }
}

export function runtimeContract(name: string, make: () => Promise<RuntimeWorld>, options: { skip?: string | false } = {}): void {
  describe(`${name}: the runtime contract`, { skip: options.skip ?? false }, () => {
    let world: RuntimeWorld
    let runtime: Runtime
    let image: { id: string; reference: string }
    const watching = new AbortController()
    const events: RuntimeEvent[] = []
    let pods = 0

    before(async () => {
      world = await make()
      runtime = world.runtime
      const found = await runtime.imageStatus(world.image)
      assert.ok(found, `${world.image} is not there`)
      image = { id: found.id, reference: world.image }
      void (async () => {
        for await (const event of runtime.events(watching.signal)) events.push(event)
      })()
    })
    after(async () => {
      watching.abort()
      await world?.[Symbol.asyncDispose]()
    })

    const sandbox = async () => {
      const config = contractSandbox(`pod-${++pods}`, world)
      return { config, id: await runtime.runPodSandbox(config) }
    }
    const running = async (container: string) => {
      const pod = await sandbox()
      const id = await runtime.createContainer(pod.id, contractContainer(container, image), pod.config)
      await runtime.startContainer(id)
      return { pod, id }
    }
    const told = (type: RuntimeEvent['type'], containerId: string) =>
      eventually(async () => events.find((event) => event.type === type && event.containerId === containerId))
    const ended = (id: string) =>
      eventually(async () => {
        const status = await runtime.containerStatus(id)
        return status?.state === 'exited' ? status : undefined
      })
    const refused = (reason: RuntimeError['reason']) => (error: unknown) =>
      error instanceof RuntimeError && (error.reason === reason || assert.fail(`${error.reason}: ${error.message}`))

    test('version names the runtime', async () => {
      const { name: called, version, apiVersion } = await runtime.version()
      assert.deepEqual(
        [called, version, apiVersion].map((text) => text.length > 0),
        [true, true, true],
      )
    })

    test('runPodSandbox makes a ready sandbox with an address, listed with what it was given', async () => {
      const { config, id } = await sandbox()
      const status = await runtime.sandboxStatus(id)
      assert.equal(status?.ready, true)
      assert.equal(status.ips.length > 0, true)
      const { namespace, name: pod, uid, attempt, labels, annotations } = status
      assert.deepEqual(
        { namespace, pod, uid, attempt, labels, annotations },
        {
          namespace: config.namespace,
          pod: config.name,
          uid: config.uid,
          attempt: 0,
          labels: config.labels,
          annotations: config.annotations,
        },
      )
      assert.ok((await runtime.listSandboxes()).some((one) => one.id === id && one.ready))
    })

    test('a container is created, runs, and stops within its grace', async () => {
      const pod = await sandbox()
      const id = await runtime.createContainer(pod.id, contractContainer('sleeper', image, { attempt: 2 }), pod.config)
      const created = await runtime.containerStatus(id)
      assert.deepEqual([created?.state, created?.sandboxId, created?.name, created?.attempt], ['created', pod.id, 'sleeper', 2])
      await runtime.startContainer(id)
      const started = await runtime.containerStatus(id)
      assert.equal(started?.state, 'running')
      assert.ok(started.startedAt >= started.createdAt)
      await told('started', id)
      await runtime.stopContainer(id, 10)
      const stopped = await runtime.containerStatus(id)
      assert.equal(stopped?.state, 'exited')
      assert.ok(stopped.finishedAt >= stopped.startedAt)
      await told('stopped', id)
    })

    test('an exit code is kept, and the event comes once the status tells it', async () => {
      const { id } = await running('exit-3')
      await told('stopped', id)
      const status = await runtime.containerStatus(id)
      assert.deepEqual([status?.state, status?.exitCode, status?.reason], ['exited', 3, 'Error'])
      const listed = (await runtime.listContainers()).find((one) => one.id === id)
      assert.deepEqual([listed?.state, listed?.exitCode], ['exited', 3])
    })

    test('a program that is not there fails the start, and the container is told to have ended', async () => {
      const pod = await sandbox()
      const id = await runtime.createContainer(pod.id, contractContainer('missing-program', image), pod.config)
      await assert.rejects(runtime.startContainer(id), refused('StartFailed'))
      const { exitCode, reason } = await ended(id)
      assert.deepEqual([exitCode, reason], [128, 'StartError'])
    })

    test('stopPodSandbox ends its containers and makes it not ready', async () => {
      const { pod, id } = await running('sleeper')
      await runtime.stopPodSandbox(pod.id)
      assert.equal((await ended(id)).state, 'exited')
      assert.equal((await runtime.sandboxStatus(pod.id))?.ready, false)
    })

    test('removing forgets container and sandbox', async () => {
      const { pod, id } = await running('exit-3')
      await ended(id)
      await runtime.removeContainer(id)
      assert.equal(await runtime.containerStatus(id), undefined)
      await told('deleted', id)
      await runtime.stopPodSandbox(pod.id)
      await runtime.removePodSandbox(pod.id)
      assert.equal(await runtime.sandboxStatus(pod.id), undefined)
    })

    test('stopping and removing what is stopped or gone is no failure', async () => {
      const { pod, id } = await running('sleeper')
      for (let round = 0; round < 2; round++) {
        await runtime.stopContainer(id, 0)
        await runtime.stopPodSandbox(pod.id)
      }
      for (let round = 0; round < 2; round++) {
        await runtime.removeContainer(id)
        await runtime.removePodSandbox(pod.id)
      }
      await runtime.stopContainer(GONE, 0)
      assert.equal(await runtime.containerStatus(GONE), undefined)
      assert.equal(await runtime.sandboxStatus(GONE), undefined)
    })

    test('what is gone cannot be started or run commands in', async () => {
      await assert.rejects(runtime.startContainer(GONE), RuntimeError)
      await assert.rejects(runtime.execSync(GONE, ['true'], 5), RuntimeError)
    })

    test('images are known by name and id, and an unknown one is undefined', async () => {
      assert.equal((await runtime.imageStatus(image.id))?.id, image.id)
      assert.ok((await runtime.listImages()).some(({ id }) => id === image.id))
      assert.equal(await runtime.imageStatus(MISSING), undefined)
      await runtime.removeImage(MISSING)
    })

    test('a pull that cannot succeed says why', async () => {
      await assert.rejects(
        runtime.pullImage(MISSING, {}),
        (error: unknown) =>
          error instanceof RuntimeError && ['PullFailed', 'ImageNotFound'].includes(error.reason) && /sampan\.invalid/.test(error.message),
      )
    })
  })
}

async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let round = 0; round < 12_000; round++) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await systemClock.sleep(10)
  }
  throw new Error('it did not come about within two minutes')
}
