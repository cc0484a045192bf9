// A day of a cluster with 20 cron jobs, 10 deployments under autoscalers and nodes that vanish now and then, on virtual time. Loaded as the program
// itself is, by its own loader: what is imported is then a constant that V8 folds into its code.
// usage: node bench/day.ts [seed]
import { SourceLoader } from '#lib/sources/source-loader.ts'
import { markdown } from './figures.ts'

// Types are stripped from the files as they are loaded, of which Node has something to say.
process.removeAllListeners('warning')
const sources = new SourceLoader(new URL('../src/', import.meta.url).href, undefined)
const { liveThrough } = sources.load('#../sim/day.ts') as typeof import('../sim/day.ts')

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
