// Those who make a cluster work, put together over one server: controllers and scheduler, reading through one set of informers.
// They begin to read as soon as they are made, so the server answers first; nodes are whoever the caller adds.
import type { UserInfo } from '#client/client.ts'
import { createEventRecorder } from '#client/event-recorder.ts'
import type { Informers } from '#client/informer.ts'
import { createInformers } from '#client/informers.ts'
import { CONTROLLER_MANAGER, controllerServices, informerProjections } from '#controllers/controllers.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { createScheduler } from '#scheduler/scheduler.ts'
import { inScope, usageOf } from '#server/admission/quota-usage.ts'
import type { ApiServer } from '#server/api-server.ts'
import type { Pki } from '#server/pki/pki.ts'

export interface ActorsOptions {
  pki: Pki
  clock: Clock
  random: Random
  log: Logger
  clusterCidr: string
  /** Ends the informers and what the actors have under way. */
  signal: AbortSignal
}

export interface Actors {
  informers: Informers
  controllers: Service[]
  scheduler: Service
}

/** Simulated nodes act for many nodes at once. */
export const SIMULATED_NODES: UserInfo = { username: 'system:sampan:simulated-nodes', groups: ['system:masters', 'system:authenticated'] }
const SCHEDULER: UserInfo = { username: 'system:kube-scheduler', groups: ['system:authenticated'] }

export function actorsOf(server: Pick<ApiServer, 'clientFor'>, options: ActorsOptions): Actors {
  const { pki, clusterCidr, log, ...shared } = options
  const { clock, random, signal } = shared
  const informers = createInformers({ client: server.clientFor(CONTROLLER_MANAGER), ...shared, log, projections: informerProjections })
  const controllers = controllerServices({
    clientFor: (user) => server.clientFor(user),
    clock,
    random,
    log: log.child({ service: 'controllers' }),
    rootCa: pki.authority,
    clusterCidr,
    certify: (request, signing) => pki.signCertificate(request, signing),
    quotaMeter: { usageOf, inScope },
    informers,
  })
  const client = server.clientFor(SCHEDULER)
  const own = { client, clock, random, signal, log: log.child({ service: 'scheduler' }) }
  const events = createEventRecorder({ ...own, component: 'default-scheduler', api: 'events.k8s.io' })
  return { informers, controllers, scheduler: createScheduler({ ...own, informers, events }) }
}
