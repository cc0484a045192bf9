// Parts of a cluster as processes of their own, against an API server elsewhere: controllers and scheduler, of which one at a time leads, and
// simulated nodes. They act as whom they always are, by impersonation.
import { hostname } from 'node:os'
import { isIPv6 } from 'node:net'
import type { PagesConfig, RoleConfig, RoleOptions } from '#cli/platform.ts'
import { programVersion } from '#cli/version.ts'
import { createHttpClients } from '#client/http-client.ts'
import { leaderElected } from '#client/leader-election.ts'
import { CONTROLLER_MANAGER } from '#controllers/controllers.ts'
import { createControllerMetrics } from '#controllers/metrics.ts'
import type { Clock } from '#lib/clock.ts'
import type { LeaderElectionSettings } from '#scheduler/configuration/configuration.ts'
import { createLogger } from '#lib/log.ts'
import type { Metrics } from '#lib/metrics.ts'
import { type Random, systemRandom } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { startAll } from '#lib/service.ts'
import { createSimulatedNodes } from '#node/simulated/nodes.ts'
import { createSchedulerMetrics } from '#scheduler/metrics.ts'
import { buildVersion } from '#server/endpoints/version.ts'
import { buildMetrics, processMetrics } from '#server/metrics.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { type ActorOptions, controllersOf, informersOf, schedulerOf, SCHEDULER, signersOf, SIMULATED_NODES } from './actors.ts'
import { Leading } from './component/leading.ts'
import { componentPages, type PagesOptions } from './component/pages.ts'

export async function startRole(
  config: RoleConfig,
  { signal, writeLog, say, clock }: RoleOptions & { clock: Clock },
): Promise<AsyncDisposable> {
  const random = systemRandom
  const log = createLogger({ write: writeLog, now: () => clock.now() })
  await using starting = new AsyncDisposableStack()
  const { clientFor } = starting.use(createHttpClients({ ...config.access, clock, userAgent: `sampan-${config.role}` }))
  const stop = new AbortController()
  starting.defer(() => stop.abort(new Error(`${config.role} was stopped`)))
  const shared: ActorOptions = { clientFor, clock, random, log, signal: stop.signal }
  const identity = `${hostname()}_${random.uuid()}`

  /** Its services begin anew, with informers and counts of their own, every time this process comes to lead. */
  const elected = <M extends Metrics<any>>(lease: string, user: typeof SCHEDULER, component: Component<M>): Service => {
    const { make, metricsOf, pages, election } = component
    const state = new Leading(lease, { clock, ...election })
    let metrics = metricsOf()
    const leading: Service = {
      name: lease,
      async start(until) {
        await using begun = new AsyncDisposableStack()
        const ended = new AbortController()
        begun.defer(() => state.is('standing by'))
        begun.defer(() => ended.abort(new Error('leads no more')))
        state.is('starting')
        metrics = metricsOf()
        const services = await make({ ...shared, signal: ended.signal }, metrics)
        begun.use(await startAll(services, { signal: until, monotonic: () => clock.monotonic() }))
        state.is('leading')
        say(`leading as ${identity}`)
        begun.defer(() => say('leading no more'))
        return begun.move()
      },
    }
    const elects = election?.leaderElect !== false
    const client = clientFor(user)
    const shown: Service[] = pages
      ? [
          pagesService(pages, {
            ...shared,
            client,
            say,
            checks: state.checks({ elects }),
            metrics: [
              () => state.families(),
              () => metrics.families(),
              buildMetrics(buildVersion(programVersion())),
              processMetrics(clock.now()),
            ],
          }),
        ]
      : []
    const held = { namespace: 'kube-system', name: lease }
    const own = { client, clock, random, log, identity, lease: held, onRenewed: () => state.renewed(), ...election }
    return inTurn(lease, [...shown, elects ? leaderElected([leading], own) : leading], { stopping: () => state.is('stopping') })
  }

  const service = ((): Service => {
    switch (config.role) {
      case 'controllers':
        return elected('kube-controller-manager', CONTROLLER_MANAGER, {
          pages: config.pages,
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
        return elected('kube-scheduler', SCHEDULER, {
          pages: config.pages,
          election: configuration?.leaderElection,
          metricsOf: createSchedulerMetrics,
          make: async (options, metrics) => [
            schedulerOf({ ...options, ...own, informers: informersOf(options), host: hostname(), metrics }),
          ],
        })
      }
      case 'simulated-nodes': {
        const { role: _role, access: _access, ...own } = config
        const nodes = { ...own, client: clientFor(SIMULATED_NODES), informers: informersOf(shared), clock, log }
        return createSimulatedNodes({ ...nodes, joining: joiningAs(random), stages: { random, define: true } })
      }
    }
  })()
  starting.use(await service.start(signal))
  return starting.move()
}

/** What works while its process leads, and where that shows. */
interface Component<M> {
  make(options: ActorOptions, metrics: M): Promise<Service[]>
  metricsOf(): M
  pages: PagesConfig | undefined
  election?: LeaderElectionSettings | undefined
}

interface Shown extends Omit<PagesOptions, keyof PagesConfig | 'hostName'> {
  say(line: string): void
}

/** A port nobody asked for may be taken: by another of the same kind that stands by, say. */
function pagesService({ byDefault, ...where }: PagesConfig, { say, ...shown }: Shown): Service {
  const pages = componentPages({ ...where, ...shown, hostName: hostname() })
  return {
    name: pages.name,
    async start(signal) {
      try {
        const running = await pages.start(signal)
        say(`health and metrics at https://${isIPv6(where.address) ? `[${where.address}]` : where.address}:${pages.port}`)
        return running
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
        if (!byDefault)
          throw new Error(`port ${where.port} is taken by another program: choose another with --secure-port`, { cause: error })
        say(`port ${where.port} is taken: no health and metrics here; choose another with --secure-port`)
        return { async [Symbol.asyncDispose]() {} }
      }
    },
  }
}

/** Started as read, stopped in reverse. */
function inTurn(name: string, services: readonly Service[], { stopping }: { stopping(): void }): Service {
  return {
    name,
    async start(signal) {
      await using starting = new AsyncDisposableStack()
      for (const service of services) starting.use(await service.start(signal))
      starting.defer(stopping)
      return starting.move()
    },
  }
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
