// The Runtime contract over CRI's gRPC socket: containerd 1.6 and later, CRI-O by its endpoint. Keeps no state but what it may forget: the
// final statuses of exited containers, which spare one call per container and listing.
import type { Clock } from '#lib/clock.ts'
import { GrpcChannel } from '#lib/grpc/channel.ts'
import { hasGrpcCode } from '#lib/grpc/grpc-error.ts'
import type { Logger } from '#lib/log.ts'
import { LruMap } from '#lib/lru-map.ts'
import type {
  Container,
  ContainerConfig,
  ContainerResources,
  ContainerStats,
  Image,
  Runtime,
  RuntimeError,
  RuntimeEvent,
  Sandbox,
  SandboxConfig,
  StreamingUrl,
} from '#node/runtime.ts'
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

interface CallOptions {
  failure?: RuntimeError['reason']
  deadlineMs?: number
  signal?: AbortSignal
}

export function createCriRuntime(options: CriRuntimeOptions): Runtime & Disposable {
  return new CriRuntime(options)
}

class CriRuntime implements Runtime, Disposable {
  readonly name = 'cri'
  readonly #clock: Clock
  readonly #log: Logger
  readonly #schema = loadSchema()
  readonly #channel: GrpcChannel
  readonly #finished = new LruMap<string, Container>(REMEMBERED)
  #version: Awaited<ReturnType<Runtime['version']>> | undefined

  constructor({ endpoint, clock, log }: CriRuntimeOptions) {
    this.#clock = clock
    this.#log = log
    this.#channel = new GrpcChannel(endpoint.replace(/^unix:(\/\/)?/, ''), { schema: this.#schema, clock })
  }

  async version() {
    const answer = await this.#ask<{ runtimeName: string; runtimeVersion: string; runtimeApiVersion: string }>('Version', {})
    this.#version = { name: answer.runtimeName, version: answer.runtimeVersion, apiVersion: answer.runtimeApiVersion }
    return this.#version
  }

