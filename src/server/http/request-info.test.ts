import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestInfo } from './request-info.ts'

const info = (method: string, url: string) => {
  const [path, query] = url.split('?') as [string, string?]
  return requestInfo(method, path, () => new URLSearchParams(query))
}

const cases: [string, string, Record<string, unknown>][] = [
  ['GET', '/api/v1/pods', { verb: 'list', resource: 'pods', group: '', version: 'v1', namespace: '', name: '' }],
  ['GET', '/api/v1/pods?watch=true', { verb: 'watch' }],
  ['GET', '/api/v1/watch/namespaces/a/pods', { verb: 'watch', resource: 'pods', namespace: 'a' }],
  ['GET', '/api/v1/namespaces/a/pods/b', { verb: 'get', resource: 'pods', namespace: 'a', name: 'b', subresource: '' }],
  ['GET', '/api/v1/namespaces/a/pods/b/log', { verb: 'get', name: 'b', subresource: 'log' }],
  ['POST', '/api/v1/namespaces/a/pods/b/proxy/x/y', { verb: 'create', subresource: 'proxy', rest: '/x/y' }],
  ['GET', '/api/v1/namespaces', { verb: 'list', resource: 'namespaces', namespace: '' }],
  ['GET', '/api/v1/namespaces/a', { verb: 'get', resource: 'namespaces', namespace: 'a', name: 'a' }],
  ['PUT', '/api/v1/namespaces/a/finalize', { verb: 'update', resource: 'namespaces', name: 'a', subresource: 'finalize' }],
  ['PUT', '/api/v1/namespaces/a/status', { verb: 'update', resource: 'namespaces', name: 'a', subresource: 'status' }],
  ['DELETE', '/apis/apps/v1/namespaces/a/deployments', { verb: 'deletecollection', group: 'apps', resource: 'deployments' }],
  ['DELETE', '/apis/apps/v1/namespaces/a/deployments/d', { verb: 'delete', name: 'd' }],
  ['PATCH', '/apis/rbac.authorization.k8s.io/v1/clusterroles/admin', { verb: 'patch', resource: 'clusterroles', name: 'admin' }],
  ['HEAD', '/api/v1/namespaces/a/pods/b', { verb: 'get' }],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dx', { verb: 'list', name: 'x', fieldSelector: 'metadata.name=x' }],
  ['GET', '/healthz', { verb: 'get', isResourceRequest: false }],
  ['GET', '/apis/apps/v1', { isResourceRequest: false }],
  ['GET', '/api/v1/namespaces/a%20b/pods', { namespace: 'a b' }],
]

for (const [method, url, expected] of cases) {
  test(`requestInfo reads ${method} ${url}`, () => {
    const actual = info(method, url) as unknown as Record<string, unknown>
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, actual[name]])), expected)
  })
}

for (const path of ['/api/v1/namespaces/a/secrets/x%2Fy', '/api/v1/namespaces/a%2Fb/secrets', '/api/v1/namespaces/%zz/pods']) {
  test(`requestInfo refuses ${path}`, () => assert.throws(() => info('GET', path), { reason: 'BadRequest' }))
}
