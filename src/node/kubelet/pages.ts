// What the node's API shows without being asked for more than a path: health, pods, configuration, statistics, metrics.
import { availableParallelism } from 'node:os'
import { type ZPages, zPages } from '#api/z-pages.ts'
import type { Clock } from '#lib/clock.ts'
import { METRICS_TYPE } from '#lib/metric-family.ts'
import type { PodDirectory } from '#node/runtime.ts'
import { readMachineStats } from './machine-stats.ts'
import { cadvisorMetrics, kubeletMetrics, resourceMetrics } from './metrics.ts'
import { statsSummary } from './stats-summary.ts'
import type { PodUsage, UsageReader } from './usage.ts'

export interface Page {
  type: string
  body: string
}

/** `accept`: the forms asked for, where there are several. */
type PageMaker = (accept?: string) => Page | Promise<Page>

interface PagesOptions {
  directory: PodDirectory
  usage: UsageReader
  nodeName: string
  configuration?: object
  process?: Pick<ZPages, 'version' | 'flags'>
  dataDirectory?: string
  clock: Clock
}

export function kubeletPages({
  directory,
  usage,
  nodeName,
  configuration,
  process,
  dataDirectory = '/',
  clock,
}: PagesOptions): ReadonlyMap<string, PageMaker> {
  const pages = new Map<string, PageMaker>([
    ['/healthz', () => text('ok')],
    ['/healthz/ping', () => text('ok')],
    ['/pods', () => podList(directory.pods())],
    ['/runningpods', async () => podList((await usage.read()).map(runningPod))],
    [
      '/configz',
      () => json({ kubeletconfig: { kind: 'KubeletConfiguration', apiVersion: 'kubelet.config.k8s.io/v1beta1', ...configuration } }),
    ],
    [
      '/stats/summary',
      async () => json(statsSummary(await usage.read(), { nodeName, node: readMachineStats(), now: clock.now(), dataDirectory })),
    ],
    ['/metrics', async () => text(kubeletMetrics(await usage.read(), { nodeName }), METRICS_TYPE)],
    [
      '/metrics/resource',
      async () => text(resourceMetrics(await usage.read(), { node: readMachineStats(), now: clock.now() }), METRICS_TYPE),
    ],
    [
      '/metrics/cadvisor',
      async () => text(cadvisorMetrics(await usage.read(), { node: readMachineStats(), cores: availableParallelism() }), METRICS_TYPE),
    ],
  ])
  const told = process ? zPages({ ...process, component: 'kubelet', clock, startedAt: clock.now(), paths: () => [...pages.keys()] }) : []
  for (const [path, page] of told) pages.set(path, (accept) => page({ accept }))
  return pages
}

const json = (value: unknown): Page => ({ type: 'application/json', body: JSON.stringify(value) })
const text = (body: string, type = 'text/plain; charset=utf-8'): Page => ({ type, body })
const podList = (items: unknown[]): Page => json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items })

function runningPod({ namespace, name, uid, containers }: PodUsage): object {
  return {
    metadata: { name, namespace, uid },
    spec: { containers: containers.map((one) => ({ name: one.name, image: one.image, resources: {} })) },
    status: {},
  }
}
