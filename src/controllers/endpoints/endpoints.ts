// endpoints-controller: the Endpoints object of every service with a selector, for clients that do not read slices.
import { equal } from '#api/equal.ts'
import type { EndpointAddress, EndpointSubset } from '#api/generated/types.ts'
import { Endpoints } from '#api/kinds/core/endpoints.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import { keyText } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import { HEADLESS_LABEL } from '#api/well-known.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { isNamespaceTerminating, textOf } from '#controllers/pod-control.ts'
import { isReady } from '#controllers/pod-state.ts'
import { repackSubsets } from './repack.ts'
import {
  addressesOf,
  addressType,
  hostnameIn,
  isHeadless,
  LAST_CHANGE,
  podsOf,
  portsOf,
  servicesOf,
  wantsUnready,
  withAddress,
} from './service-ports.ts'
import { TriggerTimes } from './trigger-times.ts'

const CAPACITY = 1000
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity'
const MANAGED_BY = 'endpoints.kubernetes.io/managed-by'
const MANAGER = 'endpoint-controller'

export function endpointsController(): Controller {
  const times = new TriggerTimes()
  return {
    name: 'endpoints-controller',
    account: 'endpoint-controller',
    component: 'endpoint-controller',
    workers: 20,
    retries: 15,
    triggers: [
      itself(Service),
      mapped(Pod, servicesOf),
      mapped(Endpoints, ({ metadata }) =>
        metadata?.labels?.[MANAGED_BY] === MANAGER ? [{ namespace: metadata.namespace ?? '', name: metadata.name ?? '' }] : [],
      ),
    ],
    async reconcile(key, context) {
      const { client, informers } = context
      const service = informers.of(Service).get(key)
      const current = informers.of(Endpoints).get(key)
      if (!service) {
        times.forget(keyText(key))
        if (current?.metadata?.labels?.[MANAGED_BY] === MANAGER) await client.delete(Endpoints, key).catch(ignoreNotFound)
        return
      }
      if (service.spec?.type === 'ExternalName' || !service.spec?.selector || Object.keys(service.spec.selector).length === 0) return
      const selected = podsOf(service, informers)
      await write(service, current, { pods: withAddress(selected), changedAt: times.next(service, selected), context })
    },
  }
}

async function write(
  service: Service,
  current: Endpoints | undefined,
  { pods, changedAt, context }: { pods: readonly Pod[]; changedAt: string | undefined; context: ControllerContext },
): Promise<void> {
  const { subsets, truncated } = limited(subsetsOf(service, pods))
  const labels = labelsFor(service)
  const annotations: Record<string, string> = { ...current?.metadata?.annotations }
  delete annotations[LAST_CHANGE]
  delete annotations[OVER_CAPACITY]
  if (truncated) annotations[OVER_CAPACITY] = 'truncated'
  const same =
    current &&
    equal(current.subsets ?? [], subsets) &&
    equal(current.metadata?.labels ?? {}, labels) &&
    current.metadata?.annotations?.[OVER_CAPACITY] === annotations[OVER_CAPACITY]
  if (same) return
  if (changedAt) annotations[LAST_CHANGE] = changedAt
  const { namespace, name } = service.metadata!
  const metadata = { ...current?.metadata, namespace: namespace!, name: name!, labels, annotations }
  const endpoints: Endpoints = { apiVersion: 'v1', kind: 'Endpoints', metadata, ...(subsets.length > 0 ? { subsets } : {}) }
  try {
    await (current ? context.client.update(Endpoints, endpoints) : context.client.create(Endpoints, endpoints))
  } catch (error) {
    if (isNamespaceTerminating(error)) return
    const [reason, what] = current
      ? ['FailedToUpdateEndpoint', 'Failed to update endpoint']
      : ['FailedToCreateEndpoint', 'Failed to create endpoint for service']
    context.events.event(endpoints, 'Warning', reason!, `${what} ${namespace}/${name}: ${textOf(error)}`)
    throw error
  }
}

/** Each set of addresses is there once, with all of its ports; everything is sorted, so that equal worlds give equal objects. */
function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const tolerant = wantsUnready(service)
  const family = service.spec?.ipFamilies?.[0] ?? 'IPv4'
  const loose = pods.flatMap((pod): EndpointSubset[] => {
    const ip = addressesOf(pod).find((address) => addressType(address) === family)
    if (!ip || (pod.metadata?.deletionTimestamp && !tolerant)) return []
    const ports = portsOf(service, pod)
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) return []
    const list = tolerant || isReady(pod) ? 'addresses' : 'notReadyAddresses'
    return [{ [list]: [addressOf(service, pod, ip)], ports: ports.map(({ name, ...port }) => ({ ...(name ? { name } : {}), ...port })) }]
  })
  const packed = repackSubsets(loose).map(({ addresses = [], notReadyAddresses = [], ports = [] }) => ({
    ...(addresses.length > 0 ? { addresses: addresses.toSorted(byAddress) } : {}),
    ...(notReadyAddresses.length > 0 ? { notReadyAddresses: notReadyAddresses.toSorted(byAddress) } : {}),
    ...(ports.length > 0 ? { ports: ports.toSorted(byPort) } : {}),
  }))
  return packed.toSorted((a, b) => byPort(a.ports, b.ports))
}

function addressOf(service: Service, pod: Pod, ip: string): EndpointAddress {
  const hostname = hostnameIn(service, pod)
  const { namespace, name, uid } = pod.metadata!
  return {
    ip,
    ...(hostname ? { hostname } : {}),
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: 'Pod', namespace: namespace!, name: name!, uid: uid! },
  }
}

function byPort(a: unknown, b: unknown): number {
  const [first = '', second = ''] = [JSON.stringify(a), JSON.stringify(b)]
  return first < second ? -1 : first > second ? 1 : 0
}

/** At most 1000 addresses, ready ones first; subsets give in proportion to what they have, rounded up. */
export function limited(subsets: readonly EndpointSubset[], capacity = CAPACITY): { subsets: EndpointSubset[]; truncated: boolean } {
  const count = (list: 'addresses' | 'notReadyAddresses') => subsets.reduce((sum, subset) => sum + (subset[list] ?? []).length, 0)
  const ready = count('addresses')
  const unready = count('notReadyAddresses')
  if (ready + unready <= capacity) return { subsets: [...subsets], truncated: false }
  const [cut, most, total] =
    ready > capacity ? (['addresses', capacity, ready] as const) : (['notReadyAddresses', capacity - ready, unready] as const)
  let left = most
  const kept = subsets.map((subset) => {
    const list = subset[cut] ?? []
    const share = list.slice(0, Math.min(left, Math.ceil((list.length * most) / total)))
    left -= share.length
    return { ...subset, ...(cut === 'addresses' ? { notReadyAddresses: [] } : {}), [cut]: share }
  })
  const filled = kept.flatMap(({ addresses = [], notReadyAddresses = [], ...rest }) => {
    if (addresses.length + notReadyAddresses.length === 0) return []
    return [{ ...(addresses.length > 0 ? { addresses } : {}), ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}), ...rest }]
  })
  return { subsets: filled, truncated: true }
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  return a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : (a.targetRef?.uid ?? '') < (b.targetRef?.uid ?? '') ? -1 : 1
}

function labelsFor(service: Service): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...own } = service.metadata?.labels ?? {}
  return { ...own, ...(isHeadless(service) ? { [HEADLESS_LABEL]: '' } : {}), [MANAGED_BY]: MANAGER }
}
