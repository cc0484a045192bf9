// What the conformance tests of webhooks share: a cluster in this process, met over HTTPS with the credentials the official client library reads
// from its kubeconfig, and a webhook server behind a service of that cluster.
import assert from 'node:assert/strict'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import { startCluster } from '#main/testing.ts'
import { type Answerer, startStranger } from '#server/outgoing/testing.ts'

export type Json = Record<string, any>

export const NAMESPACE = 'webhook-tests'
export const IN_NAMESPACE = `/api/v1/namespaces/${NAMESPACE}`
export const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1'
export const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

export interface Answered {
  code: number
  body: Json
}

export async function startFixture(answerer: Answerer) {
  await using starting = new AsyncDisposableStack()
  const stranger = starting.use(await startStranger(answerer, { names: [`hooks.${NAMESPACE}.svc`] }))
  const cluster = starting.use(await startCluster({ nodes: 1 }))
  const config = new KubeConfig()
  config.loadFromString(cluster.kubeconfig())

  const ask = async (method: string, path: string, body?: unknown): Promise<Answered> => {
    const [verb, patch] = method.split(' ')
    const options: RequestOptions = {
      method: verb!,
      headers: body === undefined ? {} : { 'content-type': `application/${patch ?? 'json'}` },
    }
    await config.applyToHTTPSOptions(options as any)
    return new Promise((resolve, reject) => {
      const sent = httpsRequest(`${cluster.url}${path}`, options, (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('end', () => resolve({ code: answer.statusCode!, body: parse(Buffer.concat(parts).toString()) }))
      })
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
  const ok = async (method: string, path: string, body?: unknown): Promise<Json> => {
    const answer = await ask(method, path, body)
    assert.ok(answer.code < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  await ok('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE, labels: { hooks: 'yes' } } })
  await ok('POST', `${IN_NAMESPACE}/services`, { metadata: { name: 'hooks' }, spec: { type: 'ExternalName', externalName: 'localhost' } })
  const service = { namespace: NAMESPACE, name: 'hooks', port: stranger.port }
  const clientConfig = (path: string) => ({ caBundle: stranger.caBundle, service: { ...service, path } })
  const running = starting.move()
  return { ask, ok, stranger, clientConfig, config, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

export type Fixture = Awaited<ReturnType<typeof startFixture>>

export const configMap = (name: string, data: Json = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data })

const SCHEMA = {
  type: 'object',
  properties: { data: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
}

export interface DefinitionOptions {
  plural: string
  versions?: { name: string; storage: boolean; schema?: object }[]
  conversion?: object
}

/** Creates the definition and waits until it is served. */
export async function define({ ok, ask }: Fixture, options: DefinitionOptions) {
  const { plural, versions = [{ name: 'v1', storage: true }], conversion } = options
  const group = 'stable.example.com'
  const kind = plural[0]!.toUpperCase() + plural.slice(1, -1)
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind },
      versions: versions.map(({ schema = SCHEMA, ...version }) => ({ ...version, served: true, schema: { openAPIV3Schema: schema } })),
      ...(conversion ? { conversion } : {}),
    },
  }
  await ok('POST', DEFINITIONS, definition)
  const path = (version = 'v1', name = '') => `/apis/${group}/${version}/namespaces/${NAMESPACE}/${plural}${name && `/${name}`}`
  while ((await ask('GET', path(versions[0]!.name))).code === 404) await new Promise((resolve) => setImmediate(resolve))
  const object = (name: string, more: Json = {}, version = 'v1') => ({
    apiVersion: `${group}/${version}`,
    kind,
    metadata: { name },
    ...more,
  })
  return { definition, path, object, group, kind, remove: () => ok('DELETE', `${DEFINITIONS}/${plural}.${group}`) }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return { text }
  }
}
