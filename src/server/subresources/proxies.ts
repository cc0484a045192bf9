// pods, services and nodes by HTTP through the API server: /proxy/REST goes to the backend as /REST, upgrades included.
import { isIPv4 } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Kind } from '#api/kind.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import type { ObjectKey } from '#api/object.ts'
import { notFoundError, StatusError } from '#api/status.ts'
import { SERVICE_NAME_LABEL } from '#api/well-known.ts'
import { connectionError } from '#server/outgoing/call-error.ts'
import type { Random } from '#lib/random.ts'
import type { Exchange, ObjectReader, SubresourceHandler, SubresourceRequest } from '#server/request.ts'
import { type Backend, forward, forwardedHeaders, returnedHeaders } from './forward-http.ts'
import type { Kubelets } from './kubelets.ts'
import { podOf } from './pod-container.ts'
import { ignoreLeaving } from './pod-logs.ts'
import { rewriteLinks } from './proxy-links.ts'
import { tunnel } from './tunnel.ts'

export interface ProxyContext {
  reader: ObjectReader
  kubelets: Kubelets
  random: Random
}

export function proxies(context: ProxyContext): SubresourceHandler[] {
  const handler = (kind: Kind<any>, backendOf: (key: ObjectKey) => Backend): SubresourceHandler => ({
    kind,
    subresource: 'proxy',
    connect: ({ key, headers }, exchange) => proxy(exchange, backendOf(key), headers),
  })
  return [
    handler(Pod, (key) => podBackend(context, key)),
    handler(Service, (key) => serviceBackend(context, key)),
    handler(Node, (key) => nodeBackend(context, key)),
  ]
}

/** Splits the path behind the resource's name; the query stays as it was. */
function splitUrl(url: string): { prefix: string; rest: string } {
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const [prefix = ''] = /^.*?\/(?:pods|services|nodes)\/[^/]+\/proxy(?=\/|$)/.exec(path) ?? []
  return { prefix, rest: url.slice(prefix.length) }
}

async function proxy(exchange: Exchange, backend: Backend, own: SubresourceRequest['headers']): Promise<void> {
  const { prefix, rest } = splitUrl(exchange.url)
  // Links on the page below are relative to a directory: without the slash they would lead elsewhere.
  if ((rest === '' || rest.startsWith('?')) && (exchange.method === 'GET' || exchange.method === 'HEAD'))
    return exchange.send(301, { ...own, location: `${prefix}/${rest}` })
  const path = rest.startsWith('/') ? rest : `/${rest}`
  if (exchange.upgrade) return tunnel(exchange, backend, path)
  const { method, headers, input: body, signal } = exchange
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined || !['GET', 'HEAD'].includes(method)
  const sent = { ...forwardedHeaders(headers), 'x-forwarded-for': exchange.remoteAddress, 'x-forwarded-uri': `${prefix}${path}` }
  const answer = await forward(backend, { method, path, headers: sent, signal, ...(hasBody ? { body } : {}) }).catch((error: unknown) => {
    throw new StatusError('ServiceUnavailable', `error trying to reach service: ${connectionError(error, backend)}`, { cause: error })
  })
  const returned = returnedHeaders(answer.headers)
  const links = { prefix, backend }
  const page = rewriteLinks(answer, returned, links)
  await pipeline(page, exchange.open(answer.statusCode ?? 502, { ...own, ...returned })).catch(ignoreLeaving)
}

/** `name`, `name:port` or `scheme:name:port`. */
function parseTarget(id: string): { scheme: 'http' | 'https' | ''; name: string; port: string } {
  const parts = id.split(':')
  const [scheme = '', name = '', port = ''] = parts.length === 3 ? parts : ['', parts[0] ?? '', parts[1] ?? '']
  if (parts.length > 3 || !name || !['', 'http', 'https'].includes(scheme))
    throw new StatusError('BadRequest', `invalid proxy request ${JSON.stringify(id)}`)
  return { scheme: scheme as 'http' | 'https' | '', name, port }
}

/** Neither this machine itself nor what only it can see. */
function assertReachable(address: string): void {
  const local = isIPv4(address) ? /^(127\.|169\.254\.|0\.|22[4-9]\.|23\d\.|255\.)/.test(address) : /^(::1?$|fe[89ab]|ff)/i.test(address)
  if (address === '' || local) throw new StatusError('BadRequest', 'address not allowed')
}

/** Certificates of pods and services are nobody's the API server knows. */
const unverified = { rejectUnauthorized: false }

function podBackend({ reader, kubelets }: ProxyContext, key: ObjectKey): Backend {
  const { scheme, name, port } = parseTarget(key.name)
  const pod = podOf(reader, { ...key, name })
  kubelets.assertReal(pod.spec?.nodeName)
  const first = pod.spec?.containers.find(({ ports }) => ports?.length)?.ports?.[0]?.containerPort
  const host = pod.status?.podIP ?? ''
  assertReachable(host)
  return { scheme: scheme || 'http', host, port: portNumber(port || String(first ?? 80)), tls: unverified }
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65535) throw new StatusError('BadRequest', `invalid port ${JSON.stringify(text)}`)
  return port
}

function nodeBackend({ reader, kubelets }: ProxyContext, key: ObjectKey): Backend {
  const { scheme, name, port } = parseTarget(key.name)
  if (!reader.get(Node, { name })) throw notFoundError(Node, name)
  const address = kubelets.address(name)
  if (!port || Number(port) === address.port) return { scheme: 'https', ...address, agent: kubelets.agent, tls: kubelets.tls }
  assertReachable(address.host)
  return { scheme: scheme || 'http', host: address.host, port: portNumber(port), tls: unverified }
}

function serviceBackend({ reader, kubelets, random }: ProxyContext, key: ObjectKey): Backend {
  const { scheme, name, port } = parseTarget(key.name)
  const namespace = key.namespace ?? ''
  const service = reader.get(Service, { namespace, name })
  if (!service) throw notFoundError(Service, name)
  const unavailable = (why: string) => new StatusError('ServiceUnavailable', why)
  const ports = service.spec?.ports ?? []
  const wanted = port === '' ? ports[0] : ports.find((one) => one.name === port || String(one.port) === port)
  if (!wanted || (port === '' && ports.length > 1 && !ports.some((one) => !one.name)))
    throw unavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`)
  const choices: { host: string; port: number }[] = []
  let simulated: string | undefined
  for (const slice of reader.list(EndpointSlice, namespace)) {
    if (slice.metadata?.labels?.[SERVICE_NAME_LABEL] !== name) continue
    const target = slice.ports?.find((one) => (one.name ?? '') === (wanted.name ?? ''))?.port
    if (target === undefined) continue
    for (const { addresses, conditions, nodeName } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue
      if (kubelets.isSimulated(nodeName)) simulated = nodeName
      else for (const host of addresses) choices.push({ host, port: target })
    }
  }
  if (choices.length === 0) kubelets.assertReal(simulated)
  if (choices.length === 0) throw unavailable(`no endpoints available for service ${JSON.stringify(name)}`)
  const choice = choices[Math.floor(random.float() * choices.length)]!
  assertReachable(choice.host)
  return { scheme: scheme || 'http', ...choice, tls: unverified }
}
