// An extension server for tests, as the sample one does it: believes the front proxy alone who the user is, asks the cluster what that user may,
// and keeps `flunders` in memory. Every rule it follows comes from the cluster it extends.
import { createServer } from 'node:https'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { SubjectAccessReview } from '#api/kinds/authorization/subject-access-review.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { patchObject } from '#api/patch/patch.ts'
import type { Client } from '#client/client.ts'
import type { CertifiedKey } from '#server/pki/certificate-spec.ts'
import { Flunders } from './testing-flunders.ts'

export const GROUP = 'wardle.example.com'
export const VERSION = 'v1alpha1'

export interface ExtensionServer extends AsyncDisposable {
  readonly port: number
  /** What was asked, and as whom. */
  readonly asked: readonly string[]
  /** Answers discovery with an error from now on, or no longer. */
  broken: boolean
  /** Knows OpenAPI version 2 alone. */
  old: boolean
  /** By path, in place of what it would answer. */
  readonly answers: Map<string, (request: IncomingMessage, response: ServerResponse) => void>
}

export interface ExtensionServerOptions {
  /** Acts for the extension server itself, in the cluster it extends. */
  client: Client
  serving: CertifiedKey
  host?: string
  port?: number
}

const NAMES = { namespace: 'kube-system', name: 'extension-apiserver-authentication' }
const ROOT = `/apis/${GROUP}/${VERSION}`

export async function startExtensionServer(options: ExtensionServerOptions): Promise<ExtensionServer> {
  const { client, serving, host = '127.0.0.1', port = 0 } = options
  const { data = {} } = await client.get(ConfigMap, NAMES)
  const names = (key: string): string[] => JSON.parse(data[key] ?? '[]') as string[]
  const asked: string[] = []
  const flunders = new Flunders({ apiVersion: `${GROUP}/${VERSION}` })
  const tls = { cert: serving.certificate, key: serving.key, ca: data['requestheader-client-ca-file'] ?? '', requestCert: true }

  /** undefined: nobody the front proxy vouches for. */
  const userOf = (request: IncomingMessage) => {
    const socket = request.socket as TLSSocket
    if (!socket.authorized || !names('requestheader-allowed-names').includes(String(socket.getPeerCertificate().subject.CN)))
      return undefined
    const header = (name: string) => request.headersDistinct[name.toLowerCase()] ?? []
    const [user] = names('requestheader-username-headers').flatMap(header)
    if (!user) return undefined
    const prefix = names('requestheader-extra-headers-prefix')[0]!.toLowerCase()
    const extra = Object.entries(request.headersDistinct).filter(([name]) => name.startsWith(prefix))
    return {
      user,
      uid: names('requestheader-uid-headers').flatMap(header)[0] ?? '',
      groups: names('requestheader-group-headers').flatMap(header),
      extra: Object.fromEntries(extra.map(([name, values = []]) => [decodeURIComponent(name.slice(prefix.length)), values])),
    }
  }

  const server = createServer({ ...tls, rejectUnauthorized: false }, (request, response) => {
    void serve(request, response).catch((error: unknown) => send(response, 500, { kind: 'Status', message: String(error) }))
  })
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', url = '/' } = request
    const user = userOf(request)
    asked.push(`${user?.user ?? 'nobody'} ${method} ${url}`)
    if (!user) return send(response, 401, status(401, 'Unauthorized', 'Unauthorized'))
    const { pathname, searchParams } = new URL(url, 'https://extension')
    const other = extension.answers.get(pathname)
    if (other) return other(request, response)
    if (extension.broken) return send(response, 500, { message: 'broken' })
    if (pathname === ROOT) return send(response, 200, RESOURCES)
    if (pathname.startsWith('/openapi/v3') && extension.old) return send(response, 404, status(404, 'NotFound', 'not found'))
    if (pathname === '/openapi/v3')
      return send(response, 200, { paths: { [ROOT.slice(1)]: { serverRelativeURL: `/openapi/v3${ROOT}?hash=ABC` } } })
    if (pathname === `/openapi/v3${ROOT}`) return send(response, 200, { openapi: '3.0.0', paths: { [`${ROOT}/flunders`]: {} } })
    if (pathname === '/openapi/v2') {
      response.setHeader('etag', '"ABC"')
      return request.headers['if-none-match'] === '"ABC"' ? response.writeHead(304).end() : send(response, 200, SWAGGER)
    }
    const [, namespace, name] = /^\/namespaces\/([^/]+)\/flunders(?:\/([^/]+))?$/.exec(pathname.slice(ROOT.length)) ?? []
    const everywhere = pathname === `${ROOT}/flunders`
    if (!pathname.startsWith(`${ROOT}/`) || (!namespace && !everywhere)) return send(response, 404, status(404, 'NotFound', 'not found'))
    const watching = searchParams.get('watch') === 'true' || searchParams.get('watch') === '1'
    const verb = VERBS[method]!(name !== undefined, watching)
    if (!(await isAllowed({ ...user, verb, namespace: namespace ?? '', name: name ?? '' })))
      return send(response, 403, status(403, 'Forbidden', `flunders.${GROUP} is forbidden: User "${user.user}" cannot ${verb}`))
    const body = await bodyOf(request)
    if (verb === 'watch') return flunders.watch(response, namespace)
    const patch = (object: object) => patchObject(object, { type: 'merge', patch: body }, {} as never) as object
    const answer = flunders.answer(verb, {
      namespace: namespace ?? '',
      name: name ?? '',
      body,
      patch,
      label: searchParams.get('labelSelector'),
    })
    send(response, answer.code, answer.body)
  }

  const isAllowed = async ({
    user,
    uid,
    groups,
    extra,
    verb,
    namespace,
    name,
  }: NonNullable<ReturnType<typeof userOf>> & Record<string, any>) => {
    const resourceAttributes = { group: GROUP, version: VERSION, resource: 'flunders', verb, namespace, name }
    const review = await client.create(SubjectAccessReview, {
      spec: { user, uid, groups, extra, resourceAttributes },
    } as SubjectAccessReview)
    return review.status?.allowed === true
  }

  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const user = userOf(request)
    asked.push(`${user?.user ?? 'nobody'} UPGRADE ${request.url}`)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.pipe(socket)
  })
  server.listen(port, host)
  await once(server, 'listening')
  const extension: ExtensionServer = {
    port: (server.address() as AddressInfo).port,
    asked,
    broken: false,
    old: false,
    answers: new Map(),
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return extension
}

