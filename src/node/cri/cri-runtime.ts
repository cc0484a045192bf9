// The Runtime contract over CRI's gRPC socket: containerd 1.6 and later, CRI-O by its endpoint. Keeps no state but what it may forget: the
// final statuses of exited containers, which spare one call per container and listing.
import type { Clock } from '#lib/clock.ts'
import { GrpcChannel } from '#lib/grpc/channel.ts'
import { hasGrpcCode } from '#lib/grpc/grpc-error.ts'
import type { Logger } from '#lib/log.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { Container, ContainerConfig, ContainerResources, Runtime, RuntimeError, RuntimeEvent, SandboxConfig } from '#node/runtime.ts'
import { stateOf, toContainer, toImage, toListedContainer, toSandbox, toStats } from './answers.ts'
import { runtimeError } from './errors.ts'
import { followEvents } from './events.ts'
import type { CriContainer, CriContainerStats, CriContainerStatus, CriImage, CriSandbox, CriSandboxStatus } from './messages.ts'
import { containerRequest, resourcesRequest, sandboxRequest } from './requests.ts'
import { loadSchema } from './schema.ts'
import { settledEvents } from './settled-events.ts'

export interface CriRuntimeOptions {
  /** Path of the unix socket. */
  endpoint: string
  clock: Clock
  log: Logger
}

const CALL_MS = 120_000
const SANDBOX_MS = 240_000
/** An out-of-memory kill may be noted a moment after the exit; until then a final status is not kept. */
const FINAL_AFTER_MS = 5000
const REMEMBERED = 2000
const STATUS_CALLS_AT_ONCE = 16

