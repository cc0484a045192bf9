import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import type { Call } from './http/call.ts'
import { requestInfo } from './http/request-info.ts'
import { RequestMetrics } from './metrics.ts'
import type { Resource } from './registry.ts'

function callOf(method: string, url: string, resource?: Resource, headers = {}): Call {
  const path = url.split('?')[0]!
  return {
    info: requestInfo(method, path, () => new URLSearchParams()),
    resource,
    exchange: { method, path, url, headers },
  } as unknown as Call
}

function samplesOf(metrics: RequestMetrics, name: string) {
  return [...[...metrics.families()].find((family) => family.name === name)!.samples]
}

test('RequestMetrics makes one series of all requests for what is not served', () => {
  const metrics = new RequestMetrics()
  for (let i = 0; i < 100; i++) {
    metrics.observe(callOf('GET', `/apis/group-${i}/v${i}/things/a/sub-${i}`), { code: 404, seconds: 0.001 })
    metrics.observe(callOf(`VERB${i}`, `/nowhere-${i}`), { code: 405, seconds: 0.001 })
    metrics.observe(callOf('GET', `/api/v1/namespaces/a/pods/b/sub-${i}`, { kind: Pod } as unknown as Resource), {
      code: 404,
      seconds: 0.001,
    })
  }
  const seen = samplesOf(metrics, 'apiserver_request_total').map(({ labels, value }) => [
    labels.verb,
    labels.resource,
    labels.subresource,
    value,
  ])
  assert.deepEqual(seen, [
    ['GET', '', '', 100],
    ['other', '', '', 100],
    ['GET', 'pods', '', 100],
  ])
})

test('RequestMetrics tells verbs, subresources and codes of what is served apart', () => {
  const metrics = new RequestMetrics()
  const resource = { kind: Pod } as unknown as Resource
  metrics.observe(callOf('GET', '/api/v1/namespaces/a/pods', resource), { code: 200, seconds: 0.3 })
  metrics.observe(callOf('GET', '/api/v1/namespaces/a/pods', resource), { code: 500, seconds: 70 })
  metrics.observe(callOf('PUT', '/api/v1/namespaces/a/pods/b/status', resource), { code: 200, seconds: 0.001 })
  const totals = samplesOf(metrics, 'apiserver_request_total').map(({ labels, value }) => [
    labels.verb,
    labels.subresource,
    labels.scope,
    labels.code,
    value,
  ])
  assert.deepEqual(totals, [
    ['LIST', '', 'namespace', '200', 1],
    ['LIST', '', 'namespace', '500', 1],
    ['PUT', 'status', 'resource', '200', 1],
  ])
  const durations = samplesOf(metrics, 'apiserver_request_duration_seconds').filter(({ labels }) => labels.verb === 'LIST')
  const bucket = (le: string) => durations.find(({ labels }) => labels.le === le)?.value
  assert.deepEqual([bucket('0.2'), bucket('0.4'), bucket('60'), bucket('+Inf')], [0, 1, 1, 2])
})

test('RequestMetrics tells what requests took without what they waited', () => {
  const metrics = new RequestMetrics()
  metrics.observe(callOf('GET', '/livez'), { code: 200, seconds: 2, waited: 1.9 })
  const value = (name: string, le: string) => samplesOf(metrics, name).find(({ labels }) => labels.le === le)?.value
  assert.equal(value('apiserver_request_duration_seconds', '1'), 0)
  assert.equal(value('apiserver_request_sli_duration_seconds', '0.05'), 0)
  assert.equal(value('apiserver_request_sli_duration_seconds', '0.2'), 1)
})

test('RequestMetrics names verbs as dashboards for upstream expect them', () => {
  const resource = { kind: Pod } as unknown as Resource
  const pods = '/api/v1/namespaces/a/pods'
  for (const [method, url, headers, expected] of [
    ['POST', pods, {}, 'POST resource'],
    ['POST', `${pods}?dryRun=All`, {}, 'POST resource All'],
    ['PATCH', `${pods}/b`, { 'content-type': 'application/merge-patch+json' }, 'PATCH resource'],
    ['PATCH', `${pods}/b`, { 'content-type': 'application/apply-patch+yaml' }, 'APPLY resource'],
    ['DELETE', pods, {}, 'DELETECOLLECTION namespace'],
    ['DELETE', `${pods}/b`, {}, 'DELETE resource'],
    ['GET', '/api/v1/pods', {}, 'LIST cluster'],
    ['GET', '/api/v1/watch/pods', {}, 'WATCH cluster'],
    ['POST', `${pods}/b/exec`, {}, 'CONNECT exec resource'],
    ['GET', `${pods}/b/log`, {}, 'GET log resource'],
  ] as const) {
    const metrics = new RequestMetrics()
    metrics.observe(callOf(method, url, resource, headers), { code: 200, seconds: 0.001 })
    const { labels } = samplesOf(metrics, 'apiserver_request_total')[0]!
    const told = [labels.verb, labels.subresource, labels.scope, labels.dry_run].filter(Boolean).join(' ')
    assert.equal(told, expected, `${method} ${url}`)
    assert.equal(labels.component, 'apiserver')
  }
  const metrics = new RequestMetrics()
  metrics.observe(callOf('GET', '/livez'), { code: 200, seconds: 0.001 })
  assert.equal(samplesOf(metrics, 'apiserver_request_total')[0]!.labels.subresource, '/livez')
})
