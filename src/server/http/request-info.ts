// What a URL asks for, in the words of authorisation: verb, group, version, resource, namespace, name, subresource.
import { StatusError } from '#api/status.ts'
import type { RequestAttributes } from '#server/request.ts'
import type { Link } from './call.ts'

const VERBS: Record<string, string> = { GET: 'get', HEAD: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
/** Below a namespace's own name these are subresources, not resources in the namespace. */
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize'])

export type RequestInfo = Omit<RequestAttributes, 'user'> & {
  /** What follows the subresource: the path of a proxied request. */
  rest: string
}

export const describe: Link = (call, next) => {
  const { exchange } = call
  call.info = requestInfo(exchange.method, exchange.path, () => exchange.query)
  return next(call)
}

export function requestInfo(method: string, path: string, query: () => URLSearchParams): RequestInfo {
  const info: RequestInfo = {
    verb: method.toLowerCase(),
    isResourceRequest: false,
    path,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    rest: '',
  }
  if (!path.startsWith('/api')) return info
  const parts = path.split('/')
  let at: number
  if (parts[1] === 'api' && parts[2]) {
    info.version = decode(parts[2])
    at = 3
  } else if (parts[1] === 'apis' && parts[2] && parts[3]) {
    info.group = decode(parts[2])
    info.version = decode(parts[3])
    at = 4
  } else return info
  if (!parts[at]) return info

  info.isResourceRequest = true
  info.verb = VERBS[method] ?? method.toLowerCase()
  let oldWatch = false
  if (parts[at] === 'watch' && parts[at + 1]) {
    oldWatch = true
    at++
  }
  if (parts[at] === 'namespaces' && parts[at + 1]) {
    info.namespace = decode(parts[at + 1]!)
    // `/namespaces/NAME` and its subresources are about the namespace itself.
    if (parts[at + 2] && !NAMESPACE_SUBRESOURCES.has(parts[at + 2]!)) at += 2
  }
  info.resource = decode(parts[at]!)
  if (parts[at + 1]) info.name = decode(parts[at + 1]!)
  if (parts[at + 2]) info.subresource = decode(parts[at + 2]!)
  if (parts.length > at + 3) info.rest = `/${parts.slice(at + 3).join('/')}`

  if (oldWatch) info.verb = 'watch'
  else if (!info.name && (info.verb === 'get' || info.verb === 'delete')) {
    if (info.verb === 'delete') info.verb = 'deletecollection'
    else info.verb = isSet(query().get('watch')) ? 'watch' : 'list'
  }
  if (info.verb === 'list' || info.verb === 'watch' || info.verb === 'deletecollection') {
    const labels = query().get('labelSelector')
    const fields = query().get('fieldSelector')
    if (labels) info.labelSelector = labels
    if (fields) {
      info.fieldSelector = fields
      // Naming one object is as good as asking for it: authorisation by resourceNames works for it.
      const name = /(?:^|,)metadata\.name==?([^,!=]+)(?:,|$)/.exec(fields)?.[1]
      if (name && !info.name) info.name = name
    }
  }
  return info
}

/** A boolean option in a query: anything but absence, `0` and `false` sets it. */
export function isSet(text: string | null): boolean {
  return text !== null && text !== '0' && text.toLowerCase() !== 'false'
}

/** Go's strconv.ParseBool, as `pretty` is read. */
export function isTrue(text: string | null): boolean {
  return text !== null && ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)
}

function decode(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    const text = decodeURIComponent(segment)
    // A slash inside a name could reach past its namespace in the store's keys.
    if (!text.includes('/')) return text
  } catch {
    // Told below.
  }
  throw new StatusError('BadRequest', `invalid URL escape in ${JSON.stringify(segment)}`)
}