export function createCriRuntime({ endpoint, clock, log }: CriRuntimeOptions): Runtime & Disposable {
  const schema = loadSchema()
  const channel = new GrpcChannel(endpoint.replace(/^unix:(\/\/)?/, ''), { schema, clock })
  const finished = new LruMap<string, Container>(REMEMBERED)
  let versionKnown: Awaited<ReturnType<Runtime['version']>> | undefined

  const call = async <T>(
    method: string,
    request: object,
    {
      failure = 'Unknown',
      deadlineMs = CALL_MS,
      signal,
    }: { failure?: RuntimeError['reason']; deadlineMs?: number; signal?: AbortSignal } = {},
  ): Promise<T> => {
    try {
      return await channel.unary<T>(method, request, { deadlineMs, ...(signal ? { signal } : {}) })
    } catch (error) {
      throw runtimeError(error, failure)
    }
  }
  const runtime = <T>(method: string, request: object, options?: Parameters<typeof call>[2]) =>
    call<T>(`RuntimeService.${method}`, request, options)
  const images = <T>(method: string, request: object, options?: Parameters<typeof call>[2]) =>
    call<T>(`ImageService.${method}`, request, options)

  const version = async () => {
    const answer = await runtime<{ runtimeName: string; runtimeVersion: string; runtimeApiVersion: string }>('Version', {})
    versionKnown = { name: answer.runtimeName, version: answer.runtimeVersion, apiVersion: answer.runtimeApiVersion }
    return versionKnown
  }

  const statusOf = async (id: string, sandboxId: string): Promise<Container | undefined> => {
    const kept = finished.get(id)
    if (kept) return kept
    const { status } = await ignoreMissing(runtime<{ status?: CriContainerStatus }>('ContainerStatus', { containerId: id }), {})
    if (!status) return undefined
    const container = toContainer(sandboxId, status)
    if (container.state === 'exited' && clock.now() - container.finishedAt > FINAL_AFTER_MS) finished.set(id, container)
    return container
  }

  const listed = async () => (await runtime<{ containers: CriContainer[] }>('ListContainers', {})).containers

  return {
    name: 'cri',
    version,

    async runPodSandbox(config) {
      const request = { config: sandboxRequest(config) }
      const options = { failure: 'SandboxFailed', deadlineMs: SANDBOX_MS } as const
      return (await runtime<{ podSandboxId: string }>('RunPodSandbox', request, options)).podSandboxId
    },
    async stopPodSandbox(id) {
      await ignoreMissing(runtime('StopPodSandbox', { podSandboxId: id }, { deadlineMs: SANDBOX_MS }), {})
    },
    async removePodSandbox(id) {
      await ignoreMissing(runtime('RemovePodSandbox', { podSandboxId: id }, { deadlineMs: SANDBOX_MS }), {})
    },
    async listSandboxes() {
      const { items } = await runtime<{ items: CriSandbox[] }>('ListPodSandbox', {})
      return mapBounded(items, STATUS_CALLS_AT_ONCE, async (item) => {
        const { status } = await ignoreMissing(runtime<{ status?: CriSandboxStatus }>('PodSandboxStatus', { podSandboxId: item.id }), {})
        return toSandbox(status ?? item, status)
      })
    },
    async sandboxStatus(id) {
      const { status } = await ignoreMissing(runtime<{ status?: CriSandboxStatus }>('PodSandboxStatus', { podSandboxId: id }), {})
      return status && toSandbox(status, status)
    },

    async createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig) {
      const request = { podSandboxId: sandboxId, config: containerRequest(config, sandbox), sandboxConfig: sandboxRequest(sandbox) }
      return (await runtime<{ containerId: string }>('CreateContainer', request, { failure: 'CreateFailed' })).containerId
    },
    async startContainer(id) {
      await runtime('StartContainer', { containerId: id }, { failure: 'StartFailed' })
    },
    async stopContainer(id, gracePeriodSeconds) {
      const deadlineMs = CALL_MS + gracePeriodSeconds * 1000
      await ignoreMissing(runtime('StopContainer', { containerId: id, timeout: gracePeriodSeconds }, { deadlineMs }), {})
    },
    async removeContainer(id) {
      await ignoreMissing(runtime('RemoveContainer', { containerId: id }), {})
      finished.delete(id)
    },
    async listContainers() {
      return mapBounded(await listed(), STATUS_CALLS_AT_ONCE, async (container) => {
        if (stateOf(container.state) !== 'exited') finished.delete(container.id)
        return (await statusOf(container.id, container.podSandboxId)) ?? toListedContainer(container)
      })
    },
    async containerStatus(id) {
      const container = (await listed()).find((one) => one.id === id)
      return container && statusOf(id, container.podSandboxId)
    },
    async updateContainerResources(id, resources: ContainerResources) {
      await runtime('UpdateContainerResources', { containerId: id, linux: resourcesRequest(resources) })
    },
    async reopenContainerLog(id) {
      await runtime('ReopenContainerLog', { containerId: id })
    },

    async execSync(id, command, timeoutSeconds) {
      const request = { containerId: id, cmd: command, timeout: timeoutSeconds }
      const deadlineMs = timeoutSeconds > 0 ? CALL_MS + timeoutSeconds * 1000 : 0
      return runtime<{ exitCode: number; stdout: Buffer; stderr: Buffer }>('ExecSync', request, { deadlineMs })
    },
    async exec({ containerId, command, ...streams }) {
      return runtime<{ url: string }>('Exec', { containerId, cmd: command, ...streams, stderr: streams.stderr && !streams.tty })
    },
    async attach({ containerId, ...streams }) {
      return runtime<{ url: string }>('Attach', { containerId, ...streams, stderr: streams.stderr && !streams.tty })
    },
    async portForward({ sandboxId, ports }) {
      return runtime<{ url: string }>('PortForward', { podSandboxId: sandboxId, port: ports })
    },

    async containerStats() {
      return (await runtime<{ stats: CriContainerStats[] }>('ListContainerStats', {})).stats.map(toStats)
    },

    events(signal): AsyncIterable<RuntimeEvent> {
      const isContainerd = async () => (versionKnown ?? (await version())).name === 'containerd'
      const events = followEvents({ channel, schema, clock, log, isContainerd }, signal)
      const stillRunning = async (id: string) => {
        const { status } = await ignoreMissing(runtime<{ status?: CriContainerStatus }>('ContainerStatus', { containerId: id }), {})
        return status !== undefined && stateOf(status.state) === 'running'
      }
      return settledEvents(events, { stillRunning, clock, signal })
    },

    async imageStatus(reference) {
      const { image } = await images<{ image?: CriImage }>('ImageStatus', { image: { image: reference } })
      return image?.id ? toImage(image) : undefined
    },
    async pullImage(reference, { auth, signal }) {
      const request = {
        image: { image: reference },
        ...(auth ? { auth: { username: auth.username, password: auth.password, serverAddress: auth.server } } : {}),
      }
      const { imageRef } = await images<{ imageRef: string }>('PullImage', request, {
        failure: 'PullFailed',
        deadlineMs: 0,
        ...(signal ? { signal } : {}),
      })
      return imageRef
    },
    async listImages() {
      return (await images<{ images: CriImage[] }>('ListImages', {})).images.map(toImage)
    },
    async removeImage(reference) {
      await ignoreMissing(images('RemoveImage', { image: { image: reference } }), {})
    },

    [Symbol.dispose]: () => channel[Symbol.dispose](),
  }
}

/** CRI's removals and stops are idempotent, but not every runtime keeps to it; a status of something gone is no failure either. */
async function ignoreMissing<T>(answer: Promise<T>, missing: T): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (hasGrpcCode((error as Error).cause, 'NOT_FOUND')) return missing
    throw error
  }
}

async function mapBounded<T, R>(items: readonly T[], atOnce: number, task: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const queue = items.entries()
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await task(item)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
  return results
}
