// What the node, its pods and their containers use, read straight from the cgroup files: a few file reads instead of a call per container.
import { readFile } from 'node:fs/promises'
import type { Pod } from '#api/generated/types.ts'
import type { Clock } from '#lib/clock.ts'
import type { Cgroups } from './cgroups.ts'
import { cgroupParentOf } from '#node/agent/resources.ts'
import type { Container } from './runtime.ts'

export interface Usage {
  /** Epoch milliseconds of the reading. */
  timestamp: number
  cpuUsageNanoSeconds: number
  memoryUsageBytes: number
  memoryWorkingSetBytes: number
  memoryRssBytes: number
}

export interface PodUsage {
  pod: Pod
  usage: Usage
  containers: { name: string; containerId: string; startedAt: number; usage: Usage }[]
}

export interface NodeStats {
  node(): Promise<Usage | undefined>
  pods(): Promise<PodUsage[]>
}

export interface NodeStatsOptions {
  cgroups: Cgroups
  clock: Clock
  /** Pods with their containers that run. */
  running(): { pod: Pod; containers: readonly Container[] }[]
}

export function createNodeStats({ cgroups, clock, running }: NodeStatsOptions): NodeStats {
  const read = (path: string) => (cgroups.version === 1 ? readOne(cgroups, path) : readTwo(cgroups, path))
  const usage = async (path: string): Promise<Usage | undefined> => {
    const found = await read(path).catch(() => undefined)
    return found && { timestamp: clock.now(), ...found }
  }
  return {
    node: () => usage('/'),
    async pods() {
      const all = await Promise.all(
        running().map(async ({ pod, containers }): Promise<PodUsage | undefined> => {
          const parent = cgroupParentOf(pod)
          const whole = await usage(parent)
          const each = await Promise.all(
            containers.map(async ({ name, id, startedAt }) => {
              const own = await usage(`${parent}/${id}`)
              return own && { name, containerId: id, startedAt, usage: own }
            }),
          )
          return whole && { pod, usage: whole, containers: each.filter((one) => one !== undefined) }
        }),
      )
      return all.filter((one) => one !== undefined)
    },
  }
}

type Reading = Omit<Usage, 'timestamp'>

async function readOne(cgroups: Cgroups, path: string): Promise<Reading> {
  const memory = cgroups.directory('memory', path)
  const [cpu, used, stat] = await Promise.all([
    number(`${cgroups.directory('cpuacct', path)}/cpuacct.usage`),
    number(`${memory}/memory.usage_in_bytes`),
    fields(`${memory}/memory.stat`),
  ])
  const inactive = stat.get('total_inactive_file') ?? 0
  return {
    cpuUsageNanoSeconds: cpu,
    memoryUsageBytes: used,
    memoryWorkingSetBytes: Math.max(0, used - inactive),
    memoryRssBytes: stat.get('total_rss') ?? 0,
  }
}

async function readTwo(cgroups: Cgroups, path: string): Promise<Reading> {
  const home = cgroups.directory('', path)
  const [cpu, stat] = await Promise.all([fields(`${home}/cpu.stat`), fields(`${home}/memory.stat`)])
  // The root group has no memory.current: what is charged to all is the best there is.
  const used = await number(`${home}/memory.current`).catch(() => (stat.get('anon') ?? 0) + (stat.get('file') ?? 0))
  const inactive = stat.get('inactive_file') ?? 0
  return {
    cpuUsageNanoSeconds: (cpu.get('usage_usec') ?? 0) * 1000,
    memoryUsageBytes: used,
    memoryWorkingSetBytes: Math.max(0, used - inactive),
    memoryRssBytes: stat.get('anon') ?? 0,
  }
}

async function number(path: string): Promise<number> {
  return Number((await readFile(path, 'utf8')).trim())
}

async function fields(path: string): Promise<Map<string, number>> {
  const text = await readFile(path, 'utf8')
  return new Map(
    text
      .trim()
      .split('\n')
      .map((line) => {
        const [name = '', value = '0'] = line.split(' ')
        return [name, Number(value)]
      }),
  )
}
