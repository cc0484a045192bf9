// A runtime in memory: CRI's verbs and states without containers. What a container does is told by a script, so that whole clusters can
// be simulated on a virtual clock and the agent's every path tested.
import type { Clock, Timer } from '#lib/clock.ts'
import {
  type Container,
  type ContainerConfig,
  type ContainerStats,
  type Image,
  type Runtime,
  RuntimeError,
  type RuntimeEvent,
  type Sandbox,
  type SandboxConfig,
} from '#node/runtime.ts'

/** What one instance of a container does once started. */
export interface Behaviour {
  /** Ends by itself after so long; absent: runs until stopped. */
  exitAfterMs?: number
  exitCode?: number
  reason?: string
  /** Cannot be started. */
  startError?: string
  createError?: string
  /** How long it takes to end once asked to; longer than the grace period means it is killed. */
  stopMs?: number
}

export interface SimulatedRuntimeOptions {
  clock: Clock
  /** By config (name, attempt, env ...). */
  behaviour?(config: ContainerConfig, sandbox: SandboxConfig): Behaviour
  /** Answers exec probes and hooks; exit code 0 by default. */
  exec?(containerId: string, command: string[]): { exitCode: number; stdout?: string; stderr?: string }
  /** Throws to fail a sandbox. */
  sandbox?(config: SandboxConfig): void
  /** References that can be pulled; absent: all. `here`: present from the start. */
  images?: { here?: readonly string[]; pullable?(reference: string): boolean | string }
  addresses?: Iterator<string>
}

interface Running {
  container: Container
  config: ContainerConfig
  behaviour: Behaviour
  timer?: Timer
  ended: PromiseWithResolvers<void>
}

export class SimulatedRuntime implements Runtime {
  readonly name = 'simulated'
  readonly #options: SimulatedRuntimeOptions
  readonly #clock: Clock
  readonly #sandboxes = new Map<string, Sandbox>()
  readonly #containers = new Map<string, Running>()
  readonly #images = new Map<string, Image>()
  readonly #listeners = new Set<(event: RuntimeEvent) => void>()
  #serial = 0
  #address = 0
  /** Verbs called, in order, for tests that ask what was left alone. */
  readonly calls: string[] = []

  constructor(options: SimulatedRuntimeOptions) {
    this.#options = options
    this.#clock = options.clock
    for (const reference of options.images?.here ?? []) this.#addImage(reference)
  }

  async version() {
    return { name: 'simulated', version: '1', apiVersion: 'v1' }
  }

