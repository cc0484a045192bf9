// Which port of a pod a service's port leads to, and which pods of a namespace a service selects.
import { isFinished } from '#api/finished-pod.ts'
import type { ServicePort } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import { keyOf, type ObjectKey } from '#api/object.ts'
import type { Informers } from '#client/informer.ts'
import { hasLabels } from '#api/labels.ts'

export interface EndpointPort {
  name: string
  protocol: string
  port: number
  appProtocol?: string
}

export const LAST_CHANGE = 'endpoints.kubernetes.io/last-change-trigger-time'

/** Ports that `pod` really offers to the service; a name that no container of it has is left out. */
export function portsOf(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((servicePort) => {
    const port = targetPortOf(servicePort, pod)
    if (port === undefined) return []
    const { name = '', protocol = 'TCP', appProtocol } = servicePort
    return [{ name, protocol, port, ...(appProtocol ? { appProtocol } : {}) }]
  })
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None'
}

export function wantsUnready(service: Service): boolean {
  return service.spec?.publishNotReadyAddresses === true
}

/** All that the service selects. */
export function podsOf({ metadata, spec }: Service, informers: Informers): Pod[] {
  return informers
    .of(Pod)
    .list(metadata?.namespace)
    .filter((pod) => hasLabels(pod.metadata?.labels, spec?.selector))
}

/** Those that have an address and have not finished. */
export function withAddress(pods: readonly Pod[]): Pod[] {
  return pods.filter((pod) => !isFinished(pod) && addressesOf(pod).length > 0)
}

export function addressesOf({ status }: Pod): string[] {
  const all = (status?.podIPs ?? []).map(({ ip }) => ip).filter((ip) => ip !== undefined && ip !== '')
  return all.length > 0 ? all : status?.podIP ? [status.podIP] : []
}

export function addressType(address: string): 'IPv4' | 'IPv6' {
  return address.includes(':') ? 'IPv6' : 'IPv4'
}

/** Keys of services with a selector that takes the pod in. */
export function servicesOf(pod: Pod, informers: Informers): ObjectKey[] {
  const services = informers.of(Service).list(pod.metadata?.namespace)
  return services
    .filter(({ spec }) => spec?.selector && Object.keys(spec.selector).length > 0 && hasLabels(pod.metadata?.labels, spec.selector))
    .map((service) => keyOf(service))
}

/** The pod's hostname, where the service gives it a name in DNS. */
export function hostnameIn(service: Service, pod: Pod): string | undefined {
  const named =
    pod.spec?.hostname && pod.spec.subdomain === service.metadata?.name && pod.metadata?.namespace === service.metadata?.namespace
  return named ? pod.spec!.hostname : undefined
}

function targetPortOf({ targetPort, port, protocol = 'TCP' }: ServicePort, pod: Pod): number | undefined {
  if (typeof targetPort === 'number' && targetPort !== 0) return targetPort
  if (typeof targetPort !== 'string' || targetPort === '') return port
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    const match = container.ports?.find(({ name, protocol: spoken = 'TCP' }) => name === targetPort && spoken === protocol)
    if (match) return match.containerPort
  }
  return undefined
}
