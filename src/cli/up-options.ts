// What the flags of `sampan up` and `sampan server` say, made into the configuration of a cluster. What contradicts itself is refused.
import { hostname } from 'node:os'
import { join } from 'node:path'
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
import { UsageError } from './errors.ts'

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

/** Throws UsageError. */
export function configOf(options: UpOptions): ClusterConfig {
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
