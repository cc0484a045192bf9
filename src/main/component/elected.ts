// A part of a cluster that works while its process leads, with pages that tell how it is, also while it stands by.
import type { PagesConfig } from '#cli/platform.ts'
import { programVersion } from '#cli/version.ts'
import type { UserInfo } from '#client/client.ts'
import { leaderElected, RENEW_DEADLINE_MS } from '#client/leader-election.ts'
import type { HttpClientOptions } from '#client/http-client.ts'
import { StatusError } from '#api/status.ts'
import type { Metrics } from '#lib/metrics.ts'
import { type Service, startAll } from '#lib/service.ts'
import type { ActorOptions } from '#main/actors.ts'
import type { LeaderElectionSettings } from '#scheduler/configuration/configuration.ts'
import { buildVersion } from '#server/endpoints/version.ts'
import { buildMetrics, processMetrics } from '#server/metrics.ts'
import { Leading } from './leading.ts'
import { pagesService } from './pages-service.ts'

/** What works while its process leads, and where that shows. */
export interface Component<M> {
  /** Who asks for the lease. */
  user: UserInfo
  /** What its events of the lease name as their source. */
  component: string
  make(options: ActorOptions, metrics: M): Promise<Service[]>
  metricsOf(): M
  pages: PagesConfig | undefined
  flags: Readonly<Record<string, string>> | undefined
  /** What /configz shows. */
  configuration: Readonly<Record<string, unknown>>
  election?: LeaderElectionSettings | undefined
}

interface Around {
  shared: ActorOptions
  /** Of this process, among those that want the lease. */
  identity: string
  say(line: string): void
  /** A connection of its own. */
  connect(options?: Pick<HttpClientOptions, 'guard'>): Pick<ActorOptions, 'clientFor'> & AsyncDisposable
}

/** Its services begin anew, with informers and counts of their own, every time this process comes to lead. */
export function electedService<M extends Metrics<any>>(
  lease: string,
  { user, component, make, metricsOf, pages, flags, configuration, election }: Component<M>,
  { shared, identity, say, connect }: Around,
): Service {
  const { clientFor, clock, random, log } = shared
  const state = new Leading(lease, { clock, ...election })
  let metrics = metricsOf()
  const elects = election?.leaderElect !== false
  const { renewDeadlineMs = RENEW_DEADLINE_MS } = election ?? {}
  let renewedMs = 0
  /** Who was held up for long may have a successor that this process has not heard of. */
  const guard = (method: string) => {
    if (method !== 'GET' && elects && clock.monotonic() - renewedMs > renewDeadlineMs)
      throw new StatusError('ServiceUnavailable', `the lease ${lease} was not renewed in time: nothing is written any more`)
  }
  let end: (() => void) | undefined
  const leading: Service = {
    name: lease,
    async start(until) {
      await using begun = new AsyncDisposableStack()
      const ended = new AbortController()
      begun.defer(() => state.is('standing by'))
      begun.defer(() => ended.abort(new Error('leads no more')))
      state.is('starting')
      metrics = metricsOf()
      const own = begun.use(connect({ guard }))
      end = () => {
        ended.abort(new Error('leads no more'))
        void own[Symbol.asyncDispose]()
      }
      const services = await make({ ...shared, clientFor: own.clientFor, signal: ended.signal }, metrics)
      begun.use(await startAll(services, { signal: until, monotonic: () => clock.monotonic() }))
      state.is('leading')
      say(`leading as ${identity}`)
      begun.defer(() => say('leading no more'))
      return begun.move()
    },
  }
  const client = clientFor(user)
  const shown: Service[] = pages
    ? [
        pagesService(pages, {
          ...shared,
          client,
          say,
          component: lease,
          flags: flags ?? {},
          configuration,
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
  const onRenewed = (askedMs: number) => {
    renewedMs = Math.max(renewedMs, askedMs)
    state.renewed()
  }
  // What a server was asked and has not begun is taken back.
  const onLost = () => end?.()
  const own = { client, clock, random, log, identity, component, lease: held, onRenewed, onLost, ...election }
  return inTurn(lease, [...shown, elects ? leaderElected([leading], own) : leading], { stopping: () => state.is('stopping') })
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
