// Parts of a cluster as processes of their own, against an API server elsewhere: controllers and scheduler, of which one at a time leads, and
// simulated nodes. They act as whom they always are, by impersonation.
import { hostname } from 'node:os'
import type { RoleConfig, RoleOptions } from '#cli/platform.ts'
import { createHttpClients, type HttpClientOptions } from '#client/http-client.ts'
import { CONTROLLER_MANAGER } from '#controllers/controllers.ts'
import { createControllerMetrics } from '#controllers/metrics.ts'
import type { Clock } from '#lib/clock.ts'
import { createLogger } from '#lib/log.ts'
import type { Metrics } from '#lib/metrics.ts'
import { type Random, systemRandom } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { createSimulatedNodes } from '#node/simulated/nodes.ts'
import { createSchedulerMetrics } from '#scheduler/metrics.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { type ActorOptions, controllersOf, informersOf, schedulerOf, SCHEDULER, signersOf, SIMULATED_NODES } from './actors.ts'
import { controllersShown, schedulerShown } from './component/configurations.ts'
import { type Component, electedService } from './component/elected.ts'
import { simulatedNodesService } from './component/simulated.ts'

export async function startRole(
  config: RoleConfig,
  { signal, writeLog, say, clock }: RoleOptions & { clock: Clock },
): Promise<AsyncDisposable> {
  const random = systemRandom
  const log = createLogger({ write: writeLog, now: () => clock.now() })
  await using starting = new AsyncDisposableStack()
  const connect = (own?: Pick<HttpClientOptions, 'guard'>) =>
    createHttpClients({ ...config.access, ...own, clock, userAgent: `sampan-${config.role}` })
  const { clientFor } = starting.use(connect())
  const stop = new AbortController()
  starting.defer(() => stop.abort(new Error(`${config.role} was stopped`)))
  const shared: ActorOptions = { clientFor, clock, random, log, signal: stop.signal }

  const elected = <M extends Metrics<any>>(lease: string, component: Component<M>) =>
    electedService(lease, component, { shared, identity: `${hostname()}_${random.uuid()}`, say, connect })

  const service = ((): Service => {
    switch (config.role) {
      case 'controllers':
        return elected('kube-controller-manager', {
          user: CONTROLLER_MANAGER,
          component: 'kube-controller-manager',
          pages: config.pages,
          flags: config.flags,
          configuration: controllersShown(config),
          metricsOf: createControllerMetrics,
          async make(options, metrics) {
            const pki =
              config.pkiDirectory === undefined
                ? undefined
                : await ensurePki({ directory: config.pkiDirectory, clock, random, hostName: hostname() })
            return controllersOf({
              ...options,
              informers: informersOf(options),
              rootCa: config.access.ca ?? '',
              clusterCidr: config.podCidr,
              metrics,
              ...(pki ? signersOf(pki) : {}),
            })
          },
        })
      case 'scheduler': {
        const { configuration } = config
        const own = configuration ? { configuration } : {}
        return elected('kube-scheduler', {
          user: SCHEDULER,
          component: 'default-scheduler',
          pages: config.pages,
          flags: config.flags,
          configuration: schedulerShown(configuration),
          election: configuration?.leaderElection,
          metricsOf: createSchedulerMetrics,
          make: async (options, metrics) => [
            schedulerOf({ ...options, ...own, informers: informersOf(options), host: hostname(), metrics }),
          ],
        })
      }
      case 'simulated-nodes': {
        const { role: _role, access: _access, flags = {}, pages, ...own } = config
        const client = clientFor(SIMULATED_NODES)
        const options = { ...own, client, informers: informersOf(shared), clock, log }
        const nodes = createSimulatedNodes({ ...options, joining: joiningAs(random), stages: { random, define: true } })
        return pages ? simulatedNodesService(nodes, { ...own, pages, flags, client, say }, shared) : nodes
      }
    }
  })()
  starting.use(await service.start(signal))
  return starting.move()
}

/** A process of this machine that has died need not be waited for. */
function joiningAs(random: Random): { identity: string; isGone(identity: string): boolean } {
  const here = `${hostname()}_`
  return {
    identity: `${here}${process.pid}_${random.uuid()}`,
    isGone(identity) {
      const pid = identity.startsWith(here) ? Number(identity.slice(here.length).split('_')[0]) : NaN
      return Number.isInteger(pid) && !isAlive(pid)
    },
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
