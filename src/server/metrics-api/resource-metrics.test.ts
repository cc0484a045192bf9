import assert from 'node:assert/strict'
import test from 'node:test'
import { nodeReading, parseResourceMetrics, podReading } from './resource-metrics.ts'

const scraped = (seconds: { node: number; app: number }, at: number, { started = 0 } = {}) =>
  parseResourceMetrics(
    `# HELP container_cpu_usage_seconds_total Cumulative cpu time
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="app",namespace="test",pod="web"} ${seconds.app} ${at}
container_memory_working_set_bytes{container="app",namespace="test",pod="web"} 1.048576e+06 ${at}
container_start_time_seconds{container="app",namespace="test",pod="web"} ${started / 1000}
node_cpu_usage_seconds_total ${seconds.node} ${at}
node_memory_working_set_bytes 4096 ${at}
what is this
`,
    at,
  )

test('parseResourceMetrics and two scrapes tell what was used between them', () => {
  const [before, last] = [scraped({ node: 10, app: 1 }, 1_000_000), scraped({ node: 25, app: 4.75 }, 1_015_000)]
  assert.deepEqual(nodeReading(last, before), { timestamp: 1_015_000, windowMs: 15_000, cpuNanoCores: 1e9, memoryBytes: 4096 })
  assert.deepEqual(podReading('test/web', last, before), {
    timestamp: 1_015_000,
    windowMs: 15_000,
    containers: [{ name: 'app', cpuNanoCores: 250_000_000, memoryBytes: 1_048_576 }],
  })
  assert.equal(podReading('test/other', last, before), undefined)
})

test('podReading tells nothing of a container seen once, unless it is young, and nothing of one that was restarted', () => {
  const last = scraped({ node: 1, app: 2 }, 1_000_000)
  assert.equal(podReading('test/web', last, undefined), undefined)
  const young = scraped({ node: 1, app: 2 }, 1_000_000, { started: 980_000 })
  assert.equal(podReading('test/web', young, undefined)?.containers[0]?.cpuNanoCores, 100_000_000)
  assert.equal(podReading('test/web', last, scraped({ node: 1, app: 9 }, 985_000)), undefined)
})
