// `sampan up`: takes the data directory, starts the cluster, tells when each service is ready, and stops everything in order at a signal.
import { spawn } from 'node:child_process'
import { appendFileSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { systemReason } from '#lib/system-reason.ts'
import { accessFlagsOf } from './access-flags.ts'
import { auditChoiceOf } from './audit-flags.ts'
import {
  type ClusterConfig,
  DEFAULTS,
  type EtcdFiles,
  type NodesChoice,
  parseClock,
  parseNodes,
  parsePort,
  parseServerNames,
  parseStore,
} from './config.ts'
import { CommandError, UsageError } from './errors.ts'
import { flagFor, makeDataDirectory, runningInstance, takeDataDirectory, unusable } from './instance.ts'
import { kubeconfigFor, mergeKubeconfig, removeFromKubeconfig, userKubeconfig } from './kubeconfig-file.ts'
import { say } from './output.ts'
import { ensurePackages } from './packages.ts'
import type { Platform, RunningCluster } from './platform.ts'
import { startError } from './start-error.ts'
import { programVersion } from './version.ts'
import { writeFileSecurely } from './secure-file.ts'
import { stopSignal } from './stop-signal.ts'

export interface UpOptions extends EtcdFiles {
  /** Absent: `pki` in the data directory. */
  pkiDir?: string
  serverOnly?: boolean
  dataDir: string
  port: string
  /** Names and addresses, with commas between. */
  tlsSan?: string
  kubeconfig?: string
  nodes?: string
  store: string
  clock: string
  encryptionProviderConfig?: string
  encryptionProviderConfigAutomaticReload?: boolean
  schedulerConfig?: string
  detach?: boolean
  yes?: boolean
  /** All of these as they were said, and the defaults of the rest. */
  flags?: Readonly<Record<string, string>>
}

const DETACHED_START_TIMEOUT_MS = 120_000
const SLOW_START_MS = 10_000
const LOG_LIMIT = 20 * 1024 * 1024

export async function up(options: UpOptions, platform: Platform): Promise<void> {
  const began = platform.clock.monotonic() - process.uptime() * 1000
  const config = configOf(options)
  if (config.nodes.type === 'real') await ensurePackages({ commands: platform.commands, yes: options.yes === true })
  if (options.detach) return detach(options, platform)

  using lock = takeDataDirectory(config.dataDirectory, programVersion())
  const abort = new AbortController()
  const stopped = stopSignal(abort)
  const writeLog = openLog(config.dataDirectory)
  if (options.nodes === undefined && config.nodes.type === 'simulated') say(simulatedReason())
  const cluster = await startCluster(config, { platform, signal: abort.signal, writeLog })
  if (!cluster) {
    say('stopped before it was ready')
    process.exitCode = 130
    return
  }
  try {
    const context = writeCredentials(options, { config, cluster })
    const elapsed = Math.round(platform.clock.monotonic() - began)
    say(`${cluster.credentials.url}  ${cluster.nodes}  data in ${config.dataDirectory}`)
    if (context) say(`kubectl: context ${context} in ${userKubeconfig(process.env)}`)
    say(`ready in ${elapsed} ms`)
    // Last: whoever waits for it, as --detach does, finds every line said.
    lock.update({
      url: cluster.credentials.url,
      nodes: cluster.nodes,
      readyAt: platform.clock.now(),
      ...(options.kubeconfig ? { kubeconfig: resolve(options.kubeconfig) } : {}),
      ...(options.pkiDir ? { pkiDirectory: options.pkiDir } : {}),
    })
    surviveMistakes(writeLog)
    await stopped
    say('stopping')
  } finally {
    await cluster[Symbol.asyncDispose]()
    if (!options.kubeconfig) removeFromKubeconfig(config.dataDirectory)
  }
}

/** Nothing where the start was interrupted. */
async function startCluster(
  config: ClusterConfig,
  { platform, signal, writeLog }: { platform: Platform; signal: AbortSignal; writeLog: (line: string) => void },
): Promise<RunningCluster | undefined> {
  const log = join(config.dataDirectory, 'sampan.log')
  using _ = platform.clock.every(SLOW_START_MS, () => say(`still starting; ${log} may say what it waits for`))
  try {
    return await platform.startCluster(config, {
      signal,
      ready: (name, elapsedMs) => say(`${name.padEnd(24)} ${Math.round(elapsedMs)} ms`),
      writeLog,
    })
  } catch (error) {
    if (signal.aborted) return undefined
    throw startError(error, config, writeLog)
  }
}

function configOf(options: UpOptions): ClusterConfig {
  const root = process.platform === 'linux' && process.getuid?.() === 0
  const nodes: NodesChoice =
    options.nodes === undefined ? (root ? { type: 'real', count: 1 } : { type: 'simulated', count: 1 }) : parseNodes(options.nodes)
  if (nodes.type === 'real' && !root) throw new UsageError('--nodes real needs root on Linux: run it with sudo, or use --nodes simulated')
  const clock = parseClock(options.clock)
  if (clock === 'virtual' && nodes.type === 'real')
    throw new UsageError('--clock virtual: containers live in real time, add --nodes simulated or none')
  return {
    ...DEFAULTS,
    dataDirectory: options.dataDir,
    port: parsePort('--port', options.port),
    ...(options.tlsSan === undefined ? {} : { serverNames: parseServerNames('--tls-san', options.tlsSan) }),
    nodes,
    store: parseStore(options.store, etcdFiles(options)),
    pkiDirectory: options.pkiDir ?? join(options.dataDir, 'pki'),
    serverOnly: options.serverOnly === true,
    clock,
    ...encryptionOf(options),
    access: accessFlagsOf(options),
    ...auditOf(options),
    ...(options.schedulerConfig ? { schedulerConfig: options.schedulerConfig } : {}),
    ...(options.flags ? { flags: options.flags } : {}),
    nodeName:
      hostname()
        .toLowerCase()
        .replace(/[^a-z0-9.-]+/g, '-')
        .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '') || 'node',
  }
}

