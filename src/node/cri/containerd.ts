// The private containerd: own root, state, socket and configuration below one directory. It outlives a killed Sampan together with its containers
// and is adopted by the next start; an orderly stop ends pods, daemon and mounts. Does not configure the pod network.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '#lib/clock.ts'
import type { Commands } from '#lib/commands.ts'
import { hasGrpcCode } from '#lib/grpc/grpc-error.ts'
import type { Logger } from '#lib/log.ts'
import type { Service } from '#lib/service.ts'
import { ensurePauseImage, PAUSE_IMAGE } from '#node/images/pause-image.ts'
import type { Runtime } from '#node/runtime.ts'
import { mountPoints } from '#node/volumes/mounts.ts'
import { containerdConfig } from './containerd-config.ts'
import { createCriRuntime } from './cri-runtime.ts'
import { type DaemonRecord, findDaemon, isRunning, startDaemon, stopDaemon } from './daemon.ts'
import { readHostFacts, SEARCH_PATH } from './host-facts.ts'
import { stopAllPods } from './stop-pods.ts'
import { endStrayShims } from './stray-shims.ts'

export interface ContainerdOptions {
  directory: string
  /** Where the network room puts its CNI configuration. */
  cniConfDir: string
  cniBinDirs: readonly string[]
  clock: Clock
  log: Logger
  commands: Commands
  /** Path of the program, where it is not to be searched for. */
  binary?: string
  /** Proxy settings and the like for image pulls. */
  env?: Readonly<Record<string, string | undefined>>
  /** Between SIGTERM and SIGKILL for containers at an orderly stop. */
  stopGraceSeconds?: number
}

/** sockaddr_un holds 108 bytes, and containerd appends `.ttrpc`. */
const SOCKET_PATH_LIMIT = 100
const READY_LIMIT_MS = 30_000
const STOP_PATIENCE_MS = 10_000
const STRAYS_AFTER_MS = 10_000
const WATCH_PERIOD_MS = 500
const FIRST_RESTART_MS = 100
const LAST_RESTART_MS = 10_000
const PASSED_ON = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']

export function createContainerd(options: ContainerdOptions): Service & { readonly endpoint: string } {
  return new Containerd(options)
}

class Containerd implements Service {
  readonly name = 'containerd'
  readonly endpoint: string
  readonly #options: ContainerdOptions
  readonly #recordFile: string
  readonly #logFile: string

  constructor(options: ContainerdOptions) {
    this.#options = options
    this.endpoint = this.#path('containerd.sock')
    this.#recordFile = this.#path('containerd.pid')
    this.#logFile = this.#path('containerd.log')
  }

