// Parts of a cluster as processes of their own, against an API server elsewhere: controllers and scheduler, of which one at a time leads, and
// simulated nodes. They act as whom they always are, by impersonation.
import { hostname } from 'node:os'
import type { RoleConfig, RoleOptions } from '#cli/platform.ts'
import { createHttpClients } from '#client/http-client.ts'
import { leaderElected } from '#client/leader-election.ts'
import { CONTROLLER_MANAGER } from '#controllers/controllers.ts'
import type { Clock } from '#lib/clock.ts'
import type { LeaderElectionSettings } from '#scheduler/configuration/configuration.ts'
import { createLogger } from '#lib/log.ts'
import { type Random, systemRandom } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { startAll } from '#lib/service.ts'
import { createSimulatedNodes } from '#node/simulated/nodes.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { type ActorOptions, controllersOf, informersOf, schedulerOf, SCHEDULER, signersOf, SIMULATED_NODES } from './actors.ts'

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

  /** Its services begin anew, with informers of their own, every time this process comes to lead. */
  const elected = (
    lease: string,
    user: typeof SCHEDULER,
    make: (options: ActorOptions) => Promise<Service[]>,
    election?: LeaderElectionSettings,
  ): Service => {
    const leading: Service = {
      name: lease,
      async start(until) {
        await using begun = new AsyncDisposableStack()
        const ended = new AbortController()
        begun.defer(() => ended.abort(new Error('leads no more')))
        begun.use(await startAll(await make({ ...shared, signal: ended.signal }), { signal: until, monotonic: () => clock.monotonic() }))
        say(`leading as ${identity}`)
        begun.defer(() => say('leading no more'))
        return begun.move()
      },
    }
    if (election?.leaderElect === false) return leading
    return leaderElected([leading], {
      client: clientFor(user),
      clock,
      random,
      log,
      identity,
      lease: { namespace: 'kube-system', name: lease },
      ...election,
    })
  }

  const service = ((): Service => {
    switch (config.role) {
      case 'controllers':
        return elected('kube-controller-manager', CONTROLLER_MANAGER, async (options) => {
          const pki =
            config.pkiDirectory === undefined
              ? undefined
              : await ensurePki({ directory: config.pkiDirectory, clock, random, hostName: hostname() })
          return controllersOf({
            ...options,
            informers: informersOf(options),
            rootCa: config.access.ca ?? '',
            clusterCidr: config.podCidr,
            ...(pki ? signersOf(pki) : {}),
          })
        })
      case 'scheduler': {
        const { configuration } = config
        const own = configuration ? { configuration } : {}
        const make = async (options: ActorOptions) => [
          schedulerOf({ ...options, ...own, informers: informersOf(options), host: hostname() }),
        ]
        return elected('kube-scheduler', SCHEDULER, make, configuration?.leaderElection)
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
