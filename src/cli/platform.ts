// What the commands ask of the composition root, which alone sees every room.
import type { Access } from '#client/kubeconfig.ts'
import type { Clock } from '#lib/clock.ts'
import type { Commands } from '#lib/commands.ts'
import type { SchedulerConfiguration } from '#scheduler/configuration/configuration.ts'
import type { ClusterConfig } from './config.ts'
import type { Credentials } from './kubeconfig-file.ts'

export interface RunningCluster extends AsyncDisposable {
  credentials: Credentials
  /** As `up` prints them: `1 real`, `3 simulated`. */
  nodes: string
}

export interface ImageSummary {
  id: string
  names: string[]
  sizeBytes: number
}

/** Images of a running instance's runtime. */
export interface ImageTools {
  /** Resolves to the names the archive brought. */
  load(file: string): Promise<string[]>
  list(): Promise<ImageSummary[]>
  remove(name: string): Promise<void>
  save(name: string, file: string): Promise<void>
}

/** Where a part of a cluster serves its health and its metrics. */
export interface PagesConfig {
  address: string
  /** 0: any free port. */
  port: number
  /** Nobody asked for that port: where it is taken there are no pages. */
  byDefault: boolean
  /** PEM. */
  tls?: { key: string; certificate: string }
}

/** One part of a cluster on its own, and the API server it works for. */
export type RoleConfig = { access: Access /** The command line, by the flags' names. */; flags?: Readonly<Record<string, string>> } & (
  | { role: 'controllers'; podCidr: string /** With it certificates are signed. */; pkiDirectory?: string; pages?: PagesConfig }
  | { role: 'scheduler'; configuration?: SchedulerConfiguration; pages?: PagesConfig }
  | {
      role: 'simulated-nodes'
      count: number
      namePrefix: string /** Any that is free unless given. */
      firstSubnet?: number
      pages?: PagesConfig
    }
)

export interface RoleOptions {
  signal: AbortSignal
  writeLog(line: string): void
  say(line: string): void
}

export interface Platform {
  clock: Clock
  commands: Commands
  startCluster(
    config: ClusterConfig,
    options: { signal: AbortSignal; ready(name: string, elapsedMs: number): void; writeLog(line: string): void },
  ): Promise<RunningCluster>
  startRole(config: RoleConfig, options: RoleOptions): Promise<AsyncDisposable>
  images(dataDirectory: string): Promise<ImageTools>
  /** Stops and removes what a killed instance of that directory left behind: containers, mounts, links, tables. */
  cleanUp(dataDirectory: string): Promise<void>
  /** Credentials of the cluster's administrator, if an API server has ever been started with those keys. */
  credentials(pkiDirectory: string, url: string): Credentials | undefined
}