  async start(signal: AbortSignal): Promise<AsyncDisposable> {
    const { endpoint } = this
    const { directory, clock, log, commands, stopGraceSeconds = 3 } = this.#options
    await using starting = new AsyncDisposableStack()
    const runtime = starting.use(createCriRuntime({ endpoint, clock, log }))
    const running = { daemon: await this.#launch() }
    starting.defer(async () => {
      await this.#stop(running.daemon)
      await endStrayShims({ endpoint, state: this.#path('state') })
      await unmountBelow(directory, commands)
    })
    await this.#ready(running.daemon, runtime, signal)
    await ensurePauseImage({ endpoint, clock })

    const stopping = new AbortController()
    const watching = this.#watch(running, runtime, stopping.signal)
    // By then containerd has broken off what an earlier life of this process had asked for.
    starting.use(clock.after(STRAYS_AFTER_MS, () => void endStrayShims({ endpoint, state: this.#path('state') }).catch(() => {})))
    starting.defer(async () => {
      stopping.abort()
      await watching
      // Without a daemon there is nobody to ask: bring it back for the stop.
      if (!isRunning(running.daemon)) await this.#ready((running.daemon = await this.#launch()), runtime, new AbortController().signal)
      await stopAllPods(runtime, { graceSeconds: stopGraceSeconds }).catch((error: unknown) => {
        log.error('not every pod could be stopped', { error })
      })
    })
    return starting.move()
  }

  /** Writes the configuration and answers with a running daemon that uses it. */
  async #launch(): Promise<DaemonRecord> {
    const { directory, log, binary, cniBinDirs, cniConfDir, env = {} } = this.#options
    if (Buffer.byteLength(this.endpoint) > SOCKET_PATH_LIMIT)
      throw new Error(`${this.endpoint} is too long for a unix socket: choose a data directory with a shorter path`)
    const facts = readHostFacts({ containerd: binary, cniBinDirs })
    const paths = {
      root: this.#path('root'),
      state: this.#path('state'),
      socket: this.endpoint,
      registries: this.#path('certs.d'),
      cniConfDir,
    }
    const file = this.#path('config.toml')
    for (const folder of [directory, paths.root, paths.state, paths.registries, cniConfDir])
      mkdirSync(folder, { recursive: true, mode: 0o711 })
    const config = containerdConfig(facts, paths, { sandboxImage: PAUSE_IMAGE })
    const configHash = createHash('sha256').update(config).digest('hex')
    const found = findDaemon(this.#recordFile)
    if (found?.configHash === configHash) {
      log.info('adopted the running containerd', { pid: found.pid })
      return found
    }
    // Containers run on without it: their shims are processes of their own.
    if (found) await this.#stop(found)
    writeFileSync(file, config, { mode: 0o600 })
    rmSync(this.endpoint, { force: true })
    const started = { recordFile: this.#recordFile, logFile: this.#logFile, configHash, env: environment(env) }
    return startDaemon([facts.containerd, '--config', file], started)
  }

  /** Waits until it answers as a CRI runtime. */
  async #ready(daemon: DaemonRecord, runtime: Runtime, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const began = clock.monotonic()
    for (;;) {
      signal.throwIfAborted()
      const answered = await runtime.version().catch((error: unknown) => error)
      if (!(answered instanceof Error)) return
      if (hasGrpcCode(answered.cause, 'UNIMPLEMENTED'))
        throw new Error(`containerd runs without its CRI plugin: ${lastLines(this.#logFile, /failed to load plugin/)}`)
      if (!isRunning(daemon)) throw new Error(`containerd ended at once: ${lastLines(this.#logFile)}`)
      if (clock.monotonic() - began > READY_LIMIT_MS) throw new Error(`containerd does not answer on ${this.endpoint}: ${answered.message}`)
      await clock.sleep(3)
    }
  }

  /** Starts it again whenever it has ended, until the signal aborts. */
  async #watch(running: { daemon: DaemonRecord }, runtime: Runtime, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    for (let waitMs = FIRST_RESTART_MS; !signal.aborted; ) {
      await clock.sleep(WATCH_PERIOD_MS, signal).catch(() => {})
      if (signal.aborted || isRunning(running.daemon)) continue
      log.warn('containerd ended; starting it again', { pid: running.daemon.pid })
      try {
        running.daemon = await this.#launch()
        await this.#ready(running.daemon, runtime, signal)
        waitMs = FIRST_RESTART_MS
      } catch (error) {
        log.error('containerd could not be started again', { error })
        await clock.sleep(waitMs, signal).catch(() => {})
        waitMs = Math.min(waitMs * 2, LAST_RESTART_MS)
      }
    }
  }

  #stop(daemon: DaemonRecord): Promise<void> {
    return stopDaemon(daemon, { recordFile: this.#recordFile, clock: this.#options.clock, patienceMs: STOP_PATIENCE_MS })
  }

  #path(name: string): string {
    return join(this.#options.directory, name)
  }
}

function environment(given: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const env: Record<string, string> = { PATH: SEARCH_PATH.join(':') }
  for (const name of PASSED_ON) if (given[name] !== undefined) env[name] = given[name]
  return env
}

/** What a killed daemon or shim may have left: overlay roots, sandbox shm, network namespaces. */
async function unmountBelow(directory: string, commands: Commands): Promise<void> {
  const points = (await mountPoints()).filter((point) => point.startsWith(`${directory}/`))
  // Deepest first.
  if (points.length > 0) await commands.run(['umount', '-l', ...points.reverse()])
}

function lastLines(file: string, wanted = /./): string {
  try {
    const lines = readFileSync(file, 'utf8').split('\n')
    return lines
      .filter((line) => wanted.test(line))
      .slice(-3)
      .join(' ')
  } catch {
    return 'it left no log'
  }
}
