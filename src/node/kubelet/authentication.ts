// Who may use the node's HTTP API: holders of a client certificate of the cluster's authority whom the authoriser lets through.
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { HttpError } from './http-error.ts'

export interface NodeRequest {
  user: string
  groups: string[]
  /** API verbs, as of `nodes/SUBRESOURCE`. */
  verb: string
  subresource: string
  path: string
}

export type AuthorizeNodeRequest = (request: NodeRequest) => boolean | Promise<boolean>

const VERBS: Record<string, string> = { POST: 'create', GET: 'get', HEAD: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** Throws 401 or 403. */
export async function admit(request: IncomingMessage, authorize: AuthorizeNodeRequest): Promise<void> {
  const socket = request.socket as TLSSocket
  if (!socket.authorized) throw new HttpError(401, 'Unauthorized')
  const { subject } = socket.getPeerCertificate()
  const path = new URL(request.url ?? '/', 'https://node').pathname
  const asked: NodeRequest = {
    user: [subject.CN ?? ''].flat().at(-1)!,
    groups: [subject.O ?? []].flat(),
    verb: VERBS[request.method ?? ''] ?? '',
    subresource: subresourceOf(path),
    path,
  }
  if (await authorize(asked)) return
  const { user, verb, subresource } = asked
  throw new HttpError(403, `Forbidden (user=${user}, verb=${verb}, resource=nodes, subresource(s)=[${subresource}])\n`)
}

/** The API server itself, and administrators. */
export function allowApiServer(users: readonly string[]): AuthorizeNodeRequest {
  return ({ user, groups }) => users.includes(user) || groups.includes('system:masters')
}

function subresourceOf(path: string): string {
  if (/^\/stats(\/|$)/.test(path)) return 'stats'
  if (/^\/metrics(\/|$)/.test(path)) return 'metrics'
  if (/^\/logs(\/|$)/.test(path)) return 'log'
  if (/^\/checkpoint(\/|$)/.test(path)) return 'checkpoint'
  return 'proxy'
}
