// Clusters of sampan/testing in this process: how long one takes to be created and disposed of, and what it holds. The first pays for loading.
// usage: node bench/clusters.ts
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type ClusterOptions, startCluster, virtual } from '../src/main/testing.ts'
import { markdown, median, quantile } from './figures.ts'

const ROUNDS = 40
const AT_ONCE = 100

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const collect = async () => {
  for (let round = 0; round < 3; round++) {
    gc()
    await sleep(100)
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, own: heapUsed + external }
}

async function measure(name: string, options: ClusterOptions): Promise<string[][]> {
  const start = () => startCluster({ nodes: 1, clock: virtual(), ...options })
  const times: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const began = performance.now()
    await (await start())[Symbol.asyncDispose]()
    times.push(performance.now() - began)
  }
  const [first, ...others] = times
  const before = await collect()
  const clusters = await Promise.all(Array.from({ length: AT_ONCE }, start))
  const after = await collect()
  const mega = (bytes: number) => (bytes / AT_ONCE / 1e6).toFixed(1)
  await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()))
  const spread = `${median(others).toFixed(0)} ms (90 % within ${quantile(others, 0.9).toFixed(0)} ms; the first ${first!.toFixed(0)} ms)`
  return [
    [`${name}: created and disposed of`, spread, '50 ms'],
    [`${name}: memory of each of ${AT_ONCE}`, `${mega(after.own - before.own)} MB (resident ${mega(after.rss - before.rss)} MB)`, '5 MB'],
  ]
}

const listening = await measure('with an address', {})
const silent = await measure('in process alone', { listen: false })
console.log(markdown(['figure', 'measured', 'bound'], [...listening, ...silent]))
