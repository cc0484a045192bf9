import assert from 'node:assert/strict'
import test from 'node:test'
import type { PodMetrics } from '#api/kinds/metrics/pod-metrics.ts'
import { amountsOf } from './metrics-client.ts'

const measured = (name: string, containers: Record<string, Record<string, string>>): PodMetrics => ({
  metadata: { name },
  timestamp: '2026-01-01T00:00:00Z',
  window: '30s',
  containers: Object.entries(containers).map(([container, usage]) => ({ name: container, usage })),
})

const items = [
  measured('whole', { main: { cpu: '100m' }, proxy: { cpu: '50m' } }),
  measured('crashed', { proxy: { cpu: '50m' } }),
  measured('silent', { main: { memory: '1Mi' }, proxy: { cpu: '50m' } }),
  measured('empty', {}),
]
const amounts = (container: string) =>
  [...amountsOf(items, { resource: 'cpu', container })].map(([name, { value, windowMs }]) => [name, value, windowMs])

test('amountsOf adds up the containers of each pod of which all tell', () => {
  assert.deepEqual(amounts(''), [
    ['whole', 150, 30_000],
    ['crashed', 50, 30_000],
  ])
})

test('amountsOf one container leaves out pods that do not tell of it, so that the others still count', () => {
  assert.deepEqual(amounts('main'), [['whole', 100, 30_000]])
})