  async runPodSandbox(config: SandboxConfig): Promise<string> {
    this.calls.push(`runPodSandbox ${config.name}`)
    try {
      this.#options.sandbox?.(config)
    } catch (error) {
      throw new RuntimeError('SandboxFailed', (error as Error).message)
    }
    const id = this.#id('sandbox')
    const { namespace, name, uid, attempt, hostNetwork, labels, annotations } = config
    const ips = hostNetwork ? [] : [this.#options.addresses?.next().value ?? `10.244.0.${2 + (this.#address++ % 250)}`]
    this.#sandboxes.set(id, {
      id,
      namespace,
      name,
      uid,
      attempt,
      ready: true,
      createdAt: this.#now(),
      ips,
      hostNetwork,
      labels,
      annotations,
    })
    this.#emit({ type: 'started', containerId: id, sandboxId: id })
    return id
  }

  async stopPodSandbox(id: string): Promise<void> {
    this.calls.push(`stopPodSandbox`)
    for (const { container } of this.#containers.values()) if (container.sandboxId === id) this.#end(container.id, 137)
    const sandbox = this.#sandboxes.get(id)
    if (!sandbox?.ready) return
    this.#sandboxes.set(id, { ...sandbox, ready: false })
    this.#emit({ type: 'stopped', containerId: id, sandboxId: id })
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.stopPodSandbox(id)
    for (const { container } of this.#containers.values()) if (container.sandboxId === id) await this.removeContainer(container.id)
    if (this.#sandboxes.delete(id)) this.#emit({ type: 'deleted', containerId: id, sandboxId: id })
  }

  async listSandboxes(): Promise<Sandbox[]> {
    return [...this.#sandboxes.values()]
  }

  async sandboxStatus(id: string): Promise<Sandbox | undefined> {
    return this.#sandboxes.get(id)
  }

  async createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string> {
    this.calls.push(`createContainer ${config.name}`)
    if (!this.#sandboxes.get(sandboxId)?.ready) throw new RuntimeError('CreateFailed', `sandbox ${sandboxId} is not ready`)
    const behaviour = this.#options.behaviour?.(config, sandbox) ?? {}
    if (behaviour.createError) throw new RuntimeError('CreateFailed', behaviour.createError)
    const id = this.#id('container')
    const container: Container = {
      id,
      sandboxId,
      name: config.name,
      attempt: config.attempt,
      state: 'created',
      image: config.image,
      imageRef: config.imageId,
      createdAt: this.#now(),
      startedAt: 0,
      finishedAt: 0,
      exitCode: 0,
      reason: '',
      message: '',
      labels: config.labels,
      annotations: config.annotations,
      logPath: `${sandbox.logDirectory}/${config.logPath}`,
    }
    this.#containers.set(id, { container, config, behaviour, ended: Promise.withResolvers() })
    this.#emit({ type: 'created', containerId: id, sandboxId })
    return id
  }

  async startContainer(id: string): Promise<void> {
    const entry = this.#entry(id)
    this.calls.push(`startContainer ${entry.container.name}`)
    if (entry.behaviour.startError) {
      this.#end(id, 128, 'StartError')
      throw new RuntimeError('StartFailed', entry.behaviour.startError)
    }
    entry.container = { ...entry.container, state: 'running', startedAt: this.#now() }
    const { exitAfterMs, exitCode = 0, reason } = entry.behaviour
    if (exitAfterMs !== undefined) entry.timer = this.#clock.after(exitAfterMs, () => this.#end(id, exitCode, reason))
    this.#emit({ type: 'started', containerId: id, sandboxId: entry.container.sandboxId })
  }

  async stopContainer(id: string, gracePeriodSeconds: number): Promise<void> {
    const entry = this.#containers.get(id)
    if (!entry || entry.container.state !== 'running') return
    this.calls.push(`stopContainer ${entry.container.name} ${gracePeriodSeconds}`)
    const { stopMs = 0 } = entry.behaviour
    const killed = stopMs > gracePeriodSeconds * 1000
    const wait = killed ? gracePeriodSeconds * 1000 : stopMs
    if (wait > 0) this.#clock.after(wait, () => this.#end(id, killed ? 137 : 143))
    else this.#end(id, 143)
    await entry.ended.promise
  }

  async removeContainer(id: string): Promise<void> {
    const entry = this.#containers.get(id)
    if (!entry) return
    if (entry.container.state === 'running') this.#end(id, 137)
    this.#containers.delete(id)
    this.#emit({ type: 'deleted', containerId: id, sandboxId: entry.container.sandboxId })
  }

  async listContainers(): Promise<Container[]> {
    return [...this.#containers.values()].map(({ container }) => container)
  }

  async containerStatus(id: string): Promise<Container | undefined> {
    return this.#containers.get(id)?.container
  }

  async updateContainerResources(id: string): Promise<void> {
    this.calls.push(`updateContainerResources ${this.#entry(id).container.name}`)
  }

  async reopenContainerLog(id: string): Promise<void> {
    this.calls.push(`reopenContainerLog ${this.#entry(id).container.name}`)
  }

  async execSync(id: string, command: string[]) {
    if (this.#entry(id).container.state !== 'running') throw new RuntimeError('NotFound', `container ${id} is not running`)
    const { exitCode, stdout = '', stderr = '' } = this.#options.exec?.(id, command) ?? { exitCode: 0 }
    return { exitCode, stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) }
  }

  exec(): Promise<never> {
    return Promise.reject(new RuntimeError('Unknown', 'simulated containers run no commands'))
  }

  attach(): Promise<never> {
    return this.exec()
  }

  portForward(): Promise<never> {
    return this.exec()
  }

  async containerStats(): Promise<ContainerStats[]> {
    return []
  }

  async *events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    const queue: RuntimeEvent[] = []
    let wake: (() => void) | undefined
    const listener = (event: RuntimeEvent) => {
      queue.push(event)
      wake?.()
    }
    const stop = () => wake?.()
    this.#listeners.add(listener)
    signal.addEventListener('abort', stop, { once: true })
    try {
      while (!signal.aborted) {
        const event = queue.shift()
        if (event) yield event
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      this.#listeners.delete(listener)
      signal.removeEventListener('abort', stop)
    }
  }

  async imageStatus(reference: string): Promise<Image | undefined> {
    return this.#images.get(reference) ?? [...this.#images.values()].find(({ id }) => id === reference)
  }

  async pullImage(reference: string): Promise<string> {
    this.calls.push(`pullImage ${reference}`)
    const answer = this.#options.images?.pullable?.(reference) ?? true
    if (answer !== true) throw new RuntimeError('PullFailed', answer || `failed to resolve reference "${reference}": not found`)
    return this.#addImage(reference).id
  }

  async listImages(): Promise<Image[]> {
    return [...this.#images.values()]
  }

  async removeImage(reference: string): Promise<void> {
    this.#images.delete(reference)
  }

  /** Ends a container as if from inside. */
  exit(name: string, exitCode: number, reason?: string): void {
    for (const { container } of this.#containers.values())
      if (container.name === name && container.state === 'running') this.#end(container.id, exitCode, reason)
  }

  #end(id: string, exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error'): void {
    const entry = this.#containers.get(id)
    if (!entry || entry.container.state === 'exited') return
    entry.timer?.cancel()
    const startedAt = entry.container.startedAt || this.#now()
    entry.container = { ...entry.container, state: 'exited', startedAt, finishedAt: this.#now(), exitCode, reason }
    entry.ended.resolve()
    if (reason === 'OOMKilled') this.#emit({ type: 'oom', containerId: id, sandboxId: entry.container.sandboxId })
    this.#emit({ type: 'stopped', containerId: id, sandboxId: entry.container.sandboxId })
  }

  #emit(event: RuntimeEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  #entry(id: string): Running {
    const entry = this.#containers.get(id)
    if (!entry) throw new RuntimeError('NotFound', `container ${id} not found`)
    return entry
  }

  #addImage(reference: string): Image {
    const id = `sha256:${Buffer.from(reference).toString('hex').padEnd(64, '0').slice(0, 64)}`
    const image: Image = { id, tags: [reference], digests: [], sizeBytes: 1024 }
    this.#images.set(reference, image)
    return image
  }

  #id(kind: string): string {
    return `${kind}-${(++this.#serial).toString(16).padStart(8, '0')}`
  }

  #now(): number {
    return this.#clock.now()
  }
}
