// A custom resource in two versions of different shapes that a stranger converts, for tests.
import assert from 'node:assert/strict'
import type { CustomResourceDefinition } from '#api/generated/types.ts'
import { alwaysAllow } from '#server/access/authorizers.ts'
import { mutatingWebhooks } from '#server/admission/webhooks/mutating-webhooks.ts'
import { WebhookMetrics } from '#server/admission/webhooks/webhook-metrics.ts'
import { startRequests } from '#server/engine/requests.ts'
import type { AdmissionPlugin, ServerContext } from '#server/request.ts'
import { type Stranger, startStranger } from '#server/outgoing/testing.ts'

export type Json = Record<string, any>
export type Convert = (object: Json, wanted: string) => Json

export const GROUP = 'net.example.com'
export const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
export const NAME = `endpoints.${GROUP}`
export const at = (version: string, name = '') => `/apis/${GROUP}/${version}/namespaces/default/endpoints${name && `/${name}`}`

/** `host:port` in v1, two fields in v2. */
export const convert: Convert = (object, apiVersion) => {
  const { hostPort, host, port } = object['spec'] ?? {}
  const [named = host, numbered = port] = hostPort?.split(':') ?? []
  const empty = named === undefined && numbered === undefined
  const spec = apiVersion.endsWith('v2') ? { host: named, port: numbered } : { hostPort: `${named ?? ''}:${numbered ?? ''}` }
  return { ...object, apiVersion, spec: empty ? {} : spec }
}

export const answering = (convertOne: Convert) => (call: { body: string }) => {
  const { request, apiVersion } = JSON.parse(call.body)
  const convertedObjects = request.objects.map((one: Json) => convertOne(one, request.desiredAPIVersion))
  return { apiVersion, kind: 'ConversionReview', response: { uid: request.uid, result: { status: 'Success' }, convertedObjects } }
}

const version = (name: string, fields: string[], storage: boolean) => ({
  name,
  served: true,
  storage,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: { spec: { type: 'object', properties: Object.fromEntries(fields.map((field) => [field, { type: 'string' }])) } },
    },
  },
  selectableFields: [{ jsonPath: `.spec.${fields[0]}` }],
})

export function definitionOf({ url, caBundle }: Stranger, stored = 'v1'): CustomResourceDefinition {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: NAME },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: { plural: 'endpoints', kind: 'Endpoint' },
      versions: [version('v1', ['hostPort'], stored === 'v1'), version('v2', ['host', 'port'], stored === 'v2')],
      conversion: {
        strategy: 'Webhook',
        webhook: { conversionReviewVersions: ['v1', 'v1beta1'], clientConfig: { url: `${url}/convert`, caBundle } },
      },
    },
  } as CustomResourceDefinition
}

export async function startConverted(plugins: (context: ServerContext) => AdmissionPlugin[] = () => []) {
  const stranger = await startStranger(answering(convert))
  const cluster = await startRequests({
    extensions: (context) => ({
      admission: [mutatingWebhooks({ ...context, metrics: new WebhookMetrics() }, alwaysAllow), ...plugins(context)],
    }),
  })
  const send = async (method: string, path: string, body?: unknown) => {
    const answer = await cluster.send(method, path, body)
    const text = String(answer.body)
    return { status: answer.status, body: (text.startsWith('{') ? JSON.parse(text) : text) as Json }
  }
  assert.equal((await send('POST', DEFINITIONS, definitionOf(stranger))).status, 201)
  while ((await send('GET', at('v1'))).status === 404) await new Promise((resolve) => setImmediate(resolve))
  const object = (name: string, served: 'v1' | 'v2', more: object = {}) => ({
    apiVersion: `${GROUP}/${served}`,
    kind: 'Endpoint',
    metadata: { name },
    spec: served === 'v1' ? { hostPort: `${name}:1` } : { host: name, port: '2' },
    ...more,
  })
  return {
    send,
    stranger,
    object,
    server: cluster.server,
    client: cluster.client,
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]()
      await stranger[Symbol.asyncDispose]()
    },
  }
}
