// /stats/summary: what the node and its pods use, in the shape of the kubelet's stats API. Fields that are not measured are absent, never zero.
import { formatTime } from '#lib/clock.ts'
import { type NodeStats, readFileSystem } from './node-stats.ts'
import type { ContainerUsage, PodUsage } from './usage.ts'

export function statsSummary(
  pods: readonly PodUsage[],
  { nodeName, node, now, dataDirectory }: { nodeName: string; node: NodeStats; now: number; dataDirectory: string },
): object {
  const time = formatTime(now)
  const interfaces = node.network.filter(({ name }) => name !== 'lo')
  return {
    node: {
      nodeName,
      startTime: formatTime(node.bootTime),
      cpu: { time, usageCoreNanoSeconds: node.cpuUsageNanoSeconds },
      memory: {
        time,
        availableBytes: node.memoryAvailableBytes,
        usageBytes: node.memoryUsageBytes,
        workingSetBytes: node.memoryWorkingSetBytes,
      },
      network: { time, name: '', interfaces },
      fs: { time, ...fileSystem(dataDirectory) },
    },
    pods: pods.map((pod) => podStats(pod)),
  }
}

function podStats({ sandbox, containers }: PodUsage): object {
  const sum = (pick: (usage: ContainerUsage) => number) => containers.reduce((total, usage) => total + pick(usage), 0)
  const time = formatTime(Math.max(sandbox.createdAt, ...containers.map(({ stats }) => stats.timestamp)))
  return {
    podRef: { name: sandbox.name, namespace: sandbox.namespace, uid: sandbox.uid },
    startTime: formatTime(sandbox.createdAt),
    containers: containers.map(containerStats),
    cpu: {
      time,
      usageNanoCores: sum((one) => one.usageNanoCores ?? 0),
      usageCoreNanoSeconds: sum(({ stats }) => stats.cpuUsageNanoSeconds),
    },
    memory: {
      time,
      usageBytes: sum(({ stats }) => stats.memoryUsageBytes),
      workingSetBytes: sum(({ stats }) => stats.memoryWorkingSetBytes),
      rssBytes: sum(({ stats }) => stats.memoryRssBytes),
    },
  }
}

function containerStats({ container, stats, usageNanoCores }: ContainerUsage): object {
  const time = formatTime(stats.timestamp)
  return {
    name: container.name,
    startTime: formatTime(container.startedAt),
    cpu: { time, ...(usageNanoCores === undefined ? {} : { usageNanoCores }), usageCoreNanoSeconds: stats.cpuUsageNanoSeconds },
    memory: { time, usageBytes: stats.memoryUsageBytes, workingSetBytes: stats.memoryWorkingSetBytes, rssBytes: stats.memoryRssBytes },
  }
}

function fileSystem(path: string): object {
  try {
    const { inodes, inodesFree, ...rest } = readFileSystem(path)
    return { ...rest, inodes, inodesFree, inodesUsed: inodes - inodesFree }
  } catch {
    return {}
  }
}
