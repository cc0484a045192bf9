// The configuration of a cluster: parsed once from the command line, each service then receives its slice.
import { isIP } from 'node:net'
import type { AccessFlags } from './access-flags.ts'
import type { AuditChoice } from './audit-flags.ts'
import { UsageError } from './errors.ts'
import { readNamedFile } from './named-file.ts'

export type StoreChoice = { type: 'embedded' | 'memory' } | EtcdChoice

export interface EtcdChoice {
  type: 'etcd'
  addresses: { host: string; port: number }[]
  /** PEM texts; absent: without TLS. */
  tls?: { ca?: string; cert?: string; key?: string }
}

export type ClockChoice = 'real' | 'virtual'

export interface NodesChoice {
  type: 'real' | 'simulated' | 'none'
  count: number
}

export interface ClusterConfig {
  dataDirectory: string
  /** Keys and certificates; API servers of one cluster share them. */
  pkiDirectory: string
  /** The API server alone: controllers, scheduler and nodes are processes of their own. */
  serverOnly: boolean
  /** Address the API listens on. */
  host: string
  /** 0 picks a free one. */
  port: number
  /** Further names and addresses by which clients reach the API. */
  serverNames?: readonly string[]
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
  /** An EncryptionConfiguration to use instead of the cluster's own key; `reload`: also when it changes. */
  encryption?: { file: string; reload: boolean }
  /** Who may come in and do what, as said on the command line. */
  access?: AccessFlags
  /** A KubeSchedulerConfiguration. */
  schedulerConfig?: string
  /** What is recorded of requests, and where; absent: nothing is. */
  audit?: AuditChoice
  /** The command line, by the flags' names; for those who ask how the process was started. */
  flags?: Readonly<Record<string, string>>
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

export const MOST_SIMULATED_NODES = 10_000

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

export interface EtcdFiles {
  etcdCafile?: string
  etcdCertfile?: string
  etcdKeyfile?: string
}

const ETCD_PORT = 2379

/** `etcd:URL,URL`: all http or all https. */
export function parseStore(text: string, files: EtcdFiles = {}): StoreChoice {
  const urls = text.startsWith('etcd:') ? text.slice('etcd:'.length).split(',') : undefined
  if (!urls) {
    const flag = Object.keys(files).find((name) => files[name as keyof EtcdFiles] !== undefined)
    if (flag) throw new UsageError(`--${flag.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)} is for --store etcd:URLS only`)
    if (text === 'embedded' || text === 'memory') return { type: text }
    throw new UsageError(`--store ${text}: say embedded, memory or etcd:URL,URL...`)
  }
  const parsed = urls.map((url) => parseEtcdUrl(text, url))
  const secure = parsed[0]!.protocol === 'https:'
  if (parsed.some(({ protocol }) => protocol !== parsed[0]!.protocol)) throw new UsageError(`--store ${text}: mixes http and https`)
  if (!secure && Object.values(files).some((file) => file !== undefined))
    throw new UsageError(`--store ${text}: certificates need https URLs`)
  if ((files.etcdCertfile === undefined) !== (files.etcdKeyfile === undefined))
    throw new UsageError('--etcd-certfile and --etcd-keyfile go together')
  const addresses = parsed.map(({ hostname, port }) => ({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || ETCD_PORT) }))
  if (!secure) return { type: 'etcd', addresses }
  const read = (flag: string, file: string | undefined) => file && readNamedFile(flag, file)
  const ca = read('--etcd-cafile', files.etcdCafile)
  const cert = read('--etcd-certfile', files.etcdCertfile)
  const key = read('--etcd-keyfile', files.etcdKeyfile)
  return { type: 'etcd', addresses, tls: { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) } }
}

function parseEtcdUrl(text: string, url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !/^https?:$/.test(parsed.protocol) || !parsed.hostname)
    throw new UsageError(`--store ${text}: write it as etcd:http://127.0.0.1:2379, several URLs with commas between`)
  if (parsed.username || parsed.password)
    throw new UsageError(`--store etcd: names and passwords in URLs are not used, only certificates: see --etcd-certfile`)
  return parsed
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

const MOST_SERVER_NAMES = 50
const HOST_NAME = /^(\*\.)?([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?$/

/** `NAME,ADDRESS`: host names, `*.` before them where all of a domain are meant, and IP addresses. */
export function parseServerNames(flag: string, text: string): string[] {
  const names = text.split(',').map((name) => name.trim().toLowerCase())
  const wrong = names.find((name) => (isIP(name) === 0 || name.includes('%')) && (name.length > 253 || !HOST_NAME.test(name)))
  if (wrong !== undefined) throw new UsageError(`${flag} ${text}: ${JSON.stringify(wrong)} is no host name and no IP address`)
  if (names.length > MOST_SERVER_NAMES) throw new UsageError(`${flag}: at most ${MOST_SERVER_NAMES} names`)
  return names
}
