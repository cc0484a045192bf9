// The configuration of a cluster: parsed once from the command line, each service then receives its slice.

export type StoreChoice = 'embedded' | 'memory'

export type ClockChoice = 'real' | 'virtual'

export interface NodesChoice {
  type: 'real' | 'simulated' | 'none'
  count: number
}

export interface ClusterConfig {
  dataDirectory: string
  /** Address the API listens on; loopback unless told otherwise. */
  host: string
  /** 0 picks a free one. */
  port: number
  nodes: NodesChoice
  store: StoreChoice
  /** virtual: time stands still but for what work needs, until it is moved on. */
  clock: ClockChoice
  nodeName: string
  kubeletPort: number
  serviceCidr: string
  podCidr: string
  clusterDns: string
  clusterDomain: string
}

/** A wrong word on the command line: told in one plain line, exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Something on this machine stands in the way: told in one plain line, exit code 1. */
export class CommandError extends Error {
  override name = 'CommandError'
}

export const DEFAULTS = {
  host: '127.0.0.1',
  port: 6443,
  kubeletPort: 10250,
  serviceCidr: '10.96.0.0/12',
  podCidr: '10.244.0.0/16',
  clusterDns: '10.96.0.10',
  clusterDomain: 'cluster.local',
} as const

const MOST_SIMULATED_NODES = 10_000

export function parseNodes(text: string): NodesChoice {
  if (text === 'real') return { type: 'real', count: 1 }
  if (text === 'none') return { type: 'none', count: 0 }
  const match = /^simulated(?::(\d{1,5}))?$/.exec(text)
  const count = Number(match?.[1] ?? 1)
  if (!match || count < 1 || count > MOST_SIMULATED_NODES) {
    throw new UsageError(`--nodes ${text}: say real, none, simulated or simulated:N with N from 1 to ${MOST_SIMULATED_NODES}`)
  }
  return { type: 'simulated', count }
}

export function parseStore(text: string): StoreChoice {
  if (text === 'embedded' || text === 'memory') return text
  if (text.startsWith('etcd')) throw new UsageError(`--store ${text}: etcd is not supported yet; say embedded or memory`)
  throw new UsageError(`--store ${text}: say embedded or memory`)
}

export function parseClock(text: string): ClockChoice {
  if (text === 'real' || text === 'virtual') return text
  throw new UsageError(`--clock ${text}: say real or virtual`)
}

export function parsePort(flag: string, text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new UsageError(`${flag} ${text}: a port is a number from 0 (any free one) to 65535`)
  return port
}
