import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service } from '#api/kinds/core/service.ts'
import type { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { proxiedPorts } from './model.ts'
import { difference, emptyRuleSet, ruleSetOf } from './rules.ts'

const service = (spec: Service['spec'] = {}): Service => ({
  metadata: { namespace: 'default', name: 'web' },
  spec: { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
})
const slice = (endpoints: NonNullable<EndpointSlice['endpoints']>, more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  addressType: 'IPv4',
  metadata: { name: 's', namespace: 'default' },
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints,
  ...more,
})
const ep = (ip: string, conditions: object = {}, nodeName = 'here') => ({ addresses: [ip], nodeName, conditions })
const ips = (endpoints: { ip: string }[]) => endpoints.map(({ ip }) => ip)

test('proxiedPorts takes ready endpoints of all slices, each address once', () => {
  const [port] = proxiedPorts(
    service(),
    [slice([ep('10.0.0.2'), ep('10.0.0.1', { ready: true }), ep('10.0.0.3', { ready: false })]), slice([ep('10.0.0.2')])],
    'here',
  )
  assert.deepEqual(ips(port!.endpoints), ['10.0.0.1', '10.0.0.2'])
})

test('proxiedPorts falls back to endpoints that serve while terminating, only when none is ready', () => {
  const ending = ep('10.0.0.9', { ready: false, serving: true, terminating: true })
  assert.deepEqual(ips(proxiedPorts(service(), [slice([ending])], 'here')[0]!.endpoints), ['10.0.0.9'])
  assert.deepEqual(ips(proxiedPorts(service(), [slice([ending, ep('10.0.0.1')])], 'here')[0]!.endpoints), ['10.0.0.1'])
})

test('proxiedPorts honours the traffic policies', () => {
  const slices = [slice([ep('10.0.0.1'), ep('10.0.0.2', {}, 'there')])]
  assert.deepEqual(ips(proxiedPorts(service({ internalTrafficPolicy: 'Local' }), slices, 'here')[0]!.endpoints), ['10.0.0.1'])
  const [port] = proxiedPorts(service({ externalTrafficPolicy: 'Local' }), slices, 'here')
  assert.deepEqual([ips(port!.endpoints), ips(port!.externalEndpoints)], [['10.0.0.1', '10.0.0.2'], ['10.0.0.1']])
})

test('proxiedPorts leaves headless, external and foreign services alone', () => {
  for (const one of [
    service({ clusterIP: 'None' }),
    service({ type: 'ExternalName' }),
    { ...service(), metadata: { labels: { 'service.kubernetes.io/service-proxy-name': 'x' } } },
  ]) {
    assert.deepEqual(proxiedPorts(one, [slice([ep('10.0.0.1')])], 'here'), [])
  }
})

const rules = (spec: Service['spec'], endpoints = [ep('10.0.0.1'), ep('10.0.0.2')]) =>
  ruleSetOf(proxiedPorts(service(spec), [slice(endpoints)], 'here'), [], '10.244.0.0/16')

test('difference is empty between equal states and undoes what it did', () => {
  const one = rules({})
  assert.equal(difference(one, rules({})), '')
  const away = difference(one, emptyRuleSet())
  for (const chain of one.chains.keys()) assert.match(away, new RegExp(`delete chain ip sampan ${chain}`))
  assert.match(away, /delete element ip sampan services \{ 10\.96\.0\.20 \. tcp \. 80 \}/)
})

test('difference touches only the chain whose endpoints changed', () => {
  const change = difference(rules({}), rules({}, [ep('10.0.0.2')]))
  assert.deepEqual(change.trim().split('\n'), [
    'flush chain ip sampan svc/default/web/tcp/http',
    'add rule ip sampan svc/default/web/tcp/http meta l4proto tcp dnat ip to 10.0.0.2:8080',
    'delete element ip sampan hairpin { 10.0.0.1 . 10.0.0.1 }',
  ])
})

test('ruleSetOf lets a service without endpoints fall through to the refusal', () => {
  const set = rules({ ports: [{ name: 'http', port: 80, nodePort: 30080 }] }, [])
  assert.deepEqual([set.services.size, set.nodeports.size, set.chains.size], [0, 0, 0])
})

test('ruleSetOf refuses names that do not belong into a rule set', () => {
  const bad = proxiedPorts(
    { ...service(), metadata: { namespace: 'default', name: 'x } ; flush ruleset' } },
    [slice([ep('10.0.0.1')])],
    'here',
  )
  assert.throws(() => ruleSetOf(bad, [], '10.244.0.0/16'), /may not be written/)
})
