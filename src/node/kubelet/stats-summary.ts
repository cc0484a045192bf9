// /stats/summary: what the node and its pods use, in the shape of the kubelet's stats API. Fields that are not measured are absent, never zero.
import { formatTime } from '#lib/clock.ts'
import { type MachineStats, readFileSystem } from './machine-stats.ts'
import type { ContainerUsage, PodUsage } from './usage.ts'

export function statsSummary(
  pods: readonly PodUsage[],
  { nodeName, node, now, dataDirectory }: { nodeName: string; node: MachineStats; now: number; dataDirectory: string },
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

function podStats({ namespace, name, uid, createdAt, containers }: PodUsage): object {
  const sum = (pick: (one: ContainerUsage) => number) => containers.reduce((total, one) => total + pick(one), 0)
  const time = formatTime(Math.max(createdAt, ...containers.map(({ usage }) => usage.timestamp)))
  return {
    podRef: { name, namespace, uid },
    startTime: formatTime(createdAt),
    containers: containers.map(containerStats),
    cpu: {
      time,
      usageNanoCores: sum((one) => one.usageNanoCores ?? 0),
      usageCoreNanoSeconds: sum(({ usage }) => usage.cpuUsageNanoSeconds),
    },
    memory: {
      time,
      usageBytes: sum(({ usage }) => usage.memoryUsageBytes),
      workingSetBytes: sum(({ usage }) => usage.memoryWorkingSetBytes),
      rssBytes: sum(({ usage }) => usage.memoryRssBytes),
    },
  }
}

function containerStats({ name, startedAt, usage, usageNanoCores }: ContainerUsage): object {
  const time = formatTime(usage.timestamp)
  return {
    name,
    startTime: formatTime(startedAt),
    cpu: { time, ...(usageNanoCores === undefined ? {} : { usageNanoCores }), usageCoreNanoSeconds: usage.cpuUsageNanoSeconds },
    memory: { time, usageBytes: usage.memoryUsageBytes, workingSetBytes: usage.memoryWorkingSetBytes, rssBytes: usage.memoryRssBytes },
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
