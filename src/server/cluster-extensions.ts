// Everything that makes a bare API server a cluster's: who may come in and do what, what is added and refused on the way, what must exist.
// One visible list of each; nothing here is used before the server starts.
import { createEventRecorder, type EventRecorder } from '#client/event-recorder.ts'
import { withFieldManager } from '#client/field-manager.ts'
import { systemClock } from '#lib/clock.ts'
import { addressAt } from '#lib/ipv4.ts'
import type { Store } from '#store/store.ts'
import { accessControl, type AccessOptions } from './access/access-control.ts'
import { authenticationReviews } from './access/authentication-reviews.ts'
import { accessReviews } from './access/access-reviews.ts'
import { preventEscalation } from './access/escalation.ts'
import { tokenEndpoints } from './access/key-set.ts'
import type { ServiceAccountTokens } from './access/service-account-tokens.ts'
import type { AdmissionOptions } from './admission/admission-configuration.ts'
import { deviceAdminAccess } from './admission/device-admin-access.ts'
import { admissionMetrics, admissionPlugins } from './admission/plugins.ts'
import { policyParamAccess } from './admission/policies/param-access.ts'
import { ServiceAllocator } from './allocation/service-allocator.ts'
import { endpointsOfServices } from './allocation/service-endpoints.ts'
import { bootstrap, keep } from './bootstrap/bootstrap.ts'
import { SYSTEM_USER } from './engine/engine.ts'
import { MetricsApi, metricsKinds } from './metrics-api/metrics-api.ts'
import type { Pki } from './pki/pki.ts'
import type { Authorizer, ServerContext, ServerExtensions } from './request.ts'
import { type ActorsAtWork, componentStatuses } from './subresources/component-statuses.ts'
import { Kubelets } from './subresources/kubelets.ts'
import { podBinding } from './subresources/pod-binding.ts'
import { podEviction } from './subresources/pod-eviction.ts'
import { podLogs } from './subresources/pod-logs.ts'
import { podStreams } from './subresources/pod-streams.ts'
import { proxies } from './subresources/proxies.ts'
import { serviceAccountToken } from './subresources/service-account-token.ts'

export interface ClusterOptions {
  pki: Pki
  /** e.g. 10.96.0.0/12; the API server's service takes its first address. */
  serviceCidr: string
  /** Of the cluster's DNS service; the tenth of the range unless said. */
  dnsAddress?: string
  clusterDomain?: string
  /** Where pods and nodes reach the API server itself. */
  advertiseAddress: string
  port: number
  /** Of the machine: part of this server's identity. */
  hostName?: string
  /** The store, where other API servers work on it, too. */
  shared?: Store | undefined
  /** Answers nobody from outside this process. */
  private?: boolean
  actorsAtWork?: ActorsAtWork
  access?: AccessOptions
  admission?: AdmissionOptions
}

export interface ClusterExtensions extends ServerExtensions {
  tokens: ServiceAccountTokens
  authorizer: Authorizer
}

export function clusterExtensions(context: ServerContext, options: ClusterOptions): ClusterExtensions {
  const { reader, random } = context
  const { pki, serviceCidr, clusterDomain = 'cluster.local', advertiseAddress, port } = options
  const access = accessControl(context, {
    key: pki.serviceAccountKey,
    issuer: serviceAccountIssuer(clusterDomain),
    outsideClock: systemClock,
    ...(options.access ? { options: options.access } : {}),
  })
  const { authorizer, tokens, rbac, index } = access
  const kubelets = new Kubelets(reader, { authority: pki.authority, ...pki.kubeletClient })
  const usage = new MetricsApi(context, kubelets)
  const system = {
    serviceCidr,
    serviceAddress: addressAt(serviceCidr, 1),
    dnsAddress: options.dnsAddress ?? addressAt(serviceCidr, 10),
    advertiseAddress,
    port,
    hostName: options.hostName ?? 'localhost',
    shared: options.shared !== undefined,
    private: options.private === true,
    authority: pki.authority,
    frontProxyAuthority: pki.frontProxyAuthority,
  }
  const allocator = new ServiceAllocator(context, { serviceCidr, shared: options.shared, events: repairEvents(context, system.hostName) })
  const metrics = admissionMetrics()
  return {
    tokens,
    authenticators: access.authenticators,
    anonymous: access.anonymous,
    authorizer,
    admission: [
      deviceAdminAccess(context),
      ...admissionPlugins(context, authorizer, { metrics, ...(options.admission ? { options: options.admission } : {}) }),
      policyParamAccess(context, authorizer),
      preventEscalation({ rbac, index, authorizer }),
    ],
    writeHooks: [allocator, endpointsOfServices(context)],
    frontProxy: pki.frontProxyClient,
    metrics: [() => metrics.validatingPolicies.families(), () => metrics.mutatingPolicies.families(), () => metrics.webhooks.families()],
    endpoints: tokenEndpoints({
      issuer: access.issuer,
      publicKeys: access.publicKeys,
      url: context.url,
      ...(options.access?.serviceAccountJwksUri ? { jwksUri: options.access.serviceAccountJwksUri } : {}),
    }),
    kinds: metricsKinds,
    subresources: [
      ...usage.handlers,
      ...accessReviews(authorizer),
      ...authenticationReviews(access.knowledge, context.clock),
      componentStatuses(context, options.actorsAtWork),
      ...podBinding(context),
      podEviction(context),
      serviceAccountToken(context, tokens, options.access),
      podLogs(reader, kubelets),
      ...podStreams({ reader, authorizer, kubelets }),
      ...proxies({ reader, kubelets, random }),
    ],
    async bootstrap(signal) {
      await allocator.repair()
      await bootstrap(context, system, signal)
      await access.prepare()
    },
    async run(signal) {
      using _connections = kubelets
      using _usage = usage
      await Promise.all([access.run(signal), allocator.run(signal), keep(context, system, signal)])
    },
  }
}

/** Made with the first event: the server whose client writes them is only being put together. */
function repairEvents(context: ServerContext, host: string): EventRecorder {
  let recorder: EventRecorder | undefined
  const make = () => {
    const client = withFieldManager(context.clientFor(SYSTEM_USER), 'kube-apiserver')
    return createEventRecorder({ ...context, client, component: 'ipallocator-repair-controller', host, api: 'events.k8s.io' })
  }
  return {
    event(...told) {
      recorder ??= make()
      recorder.event(...told)
    },
  }
}

/** Who issues the cluster's service-account tokens, as they say themselves. */
export const serviceAccountIssuer = (clusterDomain: string): string => `https://kubernetes.default.svc.${clusterDomain}`