  async runPodSandbox(config: SandboxConfig): Promise<string> {
    const request = { config: sandboxRequest(config) }
    const options = { failure: 'SandboxFailed', deadlineMs: SANDBOX_MS } as const
    return (await this.#ask<{ podSandboxId: string }>('RunPodSandbox', request, options)).podSandboxId
  }

  async stopPodSandbox(id: string): Promise<void> {
    await ignoreMissing(this.#ask('StopPodSandbox', { podSandboxId: id }, { deadlineMs: SANDBOX_MS }), {})
  }

  async removePodSandbox(id: string): Promise<void> {
    await ignoreMissing(this.#ask('RemovePodSandbox', { podSandboxId: id }, { deadlineMs: SANDBOX_MS }), {})
  }

  async listSandboxes(): Promise<Sandbox[]> {
    const { items } = await this.#ask<{ items: CriSandbox[] }>('ListPodSandbox', {})
    return mapBounded(items, STATUS_CALLS_AT_ONCE, async (item) => {
      const status = await this.#statusOfSandbox(item.id)
      return toSandbox(status ?? item, status)
    })
  }

  async sandboxStatus(id: string): Promise<Sandbox | undefined> {
    const status = await this.#statusOfSandbox(id)
    return status && toSandbox(status, status)
  }

  async createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string> {
    const request = { podSandboxId: sandboxId, config: containerRequest(config, sandbox), sandboxConfig: sandboxRequest(sandbox) }
    return (await this.#ask<{ containerId: string }>('CreateContainer', request, { failure: 'CreateFailed' })).containerId
  }

  async startContainer(id: string): Promise<void> {
    await this.#ask('StartContainer', { containerId: id }, { failure: 'StartFailed' })
  }

  async stopContainer(id: string, gracePeriodSeconds: number): Promise<void> {
    const deadlineMs = CALL_MS + gracePeriodSeconds * 1000
    await ignoreMissing(this.#ask('StopContainer', { containerId: id, timeout: gracePeriodSeconds }, { deadlineMs }), {})
  }

  async removeContainer(id: string): Promise<void> {
    await ignoreMissing(this.#ask('RemoveContainer', { containerId: id }), {})
    this.#finished.delete(id)
  }

  async listContainers(): Promise<Container[]> {
    return mapBounded(await this.#listed(), STATUS_CALLS_AT_ONCE, async (container) => {
      if (stateOf(container.state) !== 'exited') this.#finished.delete(container.id)
      return (await this.#containerIn(container.podSandboxId, container.id)) ?? toListedContainer(container)
    })
  }

  async containerStatus(id: string): Promise<Container | undefined> {
    const container = (await this.#listed()).find((one) => one.id === id)
    return container && this.#containerIn(container.podSandboxId, id)
  }

  async updateContainerResources(id: string, resources: ContainerResources): Promise<void> {
    await this.#ask('UpdateContainerResources', { containerId: id, linux: resourcesRequest(resources) })
  }

  async reopenContainerLog(id: string): Promise<void> {
    await this.#ask('ReopenContainerLog', { containerId: id })
  }

  execSync(id: string, command: string[], timeoutSeconds: number) {
    const request = { containerId: id, cmd: command, timeout: timeoutSeconds }
    const deadlineMs = timeoutSeconds > 0 ? CALL_MS + timeoutSeconds * 1000 : 0
    return this.#ask<{ exitCode: number; stdout: Buffer; stderr: Buffer }>('ExecSync', request, { deadlineMs })
  }

  exec({ containerId, command, ...streams }: Parameters<Runtime['exec']>[0]) {
    return this.#ask<StreamingUrl>('Exec', { containerId, cmd: command, ...streams, stderr: streams.stderr && !streams.tty })
  }

  attach({ containerId, ...streams }: Parameters<Runtime['attach']>[0]) {
    return this.#ask<StreamingUrl>('Attach', { containerId, ...streams, stderr: streams.stderr && !streams.tty })
  }

  portForward({ sandboxId, ports }: Parameters<Runtime['portForward']>[0]) {
    return this.#ask<StreamingUrl>('PortForward', { podSandboxId: sandboxId, port: ports })
  }

  async containerStats(): Promise<ContainerStats[]> {
    return (await this.#ask<{ stats: CriContainerStats[] }>('ListContainerStats', {})).stats.map(toStats)
  }

  events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    const isContainerd = async () => (this.#version ?? (await this.version())).name === 'containerd'
    const shownState = async (id: string) => {
      const status = await this.#statusOf(id)
      return status && stateOf(status.state)
    }
    const clock = this.#clock
    const events = followEvents({ channel: this.#channel, schema: this.#schema, clock, log: this.#log, isContainerd }, signal)
    return settledEvents(events, { stateOf: shownState, clock, signal })
  }

  async imageStatus(reference: string): Promise<Image | undefined> {
    const { image } = await this.#askOfImages<{ image?: CriImage }>('ImageStatus', { image: { image: reference } })
    return image?.id ? toImage(image) : undefined
  }

  async pullImage(reference: string, { auth, signal }: Parameters<Runtime['pullImage']>[1]): Promise<string> {
    const request = {
      image: { image: reference },
      ...(auth ? { auth: { username: auth.username, password: auth.password, serverAddress: auth.server } } : {}),
    }
    const options = { failure: 'PullFailed', deadlineMs: 0, ...(signal ? { signal } : {}) } as const
    return (await this.#askOfImages<{ imageRef: string }>('PullImage', request, options)).imageRef
  }

  async listImages(): Promise<Image[]> {
    return (await this.#askOfImages<{ images: CriImage[] }>('ListImages', {})).images.map(toImage)
  }

  async removeImage(reference: string): Promise<void> {
    await ignoreMissing(this.#askOfImages('RemoveImage', { image: { image: reference } }), {})
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]()
  }

  async #listed(): Promise<CriContainer[]> {
    return (await this.#ask<{ containers: CriContainer[] }>('ListContainers', {})).containers
  }

  async #statusOfSandbox(id: string): Promise<CriSandboxStatus | undefined> {
    return (await ignoreMissing(this.#ask<{ status?: CriSandboxStatus }>('PodSandboxStatus', { podSandboxId: id }), {})).status
  }

  async #statusOf(id: string): Promise<CriContainerStatus | undefined> {
    return (await ignoreMissing(this.#ask<{ status?: CriContainerStatus }>('ContainerStatus', { containerId: id }), {})).status
  }

  async #containerIn(sandboxId: string, id: string): Promise<Container | undefined> {
    const kept = this.#finished.get(id)
    if (kept) return kept
    const status = await this.#statusOf(id)
    if (!status) return undefined
    const container = toContainer(sandboxId, status)
    if (container.state === 'exited' && this.#clock.now() - container.finishedAt > FINAL_AFTER_MS) this.#finished.set(id, container)
    return container
  }

  #ask<T>(method: string, request: object, options?: CallOptions): Promise<T> {
    return this.#call<T>(`RuntimeService.${method}`, request, options)
  }

  #askOfImages<T>(method: string, request: object, options?: CallOptions): Promise<T> {
    return this.#call<T>(`ImageService.${method}`, request, options)
  }

  async #call<T>(method: string, request: object, { failure = 'Unknown', deadlineMs = CALL_MS, signal }: CallOptions = {}): Promise<T> {
    try {
      return await this.#channel.unary<T>(method, request, { deadlineMs, ...(signal ? { signal } : {}) })
    } catch (error) {
      throw runtimeError(error, failure)
    }
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
