import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatMetrics } from './metric-family.ts'
import { exponentialBounds, Metrics } from './metrics.ts'

const table = {
  done_total: { type: 'counter', help: 'Done.', labels: ['what'] },
  open: { type: 'gauge', help: 'Open.' },
  seconds: { type: 'histogram', help: 'Long.', labels: ['what'], bounds: [1, 10] },
} as const

test('Metrics tells what was counted, set, observed and measured', () => {
  const metrics = new Metrics(table)
  metrics.add('done_total', ['a'])
  metrics.add('done_total', ['a'], 2)
  metrics.set('open', [], 4)
  metrics.observe('seconds', ['a'], 5)
  let depth = 7
  metrics.measure('done_total', () => [[['b'], depth]])
  metrics.measure('done_total', () => [[['b'], 1]])
  depth = 8
  const text = formatMetrics(metrics.families())
  for (const line of [
    'done_total{what="a"} 3',
    'done_total{what="b"} 9',
    'open 4',
    'seconds_bucket{what="a",le="10"} 1',
    'seconds_sum{what="a"} 5',
  ])
    assert.ok(text.split('\n').includes(line), `${line}\n${text}`)
})

test('formatMetrics leaves out what there is nothing to tell of, and says when a value was measured', () => {
  const samples = [{ labels: { a: 'x"y' }, value: 1, timestampMs: 1500.4 }]
  const families = [new Metrics(table).families(), [{ name: 'old', help: 'Old.', type: 'gauge', samples } as const]]
  assert.equal(formatMetrics(families.flatMap((one) => [...one])), '# HELP old Old.\n# TYPE old gauge\nold{a="x\\"y"} 1 1500\n')
})

test('Metrics begins no more series than it can keep', () => {
  const metrics = new Metrics(table)
  for (let n = 0; n < 3000; n++) metrics.add('done_total', [String(n)])
  const [family] = metrics.families()
  assert.equal([...family!.samples].length, 2000)
})

test('Metrics counts nothing that its table does not have', () => {
  const metrics: Metrics = new Metrics({})
  metrics.add('__proto__')
  metrics.observe('seconds', ['a'], 1)
  assert.equal(formatMetrics(metrics.families()).trim(), '')
})

test('exponentialBounds grow by their factor', () => {
  assert.deepEqual(exponentialBounds(0.001, 10, 4), [0.001, 0.01, 0.1, 1])
})
