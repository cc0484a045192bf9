// The API server of a cluster as its configuration asks for it: store, encryption, keys, access, admission, audit.
import { isIPv4 } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { ClusterConfig } from '#cli/config.ts'
import { readNamedFile } from '#cli/named-file.ts'
import { programVersion } from '#cli/version.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { addressAt } from '#lib/ipv4.ts'
import type { Logger } from '#lib/log.ts'
import type { MetricSource } from '#lib/metric-family.ts'
import { Pattern } from '#lib/pattern/pattern.ts'
import type { Random } from '#lib/random.ts'
import { type ApiServer, createApiServer } from '#server/api-server.ts'
import type { ActorsAtWork } from '#server/subresources/component-statuses.ts'
import { clusterExtensions, serviceAccountIssuer } from '#server/cluster-extensions.ts'
import type { Endpoint } from '#server/endpoints/endpoint.ts'
import { Encryption, type EncryptionParts } from '#server/encryption/encryption.ts'
import { localEncryption } from '#server/encryption/local-key.ts'
import { OwnerOnlyFiles } from '#server/pki/owner-only-files.ts'
import { ensurePki, type Pki } from '#server/pki/pki.ts'
import type { Store } from '#store/store.ts'
import { accessOptions, admissionOptions, signingKey } from './access-options.ts'
import { gatewayOf } from './gateway.ts'

export interface ServerParts {
  store: Store
  /** The store as the server sees it, where something stands between. */
  seen?: Store | undefined
  actorsAtWork?: ActorsAtWork
  endpoints: readonly Endpoint[]
  metrics: readonly MetricSource[]
  log: Logger
  clock: Clock
  random: Random
}

/** Reads what files say, and makes keys and certificates where there are none. Throws UsageError. */
export async function apiServerOf(config: ClusterConfig, parts: ServerParts): Promise<{ server: ApiServer; pki: Pki }> {
  const { store, seen = store, clock, random, log, actorsAtWork, endpoints, metrics } = parts
  const { host, port, serviceCidr, clusterDns, clusterDomain } = config
  // Before new credentials are made: where keys are missing that the store needs, nothing is touched.
  const encryption = await encryptionOf(config, { store, clock, random, log: log.child({ service: 'server' }) })
  const signing = await signingKey(config.access ?? {})
  const own = await ensurePki({
    directory: config.pkiDirectory,
    clock,
    random,
    hostName: hostname(),
    serviceAddress: addressAt(serviceCidr, 1),
    clusterDomain,
    addresses: [host, gatewayOf(config), ...(config.serverNames ?? [])],
  })
  const pki: Pki = signing ? { ...own, serviceAccountKey: signing } : own
  const access = await accessOptions(config.access ?? {}, serviceAccountIssuer(clusterDomain))
  const admission = await admissionOptions(config.access ?? {})
  const auditor =
    config.audit && (await (await import('./auditor.ts')).auditorOf(config.audit, { clock, random, log: log.child({ service: 'audit' }) }))
  const server = createApiServer({
    store: seen,
    ...(encryption ? { encryption } : {}),
    ...(auditor ? { auditor } : {}),
    clock,
    random,
    log: log.child({ service: 'server' }),
    ...(config.access?.corsAllowedOrigins ? { allowedOrigins: config.access.corsAllowedOrigins.map((one) => new Pattern(one)) } : {}),
    listen: { host, port, tls: { key: pki.serving.key, cert: pki.serving.certificate, clientCa: pki.authority } },
    // Pods reach the API on the node's own side of the bridge; nobody outside the machine can.
    ...(config.nodes.type === 'real' ? { alsoOn: [gatewayOf(config)] } : {}),
    extensions: (context) =>
      clusterExtensions(context, {
        pki,
        serviceCidr,
        dnsAddress: clusterDns,
        clusterDomain,
        advertiseAddress: advertisedOf(config),
        port,
        hostName: hostname(),
        shared: config.store.type === 'etcd' ? store : undefined,
        ...(actorsAtWork ? { actorsAtWork } : {}),
        access,
        admission,
      }),
    endpoints,
    metrics,
    sampanVersion: programVersion(),
    ...(config.flags ? { flags: config.flags } : {}),
  })
  return { server, pki }
}

export async function openStore(
  { store, dataDirectory }: ClusterConfig,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<Store> {
  switch (store.type) {
    case 'memory':
      return (await import('#store/memory.ts')).createMemoryStore()
    case 'embedded':
      return (await import('#store/embedded.ts')).openEmbeddedStore({ directory: join(dataDirectory, 'store') })
    case 'etcd': {
      const { openEtcdStore } = await import('#store/etcd/etcd.ts')
      return openEtcdStore({ target: { addresses: store.addresses, ...(store.tls ? { tls: store.tls } : {}) }, clock, opening: signal })
    }
  }
}

/** As the file says; else Secrets with the cluster's own key, wherever the store outlives the process. */
async function encryptionOf(config: ClusterConfig, parts: EncryptionParts & { store: Store }): Promise<Encryption | undefined> {
  const { encryption } = config
  if (encryption) {
    const { file: path, reload } = encryption
    // Files and plugins are there in real time, whatever time the cluster has.
    return Encryption.create(
      { path, read: () => readNamedFile('--encryption-provider-config', path), reload },
      { ...parts, clock: systemClock },
    )
  }
  if (config.store.type === 'memory') return undefined
  return Encryption.create(await localEncryption(new OwnerOnlyFiles(config.pkiDirectory), parts), parts)
}

/** Machines that share a store know each other by the address they listen on; pods reach the API on their own side of the bridge. */
function advertisedOf(config: ClusterConfig): string {
  const { store, host } = config
  const reachable = isIPv4(host) && host !== '0.0.0.0' && !host.startsWith('127.')
  return store.type === 'etcd' && config.nodes.type === 'none' && reachable ? host : gatewayOf(config)
}
