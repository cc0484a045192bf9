// Flags that say where a part of a cluster on its own serves its health and its metrics, with upstream's names.
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import { UsageError } from './errors.ts'
import { readNamedFile } from './named-file.ts'
import type { PagesConfig } from './platform.ts'

export interface PagesFlags {
  bindAddress: string
  securePort?: string
  tlsCertFile?: string
  tlsPrivateKeyFile?: string
}

/** undefined: nowhere. Throws UsageError. */
export function readPagesFlags(flags: PagesFlags, defaultPort: number): PagesConfig | undefined {
  const { bindAddress: address, securePort, tlsCertFile, tlsPrivateKeyFile } = flags
  if (isIP(address) === 0) throw new UsageError(`--bind-address ${address}: an IP address`)
  const port = securePort === undefined ? defaultPort : Number(securePort)
  if (securePort !== undefined && (!/^\d{1,5}$/.test(securePort) || port > 65_535))
    throw new UsageError(`--secure-port ${securePort}: a port number, or 0 for none`)
  if ((tlsCertFile === undefined) !== (tlsPrivateKeyFile === undefined))
    throw new UsageError('--tls-cert-file and --tls-private-key-file belong together')
  if (port === 0) return undefined
  const pair = tlsCertFile === undefined ? undefined : readPair(tlsCertFile, tlsPrivateKeyFile!)
  return { address, port, byDefault: securePort === undefined, ...(pair ? { tls: pair } : {}) }
}

function readPair(certificateFile: string, keyFile: string): { certificate: string; key: string } {
  const pair = { certificate: readNamedFile('--tls-cert-file', certificateFile), key: readNamedFile('--tls-private-key-file', keyFile) }
  try {
    createSecureContext({ cert: pair.certificate, key: pair.key })
  } catch (error) {
    throw new UsageError(`--tls-cert-file ${certificateFile}, --tls-private-key-file ${keyFile}: ${(error as Error).message}`)
  }
  return pair
}
