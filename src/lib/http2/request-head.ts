// What a header block says of a request, or that it says it wrongly (RFC 9113, 8.1 to 8.3).
import type { IncomingHttpHeaders } from 'node:http'
import type { Field } from './header-table.ts'

export interface RequestHead {
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Lower-case names without the pseudo-headers; `host` says what was asked for. */
  readonly headers: IncomingHttpHeaders
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
// oxlint-disable-next-line no-control-regex
const BAD_VALUE = /[\0-\x08\x0a-\x1f\x7f]/
const OF_CONNECTIONS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])
/** Where they come twice the first counts, as in HTTP/1.1. */
const SINGLE = new Set(['authorization', 'content-length', 'content-type', 'from', 'host', 'max-forwards', 'referer', 'user-agent'])

interface Pseudo {
  ':method'?: string
  ':path'?: string
  ':scheme'?: string
  ':authority'?: string
}

/** undefined: malformed. */
export function requestHead(fields: readonly Field[]): RequestHead | undefined {
  const pseudo: Pseudo = {}
  const headers: IncomingHttpHeaders = Object.create(null)
  let plain = false
  for (const { name, value } of fields) {
    if (BAD_VALUE.test(value)) return undefined
    if (name.startsWith(':')) {
      if (plain || !isPseudo(name) || pseudo[name] !== undefined) return undefined
      pseudo[name] = value
      continue
    }
    plain = true
    if (!allowed(name, value)) return undefined
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (!SINGLE.has(name)) headers[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`
    else if (name === 'content-length' && before !== value) return undefined
  }
  const { ':method': method, ':path': path = method === 'CONNECT' ? '/' : undefined, ':scheme': scheme, ':authority': authority } = pseudo
  if (!method || !path || (scheme === undefined && method !== 'CONNECT')) return undefined
  if (!path.startsWith('/') && !(path === '*' && method === 'OPTIONS')) return undefined
  if (authority !== undefined) headers.host = authority
  return { method, path, headers }
}

function allowed(name: string, value: string): boolean {
  if (!NAME.test(name) || OF_CONNECTIONS.has(name)) return false
  if (name === 'te') return value === 'trailers'
  return name !== 'content-length' || /^\d{1,15}$/.test(value)
}

function isPseudo(name: string): name is keyof Pseudo {
  return name === ':method' || name === ':path' || name === ':scheme' || name === ':authority'
}