function auditOf(options: UpOptions): Pick<ClusterConfig, 'audit'> {
  const audit = auditChoiceOf(options)
  return audit ? { audit } : {}
}

function encryptionOf(options: UpOptions): Pick<ClusterConfig, 'encryption'> {
  const { encryptionProviderConfig: file, encryptionProviderConfigAutomaticReload: reload = false } = options
  if (file === undefined && reload)
    throw new UsageError('--encryption-provider-config-automatic-reload must be set with --encryption-provider-config')
  return file === undefined ? {} : { encryption: { file, reload } }
}

function etcdFiles({ etcdCafile, etcdCertfile, etcdKeyfile }: UpOptions): EtcdFiles {
  return { ...(etcdCafile ? { etcdCafile } : {}), ...(etcdCertfile ? { etcdCertfile } : {}), ...(etcdKeyfile ? { etcdKeyfile } : {}) }
}

function simulatedReason(): string {
  return process.platform === 'linux'
    ? 'not root: nodes are simulated, pods become Ready without containers; root would add real containers, pod network and service addresses'
    : `no containers on ${process.platform}: nodes are simulated, pods become Ready without containers; root on Linux would add real ones`
}

/** Into the file that was asked for, or merged into the user's own, where it returns the context's name. */
function writeCredentials(options: UpOptions, { config, cluster }: { config: ClusterConfig; cluster: RunningCluster }): string | undefined {
  if (!options.kubeconfig) return mergeKubeconfig(userKubeconfig(process.env), cluster.credentials, config.dataDirectory)
  try {
    writeFileSecurely(resolve(options.kubeconfig), kubeconfigFor(cluster.credentials))
  } catch (error) {
    throw new CommandError(`--kubeconfig ${options.kubeconfig} cannot be written: ${systemReason(error)}. Choose another file.`)
  }
  return undefined
}

/** Lines go to sampan.log in the data directory; one older file is kept. */
function openLog(dataDirectory: string): (line: string) => void {
  const path = join(dataDirectory, 'sampan.log')
  let size = 0
  try {
    size = statSync(path).size
  } catch {
    // The first start: there is no log yet.
  }
  return (line) => {
    try {
      if (size > LOG_LIMIT) {
        renameSync(path, `${path}.1`)
        size = 0
      }
      appendFileSync(path, line, { mode: 0o600 })
      size += line.length
    } catch {
      // A full disk must not stop the cluster; the line is lost.
    }
  }
}

/** A mistake in one corner must not take the cluster down: it is told and logged, and the rest goes on. */
function surviveMistakes(writeLog: (line: string) => void): void {
  const tell = (what: string) => (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    writeLog(`${JSON.stringify({ level: 'error', message: what, error: text })}\n`)
    process.stderr.write(`sampan: internal error: ${text.split('\n')[0]} (details in sampan.log; please report it)\n`)
  }
  process.on('uncaughtException', tell('uncaught exception'))
  process.on('unhandledRejection', tell('unhandled rejection'))
}

function openOutput(dataDirectory: string, file: string): number {
  try {
    return openSync(file, 'w', 0o600)
  } catch (error) {
    throw unusable(dataDirectory, error)
  }
}

/** Starts the same command again in the background and waits until it is ready. */
async function detach(options: UpOptions, platform: Platform): Promise<void> {
  const running = runningInstance(options.dataDir)
  if (running)
    throw new CommandError(
      `${options.dataDir} is in use by a running instance (process ${running.pid}). Stop it with \`sampan down${flagFor(options.dataDir)}\`.`,
    )
  makeDataDirectory(options.dataDir)
  const output = join(options.dataDir, 'up.out')
  const descriptor = openOutput(options.dataDir, output)
  const words = process.argv.slice(1).filter((word) => word !== '--detach')
  const child = spawn(process.execPath, [...process.execArgv, ...words], { detached: true, stdio: ['ignore', descriptor, descriptor] })
  let code: number | null | undefined
  child.on('exit', (exitCode) => (code = exitCode ?? 1))
  const began = platform.clock.monotonic()
  while (runningInstance(options.dataDir)?.readyAt === undefined) {
    if (code !== undefined || platform.clock.monotonic() - began > DETACHED_START_TIMEOUT_MS) {
      process.stderr.write(readFileSync(output, 'utf8'))
      if (code === undefined) {
        child.kill('SIGTERM')
        child.unref()
        throw new CommandError(
          `not ready after ${DETACHED_START_TIMEOUT_MS / 1000} s, and stopped; ${join(options.dataDir, 'sampan.log')} may say why`,
        )
      }
      process.exitCode = code || 1
      return
    }
    await platform.clock.sleep(10)
  }
  child.unref()
  process.stdout.write(readFileSync(output, 'utf8'))
  say(`running in the background (process ${child.pid}); stop it with \`sampan down${flagFor(options.dataDir)}\``)
}