const VERBS: Record<string, (named: boolean, watching: boolean) => string> = {
  GET: (named, watching) => (named ? 'get' : watching ? 'watch' : 'list'),
  POST: () => 'create',
  PUT: () => 'update',
  PATCH: () => 'patch',
  DELETE: (named) => (named ? 'delete' : 'deletecollection'),
}

const RESOURCES = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: `${GROUP}/${VERSION}`,
  resources: [
    {
      name: 'flunders',
      singularName: 'flunder',
      namespaced: true,
      kind: 'Flunder',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    },
    { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get', 'patch', 'update'] },
  ],
}

const FLUNDER = 'com.example.wardle.v1alpha1.Flunder'
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const FLUNDER_SCHEMA = { $ref: `#/definitions/${FLUNDER}` }
const SWAGGER = {
  swagger: '2.0',
  info: { title: 'Wardle', version: 'v0.1' },
  consumes: ['application/json'],
  produces: ['application/json', 'application/yaml'],
  securityDefinitions: { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } },
  parameters: { 'pretty-tJGM1': { name: 'pretty', in: 'query', type: 'string', uniqueItems: true, description: 'Pretty.' } },
  paths: {
    [`${ROOT}/flunders`]: {
      get: { operationId: 'listFlunder', responses: { 200: { description: 'OK', schema: FLUNDER_SCHEMA } } },
      post: {
        operationId: 'createFlunder',
        'x-kubernetes-action': 'post',
        parameters: [{ name: 'body', in: 'body', required: true, schema: FLUNDER_SCHEMA }],
        responses: { 201: { description: 'Created', schema: FLUNDER_SCHEMA } },
      },
      parameters: [{ $ref: '#/parameters/pretty-tJGM1' }],
    },
    '/version/': { get: { operationId: 'elsewhere' } },
  },
  definitions: {
    [FLUNDER]: { type: 'object', properties: { metadata: { description: 'Of it.', $ref: `#/definitions/${META}` } } },
    [META]: { type: 'object', description: 'As this server tells it.', properties: { name: { type: 'string' } } },
    unused: { type: 'string' },
  },
}

function status(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }
}

function send(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function bodyOf(request: IncomingMessage): Promise<any> {
  const parts: Buffer[] = []
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
  return parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : undefined
}
