// `sampan up`: takes the data directory, starts the cluster, tells when each service is ready, and stops everything in order at a signal.
import { join, resolve } from 'node:path'
import { systemReason } from '#lib/system-reason.ts'
import type { ClusterConfig } from './config.ts'
import { detach } from './detach.ts'
import { CommandError } from './errors.ts'
import { takeDataDirectory } from './instance.ts'
import { kubeconfigFor, mergeKubeconfig, removeFromKubeconfig, userKubeconfig } from './kubeconfig-file.ts'
import { openLog } from './log-file.ts'
import { goOnUnread, say } from './output.ts'
import { ensurePackages } from './packages.ts'
import type { Platform, RunningCluster } from './platform.ts'
import { writeFileSecurely } from './secure-file.ts'
import { startError } from './start-error.ts'
import { stopSignal } from './stop-signal.ts'
import { configOf, type UpOptions } from './up-options.ts'
import { programVersion } from './version.ts'

const SLOW_START_MS = 10_000

export async function up(options: UpOptions, platform: Platform): Promise<void> {
  const began = platform.clock.monotonic() - process.uptime() * 1000
  const config = configOf(options)
  if (config.nodes.type === 'real') await ensurePackages({ commands: platform.commands, yes: options.yes === true })
  if (options.detach) return detach(options, platform)

  using lock = takeDataDirectory(config.dataDirectory, programVersion())
  const abort = new AbortController()
  const stopped = stopSignal(abort)
  goOnUnread()
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
