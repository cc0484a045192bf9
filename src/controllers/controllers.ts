// All controllers, in one visible list. Each acts under its own identity; all read through one set of informers.
import type { Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { hasReason } from '#api/status.ts'
import type { Client, UserInfo } from '#client/client.ts'
import type { Controller } from '#client/controller.ts'
import { createControllerService } from '#client/controller-loop.ts'
import { withFieldManager } from '#client/field-manager.ts'
import type { Projection } from '#client/informer-cache.ts'
import type { Informers } from '#client/informer.ts'
import { createInformers } from '#client/informers.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { horizontalPodAutoscalerController } from './autoscaler/horizontal-pod-autoscaler.ts'
import { type ClusterKinds, createClusterKinds } from './cluster-kinds.ts'
import { certificateApprovingController } from './certificates/approving.ts'
import { certificateCleanerController } from './certificates/cleaner.ts'
import { type Certify, certificateSigningController } from './certificates/signing.ts'
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts'
import { cronJobController } from './cron-job.ts'
import { daemonSetController } from './daemon-set/daemon-set.ts'
import { deploymentController } from './deployment/deployment.ts'
import { deviceTaintEvictionController } from './device-taint-eviction.ts'
import { disruptionController } from './disruption.ts'
import { endpointSliceController } from './endpoints/endpoint-slice.ts'
import { endpointsController } from './endpoints/endpoints.ts'
import { endpointSliceMirroringController } from './endpoints/mirroring.ts'
import { garbageCollector } from './garbage-collector/garbage-collector.ts'
import { jobController } from './job/job.ts'
import { jobOrphanController } from './job/orphans.ts'
import { legacyTokenCleaner } from './legacy-token-cleaner.ts'
import { type ControllerMetrics, queueNames } from './metrics.ts'
import { namespaceController } from './namespace/namespace.ts'
import { nodeIpamController } from './node-ipam.ts'
import { nodeLifecycleController } from './node-lifecycle/node-lifecycle.ts'
import { podGarbageCollector } from './pod-garbage-collector.ts'
import { replicaSetController } from './replica-set.ts'
import { replicationControllerController } from './replication-controller.ts'
import { resourceClaimController } from './resource-claims/pod-claims.ts'
import { resourceClaimReservations } from './resource-claims/reservations.ts'
import { type QuotaMeter, resourceQuotaController } from './resource-quota.ts'
import { ROOT_CA_CONFIG_MAP, rootCaCertificatePublisher } from './root-ca-certificate-publisher.ts'
import { serviceAccountController } from './service-account.ts'
import { keptOfSecret, type SignToken, serviceAccountTokenController } from './service-account-token.ts'
import { serviceCidrController } from './service-cidr.ts'
import { staleDisruptionController } from './stale-disruptions.ts'
import { statefulSetController } from './stateful-set/stateful-set.ts'
import { taintEvictionController } from './taint-eviction.ts'
import { ttlController } from './ttl.ts'
import { ttlAfterFinishedController } from './ttl-after-finished.ts'
import { validatingAdmissionPolicyStatusController } from './validating-admission-policy-status.ts'
import { attachDetachController } from './volumes/attach-detach.ts'
import { attachedVolumesController } from './volumes/attached-volumes.ts'
import { persistentVolumeBinder } from './volumes/binder.ts'
import { ephemeralVolumeController } from './volumes/ephemeral.ts'
import { volumeExpander } from './volumes/expander.ts'
import { attributesClassProtectionController, claimProtectionController, volumeProtectionController } from './volumes/protection.ts'

export interface ControllersOptions {
  clientFor(user: UserInfo): Client
  clock: Clock
  random: Random
  log: Logger
  /** PEM of the authority that signed the API server's certificate. */
  rootCa: string
  /** Pod addresses of the whole cluster; a /24 of it goes to each node. */
  clusterCidr?: string
  /** Signs what CertificateSigningRequests ask for; without it nothing is issued. */
  certify?: Certify
  /** Fills the Secrets that hold tokens of service accounts; without it they stay empty. */
  signToken?: SignToken
  /** The rules by which admission charges quotas; without them quotas are not kept up. */
  quotaMeter?: QuotaMeter
  /** Shared with other actors of the process; made and ended here when absent. */
  informers?: Informers
  kinds?: readonly Kind<any>[]
  metrics?: ControllerMetrics
}

/** Its role may list and watch everything; it writes nothing but tokens and accounts. */
export const CONTROLLER_MANAGER: UserInfo = { username: 'system:kube-controller-manager', groups: ['system:authenticated'] }

/** What informers keep of kinds that are large and whose content controllers do not read. */
export const informerProjections: ReadonlyMap<Kind<any>, Projection> = new Map<Kind<any>, Projection>([
  [Secret, keptOfSecret],
  [ConfigMap, keptOfConfigMap],
])

function allControllers(options: ControllersOptions, kinds: ClusterKinds): Controller[] {
  const { clock, rootCa, clusterCidr = '10.244.0.0/16' } = options
  /** Attachments on their way out: what one loop lets go the other reports no longer. */
  const detaching = new Set<string>()
  return [
    serviceAccountController,
    rootCaCertificatePublisher(rootCa),
    ...(options.signToken ? [serviceAccountTokenController(rootCa, options.signToken)] : []),
    legacyTokenCleaner,
    clusterRoleAggregationController,
    nodeIpamController({ clusterCidr }),
    nodeLifecycleController(clock),
    taintEvictionController(),
    ttlController(),
    replicaSetController,
    replicationControllerController,
    deploymentController(),
    statefulSetController(),
    daemonSetController(),
    jobController(),
    jobOrphanController,
    cronJobController(),
    ttlAfterFinishedController,
    disruptionController(kinds),
    staleDisruptionController,
    horizontalPodAutoscalerController(kinds),
    endpointSliceController(),
    endpointsController(),
    endpointSliceMirroringController,
    ...(options.quotaMeter ? [resourceQuotaController(options.quotaMeter, kinds)] : []),
    serviceCidrController,
    persistentVolumeBinder(),
    volumeExpander(),
    attachDetachController(detaching),
    attachedVolumesController(detaching),
    ephemeralVolumeController,
    resourceClaimController(),
    resourceClaimReservations,
    deviceTaintEvictionController(),
    claimProtectionController,
    volumeProtectionController,
    attributesClassProtectionController,
    certificateApprovingController,
    ...(options.certify ? [certificateSigningController(options.certify)] : []),
    certificateCleanerController,
    validatingAdmissionPolicyStatusController(kinds),
    podGarbageCollector(),
    namespaceController(kinds),
    // Last: it shares the informers of all the others and adds slim ones for the kinds nobody else reads.
    garbageCollector(kinds),
  ]
}

export function controllerServices(options: ControllersOptions): Service[] {
  const { clock, random, log, metrics } = options
  const clientFor = (user: UserInfo) => withFieldManager(options.clientFor(user), 'kube-controller-manager')
  const stop = new AbortController()
  const reader = clientFor(CONTROLLER_MANAGER)
  const informers =
    options.informers ?? createInformers({ client: reader, clock, random, log, signal: stop.signal, projections: informerProjections })
  const controllers = allControllers(options, createClusterKinds(options.kinds ?? builtinKinds, informers, reader))
  const accounts = controllers.filter(({ name }) => name !== 'serviceaccount-token-controller').map(accountOf)
  return [
    informersService(stop),
    accountsService(accounts, reader),
    ...controllers.map((controller) => {
      const client = controller.name === 'serviceaccount-token-controller' ? reader : clientFor(serviceAccountUser(accountOf(controller)))
      const counted = metrics ? { metrics, queue: queueNames[controller.name] ?? controller.name } : {}
      metrics?.set('running_managed_controllers', ['kube-controller-manager', controller.name], 1)
      return createControllerService(controller, { client, informers, clock, random, log, ...counted })
    }),
  ]
}

/** The identity of a kube-system service account. */
function serviceAccountUser(account: string): UserInfo {
  return {
    username: `system:serviceaccount:kube-system:${account}`,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
  }
}

/** Only the root certificate is compared with what it should be. */
function keptOfConfigMap({ apiVersion, kind, metadata, data }: ConfigMap): ConfigMap {
  const kept = { ...(apiVersion ? { apiVersion } : {}), ...(kind ? { kind } : {}), ...(metadata ? { metadata } : {}) }
  return metadata?.name === ROOT_CA_CONFIG_MAP && data ? { ...kept, data } : kept
}

function accountOf({ account, name }: Controller): string {
  return account ?? name
}

/** Ends the shared informers after everything that reads them. */
function informersService(stop: AbortController): Service {
  return {
    name: 'informers',
    async start() {
      return {
        async [Symbol.asyncDispose]() {
          stop.abort(new Error('informers were stopped'))
        },
      }
    },
  }
}

/** The accounts exist as objects too, so that they can be seen and bound to roles. */
function accountsService(accounts: readonly string[], client: Client): Service {
  return {
    name: 'controller-accounts',
    async start(signal) {
      const { items } = await client.list(ServiceAccount, { namespace: 'kube-system', signal })
      const present = new Set(items.map(({ metadata }) => metadata?.name))
      const missing = [...new Set(accounts)].filter((name) => !present.has(name))
      const created = missing.map((name) =>
        client.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'kube-system', name } }),
      )
      for (const result of await Promise.allSettled(created)) {
        if (result.status === 'rejected' && !hasReason(result.reason, 'AlreadyExists')) throw result.reason
      }
      return { async [Symbol.asyncDispose]() {} }
    },
  }
}
