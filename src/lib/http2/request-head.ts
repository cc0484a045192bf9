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
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// oxlint-disable-next-line no-control-regex
const BAD_VALUE = /[\0-\x08\x0a-\x1f\x7f]/
const OF_CONNECTIONS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])
/** Where they come twice the first counts, as in HTTP/1.1. */
/** Each value of these stands for itself, commas in it included. */
const IMPERSONATE = 'impersonate-'
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
  for (const { name, value: spelled } of fields) {
    if (BAD_VALUE.test(spelled)) return undefined
    // Go's servers take what begins or ends with blanks, and so its clients may send it.
    const value = spelled.trim()
    if (name.startsWith(':')) {
      if (plain || !isPseudo(name) || pseudo[name] !== undefined) return undefined
      pseudo[name] = value
      continue
    }
    plain = true
    if (!isAllowed(name, value)) return undefined
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (name.startsWith(IMPERSONATE)) headers[name] = [before, value].flat()
    else if (!SINGLE.has(name)) headers[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`
    else if (name === 'content-length' && before !== value) return undefined
  }
  const { ':method': method, ':scheme': scheme, ':path': path, ':authority': authority } = pseudo
  if (method === undefined || !METHOD.test(method)) return undefined
  if (method === 'CONNECT') {
    if (path !== undefined || scheme !== undefined || !authority) return undefined
  } else if (scheme === undefined || !(path?.startsWith('/') || (path === '*' && method === 'OPTIONS'))) return undefined
  if (authority !== undefined) headers.host = authority
  return { method, path: path ?? '/', headers }
}

/** What may stand behind a body; nobody here reads it. */
export function areTrailers(fields: readonly Field[]): boolean {
  return fields.every(({ name, value }) => !BAD_VALUE.test(value) && isAllowed(name, value))
}

function isAllowed(name: string, value: string): boolean {
  if (!NAME.test(name) || OF_CONNECTIONS.has(name)) return false
  if (name === 'te') return value === 'trailers'
  return name !== 'content-length' || /^\d{1,15}$/.test(value)
}

function isPseudo(name: string): name is keyof Pseudo {
  return name === ':method' || name === ':path' || name === ':scheme' || name === ':authority'
}
