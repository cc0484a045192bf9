// `sampan controllers`, `sampan scheduler` and `sampan node simulate`: one part of a cluster in front, until Ctrl-C, against the API server that
// a kubeconfig names. Log lines go to standard error.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { MOST_SUBNETS } from '#node/simulated/addresses.ts'
import { BadKubeconfig, readKubeconfig } from '#client/kubeconfig.ts'
import { DEFAULTS, MOST_SIMULATED_NODES } from './config.ts'
import { CommandError, UsageError } from './errors.ts'
import { userKubeconfig } from './kubeconfig-file.ts'
import { goOnUnread, say } from './output.ts'
import { type PagesFlags, readPagesFlags } from './pages-flags.ts'
import { CONTROLLERS_PORT, SCHEDULER_PORT, SIMULATED_NODES_PORT } from './pages-ports.ts'
import type { Platform, RoleConfig } from './platform.ts'
import { readSchedulerConfiguration } from './scheduler-config.ts'
import { stopSignal } from './stop-signal.ts'

export interface RoleFlags {
  kubeconfig?: string
  pkiDir?: string
  /** The whole command line. */
  flags?: Readonly<Record<string, string>>
}

export async function runControllers(
  { kubeconfig, pkiDir, flags: said = {}, ...flags }: RoleFlags & PagesFlags,
  platform: Platform,
): Promise<void> {
  const pages = readPagesFlags(flags, CONTROLLERS_PORT)
  const pkiDirectory = pkiDir === undefined ? undefined : resolve(pkiDir)
  if (pkiDirectory !== undefined && !existsSync(join(pkiDirectory, 'ca.key')))
    throw new UsageError(`--pki-dir ${pkiDir}: there is no ca.key in it; name the directory that the API server was started with`)
  const own = { role: 'controllers' as const, flags: said, podCidr: DEFAULTS.podCidr, access: access(kubeconfig) }
  if (pkiDirectory === undefined) say('no --pki-dir: certificate signing requests stay unsigned')
  await run({ ...own, ...(pkiDirectory ? { pkiDirectory } : {}), ...(pages ? { pages } : {}) }, platform)
}

export async function runScheduler(
  { kubeconfig, config, flags: said = {}, ...flags }: RoleFlags & PagesFlags & { config?: string },
  platform: Platform,
): Promise<void> {
  const pages = readPagesFlags(flags, SCHEDULER_PORT)
  const configuration = config === undefined ? undefined : await readSchedulerConfiguration('--config', config)
  const own = { role: 'scheduler' as const, flags: said, access: access(kubeconfig ?? configuration?.kubeconfig) }
  await run({ ...own, ...(configuration ? { configuration } : {}), ...(pages ? { pages } : {}) }, platform)
}

export interface SimulateFlags extends RoleFlags {
  count: string
  namePrefix: string
  firstSubnet?: string
}

export async function simulateNodes({ flags: said = {}, ...flags }: SimulateFlags & PagesFlags, platform: Platform): Promise<void> {
  const pages = readPagesFlags(flags, SIMULATED_NODES_PORT)
  const count = Number(flags.count)
  if (!/^\d{1,5}$/.test(flags.count) || count < 1 || count > MOST_SIMULATED_NODES)
    throw new UsageError(`--count ${flags.count}: a whole number from 1 to ${MOST_SIMULATED_NODES}`)
  const firstSubnet = flags.firstSubnet === undefined ? undefined : Number(flags.firstSubnet)
  if (flags.firstSubnet !== undefined && (!/^\d{1,5}$/.test(flags.firstSubnet) || firstSubnet! + count > MOST_SUBNETS))
    throw new UsageError(`--first-subnet ${flags.firstSubnet}: a whole number from 0 to ${MOST_SUBNETS - count}`)
  if (!/^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$/.test(flags.namePrefix))
    throw new UsageError(`--name-prefix ${flags.namePrefix}: lower-case letters, digits and dashes, at most 52`)
  const own = {
    role: 'simulated-nodes' as const,
    flags: said,
    ...(pages ? { pages } : {}),
    count,
    namePrefix: flags.namePrefix,
    ...(firstSubnet === undefined ? {} : { firstSubnet }),
  }
  await run({ ...own, access: access(flags.kubeconfig) }, platform)
}

async function run(config: RoleConfig, platform: Platform): Promise<void> {
  const abort = new AbortController()
  const stopped = stopSignal(abort)
  goOnUnread()
  const writeLog = (line: string) => void process.stderr.write(line)
  try {
    await using _running = await platform.startRole(config, { signal: abort.signal, writeLog, say })
    say(`${config.role.replace('-', ' ')} for ${config.access.url}`)
    await stopped
    say('stopping')
  } catch (error) {
    if (abort.signal.aborted) return
    throw new CommandError(`${config.role} did not start: ${(error as Error).message}`)
  }
}

function access(kubeconfig: string | undefined): RoleConfig['access'] {
  try {
    return readKubeconfig(resolve(kubeconfig ?? userKubeconfig(process.env)))
  } catch (error) {
    if (error instanceof BadKubeconfig) throw new CommandError(error.message)
    throw error
  }
}
