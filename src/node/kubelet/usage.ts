// What every container of this node uses, grouped by pod: the one reading from which the summary and all metrics are made.
import type { Container, ContainerStats, Runtime, Sandbox } from '#node/runtime.ts'

export interface ContainerUsage {
  container: Container
  stats: ContainerStats
  /** CPU use between this reading and the one before, if there was one. */
  usageNanoCores?: number
}

export interface PodUsage {
  sandbox: Sandbox
  containers: ContainerUsage[]
}

export interface UsageReader {
  read(): Promise<PodUsage[]>
}

const LEAST_INTERVAL_MS = 500

export function createUsageReader(runtime: Runtime): UsageReader {
  let before = new Map<string, { timestamp: number; cpu: number; rate?: number }>()
  return {
    async read() {
      const [sandboxes, containers, stats] = await Promise.all([
        runtime.listSandboxes(),
        runtime.listContainers(),
        runtime.containerStats(),
      ])
      const byContainer = new Map(stats.map((one) => [one.containerId, one]))
      const now: typeof before = new Map()
      const pods = new Map(
        sandboxes.filter(({ ready }) => ready).map((sandbox): [string, PodUsage] => [sandbox.id, { sandbox, containers: [] }]),
      )
      for (const container of containers) {
        const one = byContainer.get(container.id)
        const pod = pods.get(container.sandboxId)
        if (!one || !pod || container.state !== 'running') continue
        const rate = rateOf(one, before.get(container.id))
        now.set(container.id, rate)
        pod.containers.push({ container, stats: one, ...(rate.rate === undefined ? {} : { usageNanoCores: rate.rate }) })
      }
      before = now
      return [...pods.values()]
    },
  }
}

/** Readings close together keep the older base: their difference would be noise. */
function rateOf(stats: ContainerStats, last: { timestamp: number; cpu: number; rate?: number } | undefined) {
  const { timestamp, cpuUsageNanoSeconds: cpu } = stats
  if (!last) return { timestamp, cpu }
  const elapsedMs = timestamp - last.timestamp
  if (elapsedMs < LEAST_INTERVAL_MS) return last
  return { timestamp, cpu, rate: Math.max(0, Math.round(((cpu - last.cpu) / elapsedMs) * 1000)) }
}
