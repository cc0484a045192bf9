import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Histogram } from './histogram.ts'
import { formatMetrics } from './metric-family.ts'

test('Histogram counts by labels, in buckets that hold those below', () => {
  const histogram = new Histogram({ name: 'h', help: 'Help.', labels: ['a', 'b'], bounds: [1, 2] })
  for (const value of [1, 1.5, 3]) histogram.observe(['x', 'y'], value)
  assert.equal(
    formatMetrics([histogram.family()]),
    `# HELP h Help.
# TYPE h histogram
h_bucket{a="x",b="y",le="1"} 1
h_bucket{a="x",b="y",le="2"} 2
h_bucket{a="x",b="y",le="+Inf"} 3
h_sum{a="x",b="y"} 5.5
h_count{a="x",b="y"} 3
`,
  )
})

test('Histogram spells bounds as Go does, by which queries name them', () => {
  const histogram = new Histogram({ name: 'h', help: '', labels: [], bounds: [0, 0.0000005, 0.00001, 0.0001, 0.25, 8192, 1_500_000] })
  histogram.observe([], 1)
  const limits = [...histogram.family().samples].flatMap(({ labels }) => labels['le'] ?? [])
  assert.deepEqual(limits, ['0', '5e-07', '1e-05', '0.0001', '0.25', '8192', '1.5e+06', '+Inf'])
})

test('Histogram keeps a bounded number of series', () => {
  const histogram = new Histogram({ name: 'h', help: '', labels: ['a'], bounds: [] })
  for (let n = 0; n < 3000; n++) histogram.observe([String(n)], 1)
  assert.equal([...histogram.family().samples].length, 2000 * 3)
})
