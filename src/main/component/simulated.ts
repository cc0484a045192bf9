// Simulated nodes as a process of their own, with pages that tell how they are: first the pages, then the nodes.
import type { PagesConfig } from '#cli/platform.ts'
import { programVersion } from '#cli/version.ts'
import type { Client } from '#client/client.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import type { Service } from '#lib/service.ts'
import type { ActorOptions } from '#main/actors.ts'
import { buildVersion } from '#server/endpoints/version.ts'
import { buildMetrics, processMetrics } from '#server/metrics.ts'
import { pagesService } from './pages-service.ts'

interface Shown {
  pages: PagesConfig
  count: number
  namePrefix: string
  flags: Readonly<Record<string, string>>
  /** Whoever asks the API server about those who want to see pages. */
  client: Client
  say(line: string): void
}

export function simulatedNodesService(
  nodes: Service,
  { pages, count, namePrefix, ...shown }: Shown,
  { clock, random, log }: Pick<ActorOptions, 'clock' | 'random' | 'log'>,
): Service {
  let state: 'joining' | 'joined' | 'stopping' = 'joining'
  const joined = (): MetricFamily[] => [
    {
      name: 'sampan_simulated_nodes',
      help: 'Simulated nodes of this process that have joined.',
      type: 'gauge',
      samples: [{ labels: { prefix: namePrefix }, value: state === 'joined' ? count : 0 }],
    },
  ]
  const shownHere = pagesService(pages, {
    ...shown,
    clock,
    random,
    log,
    component: 'simulated-nodes',
    configuration: { 'sampan.dev': { Count: count, NamePrefix: namePrefix } },
    checks: [
      { name: 'ping', check: () => undefined },
      { name: 'nodes', of: ['readyz'], check: () => (state === 'joining' ? 'not all nodes have joined' : undefined) },
      { name: 'shutdown', of: ['readyz'], check: () => (state === 'stopping' ? 'process is shutting down' : undefined) },
    ],
    metrics: [joined, buildMetrics(buildVersion(programVersion())), processMetrics(clock.now())],
  })
  return {
    name: nodes.name,
    async start(signal) {
      await using starting = new AsyncDisposableStack()
      starting.use(await shownHere.start(signal))
      starting.use(await nodes.start(signal))
      state = 'joined'
      starting.defer(() => void (state = 'stopping'))
      return starting.move()
    },
  }
}
