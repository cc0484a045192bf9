// Where a stranger is called: a URL, or a service of the cluster. The name in the certificate follows from that, wherever the connection leads.
import { hostPort } from '#lib/dial-error.ts'
import { CallError } from './call-error.ts'

export interface ServiceReference {
  namespace?: string
  name?: string
  path?: string
  port?: number
}

/** As webhooks, conversions and aggregated servers all write it. */
export interface ClientConfig {
  url?: string
  service?: ServiceReference
  /** PEM in base64; absent: the authorities everyone trusts. */
  caBundle?: string
}

const DEFAULT_PORT = 443

/** Scheme, host and port as errors show them, and the path all calls begin with. */
export interface Origin {
  /** `https://svc.ns.svc:443` */
  origin: string
  /** Without a slash at its end. */
  path: string
  /** The name the certificate must be for. */
  serverName: string
  port: number
}

export function originOf({ url, service }: ClientConfig): Origin {
  if (service) {
    const { name = '', namespace = '', port = DEFAULT_PORT, path = '' } = service
    const serverName = `${name}.${namespace}.svc`
    return { origin: `https://${hostPort({ host: serverName, port })}`, path: trimmed(path), serverName, port }
  }
  if (!url || !URL.canParse(url)) throw new CallError('webhook configuration must have either service or URL', { setup: true })
  const { protocol, host, hostname, port, pathname } = new URL(url)
  if (protocol !== 'https:') throw new CallError(`unsupported protocol scheme ${JSON.stringify(protocol.slice(0, -1))}`)
  return {
    origin: `https://${host}`,
    path: trimmed(pathname),
    serverName: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? DEFAULT_PORT : Number(port),
  }
}

const trimmed = (path: string): string => {
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end--
  return end === 0 || path.startsWith('/') ? path.slice(0, end) : `/${path.slice(0, end)}`
}
