// The kubelet's metrics in Prometheus' text format: /metrics/resource (what metrics-server reads), /metrics/cadvisor and /metrics, each the part
// that is measured here, under upstream's names.
import { formatMetrics, type MetricFamily, type MetricSample } from '#lib/metric-family.ts'
import type { MachineStats } from './machine-stats.ts'
import type { PodUsage } from './usage.ts'

class Exposition {
  readonly #families: MetricFamily[] = []

  declare(name: string, type: 'counter' | 'gauge', help: string) {
    const samples: MetricSample[] = []
    this.#families.push({ name, help, type, samples })
    return (labels: Record<string, string>, value: number, timestampMs?: number): void => {
      samples.push({ labels, value, ...(timestampMs === undefined ? {} : { timestampMs }) })
    }
  }

  text(): string {
    return formatMetrics(this.#families)
  }
}

export function resourceMetrics(pods: readonly PodUsage[], { node, now }: { node: MachineStats; now: number }): string {
  const out = new Exposition()
  const containerCpu = out.declare(
    'container_cpu_usage_seconds_total',
    'counter',
    'Cumulative cpu time consumed by the container in core-seconds',
  )
  const containerMemory = out.declare('container_memory_working_set_bytes', 'gauge', 'Current working set of the container in bytes')
  const containerStart = out.declare('container_start_time_seconds', 'gauge', 'Start time of the container since unix epoch in seconds')
  const nodeCpu = out.declare('node_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the node in core-seconds')
  const nodeMemory = out.declare('node_memory_working_set_bytes', 'gauge', 'Current working set of the node in bytes')
  const podCpu = out.declare('pod_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the pod in core-seconds')
  const podMemory = out.declare('pod_memory_working_set_bytes', 'gauge', 'Current working set of the pod in bytes')
  const failed = out.declare('resource_scrape_error', 'gauge', '1 if there was an error while getting container metrics, 0 otherwise')

  nodeCpu({}, node.cpuUsageNanoSeconds / 1e9, now)
  nodeMemory({}, node.memoryWorkingSetBytes, now)
  for (const { namespace, name: podName, containers } of pods) {
    const pod = { namespace, pod: podName }
    let cpu = 0
    let memory = 0
    for (const { name, startedAt, usage } of containers) {
      const labels = { container: name, ...pod }
      containerCpu(labels, usage.cpuUsageNanoSeconds / 1e9, usage.timestamp)
      containerMemory(labels, usage.memoryWorkingSetBytes, usage.timestamp)
      containerStart(labels, startedAt / 1000)
      cpu += usage.cpuUsageNanoSeconds
      memory += usage.memoryWorkingSetBytes
    }
    if (containers.length === 0) continue
    podCpu(pod, cpu / 1e9, now)
    podMemory(pod, memory, now)
  }
  failed({}, 0)
  return out.text()
}

export function cadvisorMetrics(pods: readonly PodUsage[], { node, cores }: { node: MachineStats; cores: number }): string {
  const out = new Exposition()
  const cpu = out.declare('container_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed in seconds.')
  const workingSet = out.declare('container_memory_working_set_bytes', 'gauge', 'Current working set in bytes.')
  const inUse = out.declare(
    'container_memory_usage_bytes',
    'gauge',
    'Current memory usage in bytes, including all memory regardless of when it was accessed',
  )
  const rss = out.declare('container_memory_rss', 'gauge', 'Size of RSS in bytes.')
  const start = out.declare('container_start_time_seconds', 'gauge', 'Start time of the container since unix epoch in seconds.')
  const machineCores = out.declare('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.')
  const machineMemory = out.declare('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.')
  for (const { namespace, name: podName, containers } of pods) {
    for (const { name, id, image, startedAt, usage } of containers) {
      const labels = { container: name, image, name: id, namespace, pod: podName }
      cpu({ ...labels, cpu: 'total' }, usage.cpuUsageNanoSeconds / 1e9, usage.timestamp)
      workingSet(labels, usage.memoryWorkingSetBytes, usage.timestamp)
      inUse(labels, usage.memoryUsageBytes, usage.timestamp)
      rss(labels, usage.memoryRssBytes, usage.timestamp)
      start(labels, Math.floor(startedAt / 1000))
    }
  }
  machineCores({}, cores)
  machineMemory({}, node.memoryTotalBytes)
  return out.text()
}

export function kubeletMetrics(pods: readonly PodUsage[], { nodeName }: { nodeName: string }): string {
  const out = new Exposition()
  out.declare('kubelet_node_name', 'gauge', "The node's name. The count is always 1.")({ node: nodeName }, 1)
  out.declare('kubelet_running_pods', 'gauge', 'Number of pods that have a running pod sandbox')({}, pods.length)
  const running = pods.reduce((count, { containers }) => count + containers.length, 0)
  out.declare('kubelet_running_containers', 'gauge', 'Number of containers currently running')({ container_state: 'running' }, running)
  return out.text()
}
