// Namespaces, priority classes, the API server's own Service and addresses, cluster DNS, and what extension servers read.
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Endpoints } from '#api/kinds/core/endpoints.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { ServiceCIDR } from '#api/kinds/networking/service-cidr.ts'
import { PriorityClass } from '#api/kinds/scheduling/priority-class.ts'
import { NODE_LEASE_NAMESPACE, SERVICE_CIDR_FINALIZER, SERVICE_NAME_LABEL, SKIP_MIRROR_LABEL } from '#api/well-known.ts'
import { formatTime } from '#lib/clock.ts'
import type { Desired } from './desired.ts'
import type { ServerAddress } from './server-lease.ts'

export interface SystemOptions {
  /** e.g. 10.96.0.0/12; `serviceAddress` is its first address, `dnsAddress` the tenth. */
  serviceCidr: string
  serviceAddress: string
  dnsAddress: string
  /** Where pods and nodes reach the API server. */
  advertiseAddress: string
  port: number
  /** All API servers that live, this one among them. */
  servers: readonly ServerAddress[]
  authority: string
  frontProxyAuthority: string
  now: number
}

export function namespaces(): Desired[] {
  return ['default', 'kube-system', 'kube-public', NODE_LEASE_NAMESPACE].map((name) => ({
    kind: Namespace,
    object: { metadata: { name } },
  }))
}

export function priorityClasses(): Desired<PriorityClass>[] {
  const critical = (name: string, value: number, description: string) => ({
    kind: PriorityClass,
    object: { metadata: { name }, value, description, preemptionPolicy: 'PreemptLowerPriority' },
  })
  return [
    critical('system-node-critical', 2_000_001_000, 'For system critical pods that must not be moved from their current node.'),
    critical(
      'system-cluster-critical',
      2_000_000_000,
      'For system critical pods that must run in the cluster, but may move to another node.',
    ),
  ]
}

/** In the order they are needed: the range before the addresses in it. */
export function services(options: SystemOptions): Desired[] {
  return [serviceRange(options), apiService(options), dnsService(options), apiEndpoints(options), ...apiSlices(options)]
}

function serviceRange({ serviceCidr }: SystemOptions): Desired<ServiceCIDR> {
  return {
    kind: ServiceCIDR,
    object: { metadata: { name: 'kubernetes', finalizers: [SERVICE_CIDR_FINALIZER] }, spec: { cidrs: [serviceCidr] } },
    status(object, now) {
      const message = 'Kubernetes Service CIDR is ready'
      const lastTransitionTime = formatTime(now)
      object.status = { conditions: [{ type: 'Ready', status: 'True', reason: '', message, lastTransitionTime }] }
    },
  }
}

function apiService({ serviceAddress, port }: SystemOptions): Desired<Service> {
  return {
    kind: Service,
    object: {
      metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
      spec: {
        type: 'ClusterIP',
        clusterIP: serviceAddress,
        clusterIPs: [serviceAddress],
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        sessionAffinity: 'None',
        ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }],
      },
    },
    reconcile(present) {
      const [one, ...more] = present.spec?.ports ?? []
      const kept = more.length === 0 && one?.name === 'https' && one.port === 443 && one.protocol === 'TCP' && one.targetPort === port
      if (!kept) present.spec!.ports = [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }]
      present.spec!.type = 'ClusterIP'
    },
  }
}

function dnsService({ dnsAddress }: SystemOptions): Desired<Service> {
  const labels = { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' }
  return {
    kind: Service,
    object: {
      metadata: { name: 'kube-dns', namespace: 'kube-system', labels },
      spec: {
        type: 'ClusterIP',
        clusterIP: dnsAddress,
        clusterIPs: [dnsAddress],
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        sessionAffinity: 'None',
        // No selector: cluster DNS is part of the network, not a pod. The network publishes its addresses.
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
          { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
          { name: 'metrics', port: 9153, protocol: 'TCP', targetPort: 9153 },
        ],
      },
    },
  }
}

function apiEndpoints({ servers }: SystemOptions): Desired<Endpoints> {
  const subsets = [...byPort(servers)].map(([port, ips]) => ({ addresses: ips.map((ip) => ({ ip })), ports: portsOf(port) }))
  const labels = { [SKIP_MIRROR_LABEL]: 'true' }
  return {
    kind: Endpoints,
    object: { metadata: { name: 'kubernetes', namespace: 'default', labels }, subsets },
    reconcile(present) {
      present.subsets = subsets
    },
  }
}

/** A slice has one port for all its addresses: servers on other ports than the first are in slices of their own. */
function apiSlices({ servers }: SystemOptions): Desired<EndpointSlice>[] {
  const labels = { [SERVICE_NAME_LABEL]: 'kubernetes' }
  return [...byPort(servers)].map(([port, ips], index) => {
    const endpoints = ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } }))
    const ports = portsOf(port)
    const name = index === 0 ? 'kubernetes' : `kubernetes-${port}`
    return {
      kind: EndpointSlice,
      object: { metadata: { name, namespace: 'default', labels }, addressType: 'IPv4', endpoints, ports },
      reconcile(present) {
        present.endpoints = endpoints
        present.ports = ports
      },
    }
  })
}

const portsOf = (port: number) => [{ name: 'https', port, protocol: 'TCP' }]

function byPort(servers: readonly ServerAddress[]): [number, string[]][] {
  const groups = Map.groupBy(servers, ({ port }) => port)
  return [...groups].map(([port, all]): [number, string[]] => [port, all.map(({ ip }) => ip)]).toSorted(([a], [b]) => a - b)
}

export function configMaps({ authority, frontProxyAuthority, now }: SystemOptions): Desired<ConfigMap>[] {
  const list = (...texts: string[]) => JSON.stringify(texts)
  const data: Record<string, string> = {
    'client-ca-file': authority,
    'requestheader-client-ca-file': frontProxyAuthority,
    'requestheader-allowed-names': list('front-proxy-client'),
    'requestheader-username-headers': list('X-Remote-User'),
    'requestheader-uid-headers': list('X-Remote-Uid'),
    'requestheader-group-headers': list('X-Remote-Group'),
    'requestheader-extra-headers-prefix': list('X-Remote-Extra-'),
  }
  return [
    {
      kind: ConfigMap,
      object: { metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' }, data },
      reconcile(present) {
        present.data = { ...present.data, ...data }
      },
    },
    {
      kind: ConfigMap,
      object: {
        metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' },
        data: { since: formatTime(now).slice(0, 10) },
      },
    },
  ]
}
