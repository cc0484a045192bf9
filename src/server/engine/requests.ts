// For this room's tests: requests as JSON to a server without sockets.
import type { IncomingHttpHeaders } from 'node:http'
import type { MemoryResponse } from '#server/http/memory-exchange.ts'
import { startTestServer, type TestServer } from '#server/testing.ts'
import type { ApiServerOptions } from '#server/api-server.ts'

export interface Requests extends TestServer {
  send(method: string, path: string, body?: unknown, headers?: IncomingHttpHeaders): Promise<MemoryResponse>
}

const PATCH_TYPES = {
  json: 'json-patch+json',
  merge: 'merge-patch+json',
  strategic: 'strategic-merge-patch+json',
  apply: 'apply-patch+yaml',
}

export async function startRequests(options: Partial<ApiServerOptions> = {}): Promise<Requests> {
  const test = await startTestServer(options)
  const send = (method: string, path: string, body?: unknown, headers: IncomingHttpHeaders = {}) => {
    const [verb, patch] = method.split(' ') as [string, (keyof typeof PATCH_TYPES)?]
    const type: IncomingHttpHeaders = patch ? { 'content-type': `application/${PATCH_TYPES[patch]}` } : {}
    const text = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
    return test.server.handle({ method: verb, path, headers: { ...type, ...headers }, ...text })
  }
  return Object.assign(test, { send })
}

export const configMap = (name: string, data: Record<string, string> = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
})

export const pod = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'busybox:1' }], ...spec },
})

export const deployment = (name: string, spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'busybox:1' }] } },
    ...spec,
  },
})

export const IN_DEFAULT = '/api/v1/namespaces/default'
