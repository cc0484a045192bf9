import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { dnsLabel, forNames } from '#api/names.ts'
import { formatLabels } from '#api/validation/label-selector.ts'
import { carryOver, dropTypeDependent, isExternal } from './service-update.ts'
import { validateService } from './service-validation.ts'
import { serviceWarnings } from './service-warnings.ts'

export type Service = types.Service

/** Addresses and node ports are allocated by the server, after these hooks and before validation. */
export const Service = defineKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  shortNames: ['svc'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: {
    proxy: { verbs: ['create', 'delete', 'get', 'patch', 'update'], kind: { group: '', version: 'v1', kind: 'ServiceProxyOptions' } },
    status: { verbs: ['get', 'patch', 'update'] },
  },
  createOnUpdate: true,
  fields: {
    'spec.clusterIP': ({ spec }) => spec?.clusterIP ?? '',
    'spec.type': ({ spec }) => spec?.type ?? '',
  },
  validateName: forNames(dnsLabel),
  default: defaultService,
  prepareForCreate: normalizeClusterIPs,
  prepareForUpdate(next, previous, { subresource }) {
    if (subresource) return
    dropTypeDependent(next, previous)
    carryOver(next, previous)
    normalizeClusterIPs(next, previous)
  },
  validate: validateService,
  warnings: serviceWarnings,
  columns: [
    nameColumn,
    { name: 'Type', description: 'How the service is exposed.', value: ({ spec }) => spec?.type ?? '' },
    {
      name: 'Cluster-IP',
      description: 'Address inside the cluster.',
      value: ({ spec }) => spec?.clusterIPs?.[0] || spec?.clusterIP || '<none>',
    },
    { name: 'External-IP', description: 'Address outside the cluster.', value: externalAddress },
    { name: 'Port(s)', description: 'Ports, with node ports.', value: ({ spec }) => portsText(spec?.ports) },
    ageColumn,
    { name: 'Selector', description: 'Which pods answer.', priority: 1, value: ({ spec }) => formatLabels(spec?.selector) },
  ],
})

function defaultService(service: Service): void {
  service.status ??= {}
  service.status.loadBalancer ??= {}
  const { spec, status } = service
  if (!spec) return
  spec.sessionAffinity ||= 'None'
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {}
    spec.sessionAffinityConfig.clientIP ??= {}
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= 10800
  }
  spec.type ||= 'ClusterIP'
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP'
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port
  }
  if (isExternal(spec) || (spec.type === 'ClusterIP' && spec.externalIPs?.length)) spec.externalTrafficPolicy ||= 'Cluster'
  if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster'
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true
  for (const ingress of status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP'
}

/** clusterIP and clusterIPs say the same: whichever the caller changed leads. */
function normalizeClusterIPs({ spec }: Service, previous?: unknown): void {
  if (!spec) return
  const old = (previous as Service | undefined)?.spec
  if (!old) {
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP]
    return
  }
  const ipChanged = spec.clusterIP !== old.clusterIP
  const ipsChanged = spec.clusterIPs?.[0] !== old.clusterIPs?.[0]
  if (ipChanged && !ipsChanged) {
    if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP]
    else delete spec.clusterIPs
  }
}

function externalAddress({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? []
  switch (spec?.type) {
    case 'ClusterIP':
    case 'NodePort':
      return external.join(',') || '<none>'
    case 'LoadBalancer': {
      const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter(Boolean)
      return [...[...new Set(ingress)].toSorted(), ...external].join(',') || '<pending>'
    }
    case 'ExternalName':
      return spec.externalName ?? ''
    default:
      return '<unknown>'
  }
}

function portsText(ports: types.ServicePort[] | undefined): string {
  return (ports ?? []).map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`).join(',') || '<none>'
}
