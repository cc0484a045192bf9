// What every container of this node uses, grouped by pod: the one reading from which the summary and all metrics are made. From the cgroup files where
// the agent reads them, else from the runtime.
import type { Runtime } from '#node/runtime.ts'
import type { NodeStats, Usage } from '#node/stats.ts'

export interface ContainerUsage {
  name: string
  id: string
  image: string
  /** Epoch milliseconds. */
  startedAt: number
  usage: Usage
  /** CPU use between this reading and the one before, if there was one. */
  usageNanoCores?: number
}

export interface PodUsage {
  namespace: string
  name: string
  uid: string
  /** Epoch milliseconds. */
  createdAt: number
  containers: ContainerUsage[]
}

export interface UsageReader {
  read(): Promise<PodUsage[]>
}

interface Sample {
  timestamp: number
  cpu: number
  rate?: number
}

const LEAST_INTERVAL_MS = 500

export function createUsageReader(runtime: Runtime, stats?: NodeStats): UsageReader {
  let before = new Map<string, Sample>()
  return {
    async read() {
      const pods = stats ? await fromAgent(stats) : await fromRuntime(runtime)
      const now = new Map<string, Sample>()
      for (const container of pods.flatMap((pod) => pod.containers)) {
        const sample = sampleOf(container.usage, before.get(container.id))
        now.set(container.id, sample)
        if (sample.rate !== undefined) container.usageNanoCores = sample.rate
      }
      before = now
      return pods
    },
  }
}

async function fromAgent(stats: NodeStats): Promise<PodUsage[]> {
  return (await stats.pods()).map(({ pod, containers }) => ({
    namespace: pod.metadata?.namespace ?? '',
    name: pod.metadata?.name ?? '',
    uid: pod.metadata?.uid ?? '',
    createdAt: Date.parse(pod.status?.startTime ?? '') || 0,
    containers: containers.map(({ name, containerId, startedAt, usage }) => ({
      name,
      id: containerId,
      image: pod.spec?.containers.find((one) => one.name === name)?.image ?? '',
      startedAt,
      usage,
    })),
  }))
}

async function fromRuntime(runtime: Runtime): Promise<PodUsage[]> {
  const [sandboxes, containers, readings] = await Promise.all([runtime.listSandboxes(), runtime.listContainers(), runtime.containerStats()])
  const usages = new Map(readings.map((reading) => [reading.containerId, reading]))
  const ready = sandboxes.filter((sandbox) => sandbox.ready)
  return ready.map(({ id, namespace, name, uid, createdAt }) => ({
    namespace,
    name,
    uid,
    createdAt,
    containers: containers.flatMap((container) => {
      const usage = usages.get(container.id)
      if (container.sandboxId !== id || container.state !== 'running' || !usage) return []
      return [{ name: container.name, id: container.id, image: container.image, startedAt: container.startedAt, usage }]
    }),
  }))
}

/** Readings close together keep the older base: their difference would be noise. */
function sampleOf({ timestamp, cpuUsageNanoSeconds: cpu }: Usage, last: Sample | undefined): Sample {
  if (!last) return { timestamp, cpu }
  const elapsedMs = timestamp - last.timestamp
  if (elapsedMs < LEAST_INTERVAL_MS) return last
  return { timestamp, cpu, rate: Math.max(0, Math.round(((cpu - last.cpu) / elapsedMs) * 1000)) }
}
