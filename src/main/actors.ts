// Those who make a cluster work, put together over whatever leads to an API server: controllers and scheduler, each acting as itself, reading
// through one set of informers. They begin to read as soon as they are made, so the server answers first.
import type { Client, UserInfo } from '#client/client.ts'
import { createEventRecorder } from '#client/event-recorder.ts'
import type { Informers } from '#client/informer.ts'
import { createInformers } from '#client/informers.ts'
import type { Certify } from '#controllers/certificates/signing.ts'
import type { SignToken } from '#controllers/service-account-token.ts'
import type { ControllerMetrics } from '#controllers/metrics.ts'
import { CONTROLLER_MANAGER, controllerServices, informerProjections } from '#controllers/controllers.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import type { SchedulerConfiguration } from '#scheduler/configuration/configuration.ts'
import type { SchedulerMetrics } from '#scheduler/metrics.ts'
import { createScheduler } from '#scheduler/scheduler.ts'
import { legacyToken } from '#server/access/legacy-tokens.ts'
import type { Pki } from '#server/pki/pki.ts'
import { inScope, usageOf } from '#server/admission/quota-usage.ts'

export interface ActorOptions {
  clientFor(user: UserInfo): Client
  clock: Clock
  random: Random
  log: Logger
  /** Ends the informers and what the actors have under way. */
  signal: AbortSignal
}

/** Simulated nodes act for many nodes at once. */
export const SIMULATED_NODES: UserInfo = { username: 'system:sampan:simulated-nodes', groups: ['system:masters', 'system:authenticated'] }
export const SCHEDULER: UserInfo = { username: 'system:kube-scheduler', groups: ['system:authenticated'] }

export function informersOf({ clientFor, ...shared }: ActorOptions): Informers {
  return createInformers({ client: clientFor(CONTROLLER_MANAGER), ...shared, projections: informerProjections })
}

/** What controllers have signed without holding a key. */
export interface Signers {
  certify: Certify
  signToken: SignToken
}

export function signersOf(pki: Pki): Signers {
  return { certify: (request, signing) => pki.signCertificate(request, signing), signToken: (of) => legacyToken(pki.serviceAccountKey, of) }
}

export function controllersOf(
  options: ActorOptions & { informers: Informers; rootCa: string; clusterCidr: string; metrics?: ControllerMetrics } & Partial<Signers>,
): Service[] {
  const { signal: _signal, log, ...given } = options
  return controllerServices({ ...given, log: log.child({ service: 'controllers' }), quotaMeter: { usageOf, inScope } })
}

export function schedulerOf({
  clientFor,
  log,
  informers,
  configuration,
  metrics,
  host,
  ...shared
}: ActorOptions & { informers: Informers; configuration?: SchedulerConfiguration; host?: string; metrics?: SchedulerMetrics }): Service {
  const own = { ...shared, client: clientFor(SCHEDULER), log: log.child({ service: 'scheduler' }) }
  const eventsFor = (component: string) => createEventRecorder({ ...own, component, api: 'events.k8s.io', ...(host ? { host } : {}) })
  return createScheduler({ ...own, informers, eventsFor, ...(configuration ? { configuration } : {}), ...(metrics ? { metrics } : {}) })
}
