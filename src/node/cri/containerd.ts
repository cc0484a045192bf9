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
  const { directory, clock, log, commands } = options
  const path = (name: string) => join(directory, name)
  const endpoint = path('containerd.sock')
  const recordFile = path('containerd.pid')

  /** Writes the configuration and answers with a running daemon that uses it. */
  const launch = async (): Promise<DaemonRecord> => {
    if (Buffer.byteLength(endpoint) > SOCKET_PATH_LIMIT) {
      throw new Error(`${endpoint} is too long for a unix socket: choose a data directory with a shorter path`)
    }
    const facts = readHostFacts({ containerd: options.binary, cniBinDirs: options.cniBinDirs })
    const paths = {
      root: path('root'),
      state: path('state'),
      socket: endpoint,
      registries: path('certs.d'),
      cniConfDir: options.cniConfDir,
    }
    for (const folder of [directory, paths.root, paths.state, paths.registries, paths.cniConfDir])
      mkdirSync(folder, { recursive: true, mode: 0o711 })
    const config = containerdConfig(facts, paths, { sandboxImage: PAUSE_IMAGE })
    const configHash = createHash('sha256').update(config).digest('hex')
    const found = findDaemon(recordFile)
    if (found?.configHash === configHash) {
      log.info('adopted the running containerd', { pid: found.pid })
      return found
    }
    // Containers run on without it: their shims are processes of their own.
    if (found) await stopDaemon(found, { recordFile, clock, patienceMs: STOP_PATIENCE_MS })
    writeFileSync(path('config.toml'), config, { mode: 0o600 })
    rmSync(endpoint, { force: true })
    return startDaemon([facts.containerd, '--config', path('config.toml')], {
      recordFile,
      logFile: path('containerd.log'),
      configHash,
      env: environment(options.env ?? {}),
    })
  }

  const ready = async (daemon: DaemonRecord, runtime: ReturnType<typeof createCriRuntime>, signal: AbortSignal) => {
    const began = clock.monotonic()
    for (;;) {
      signal.throwIfAborted()
      const answered = await runtime.version().catch((error: unknown) => error)
      if (!(answered instanceof Error)) return
      if (hasGrpcCode((answered as Error).cause, 'UNIMPLEMENTED')) {
        throw new Error(`containerd runs without its CRI plugin: ${lastLines(path('containerd.log'), /failed to load plugin/)}`)
      }
      if (!isRunning(daemon)) throw new Error(`containerd ended at once: ${lastLines(path('containerd.log'))}`)
      if (clock.monotonic() - began > READY_LIMIT_MS) throw new Error(`containerd does not answer on ${endpoint}: ${answered.message}`)
      await clock.sleep(3)
    }
  }

  return {
    name: 'containerd',
    endpoint,
    async start(signal) {
      await using starting = new AsyncDisposableStack()
      const stopping = new AbortController()
      const runtime = starting.use(createCriRuntime({ endpoint, clock, log }))
      let daemon = await launch()
      starting.defer(async () => {
        await stopDaemon(daemon, { recordFile, clock, patienceMs: STOP_PATIENCE_MS })
        await endStrayShims({ endpoint, state: path('state') })
        await unmountBelow(directory, commands)
      })
      await ready(daemon, runtime, signal)
      await ensurePauseImage({ endpoint, clock })

      const watching = watch()
      // By then containerd has broken off what an earlier life of this process had asked for.
      starting.use(clock.after(STRAYS_AFTER_MS, () => void endStrayShims({ endpoint, state: path('state') }).catch(() => {})))
      starting.defer(async () => {
        stopping.abort()
        await watching
        // Without a daemon there is nobody to ask: bring it back for the stop.
        if (!isRunning(daemon)) await ready((daemon = await launch()), runtime, new AbortController().signal)
        await stopAllPods(runtime, { graceSeconds: options.stopGraceSeconds ?? 3 }).catch((error: unknown) => {
          log.error('not every pod could be stopped', { error })
        })
      })
      return starting.move()

      async function watch() {
        for (let waitMs = FIRST_RESTART_MS; !stopping.signal.aborted; ) {
          await clock.sleep(WATCH_PERIOD_MS, stopping.signal).catch(() => {})
          if (stopping.signal.aborted || isRunning(daemon)) continue
          log.warn('containerd ended; starting it again', { pid: daemon.pid })
          try {
            daemon = await launch()
            await ready(daemon, runtime, stopping.signal)
            waitMs = FIRST_RESTART_MS
          } catch (error) {
            log.error('containerd could not be started again', { error })
            await clock.sleep(waitMs, stopping.signal).catch(() => {})
            waitMs = Math.min(waitMs * 2, LAST_RESTART_MS)
          }
        }
      }
    },
  }
}

function environment(given: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const env: Record<string, string> = { PATH: SEARCH_PATH.join(':') }
  for (const name of PASSED_ON) if (given[name] !== undefined) env[name] = given[name]
  return env
}

/** What a killed daemon or shim may have left: overlay roots, sandbox shm, network namespaces. */
async function unmountBelow(directory: string, commands: Commands): Promise<void> {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((point) => point.startsWith(`${directory}/`))
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
