// A day of a cluster with 20 cron jobs, 10 deployments under autoscalers and 10 nodes that vanish now and then, on virtual time.
// usage: node bench/day.ts [seed]
import { liveThrough } from '../sim/day.ts'
import { markdown } from './figures.ts'

const seed = Number(process.argv[2] ?? 1)
const began = performance.now()
const cpu = process.cpuUsage()
const { rescales, most, fewest, nodesLost, runs } = await liveThrough({ hours: 24, seed })
const seconds = (performance.now() - began) / 1000
const { user, system } = process.cpuUsage(cpu)
console.log(
  markdown(
    ['figure', 'measured', 'bound'],
    [
      [
        `a day of 20 cron jobs (${runs} runs), 10 autoscaled deployments (${rescales} changes, ${fewest} to ${most} pods), ${nodesLost} nodes lost`,
        `${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of processor time`,
        '10 s',
      ],
    ],
  ),
)
