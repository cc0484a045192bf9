// endpointslice-mirroring-controller: slices for Endpoints that someone wrote by hand for a service without selector.
import { equal } from '#api/equal.ts'
import type { Endpoint, EndpointAddress, EndpointSubset } from '#api/generated/types.ts'
import { Endpoints } from '#api/kinds/core/endpoints.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import { LAST_APPLIED_ANNOTATION, SERVICE_NAME_LABEL, SKIP_MIRROR_LABEL, SLICE_MANAGER_LABEL } from '#api/well-known.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { controllerReference } from '#controllers/owners.ts'
import { isNamespaceTerminating } from '#controllers/pod-control.ts'
import { repackSubsets } from './repack.ts'
import { addressType, LAST_CHANGE } from './service-ports.ts'
import { planSlices, type PortGroup } from './slice-plan.ts'
import { slicesOf } from './slices-of.ts'

const MANAGER = 'endpointslicemirroring-controller.k8s.io'
const LEADER = 'control-plane.alpha.kubernetes.io/leader'
const PER_SUBSET = 1000
const RETRY_MS = { first: 1000, most: 100_000 }
const NOT_COPIED = new Set([LAST_CHANGE, LAST_APPLIED_ANNOTATION])

export const endpointSliceMirroringController: Controller = {
  name: 'endpointslice-mirroring-controller',
  account: 'endpointslicemirroring-controller',
  component: 'endpoint-slice-mirroring-controller',
  workers: 5,
  retryMs: RETRY_MS,
  retries: 15,
  triggers: [
    itself(Endpoints),
    itself(Service),
    mapped(EndpointSlice, ({ metadata }) =>
      metadata?.labels?.[SLICE_MANAGER_LABEL] === MANAGER
        ? [{ namespace: metadata.namespace ?? '', name: metadata.labels[SERVICE_NAME_LABEL] ?? '' }]
        : [],
    ),
  ],
  async reconcile(key, { client, informers, events }) {
    const endpoints = informers.of(Endpoints).get(key)
    const service = informers.of(Service).get(key)
    const existing = slicesOf(key, MANAGER, informers)
    const mirrored = endpoints && shouldMirror(endpoints) && service && !service.spec?.selector
    if (!mirrored) {
      for (const slice of existing) await client.delete(EndpointSlice, keyOf(slice)).catch(ignoreNotFound)
      return
    }
    const subsets = repackSubsets(endpoints.subsets ?? [])
    const skipped = subsets.reduce(
      (sum, { addresses = [], notReadyAddresses = [] }) => sum + Math.max(0, addresses.length + notReadyAddresses.length - PER_SUBSET),
      0,
    )
    if (skipped > 0) {
      const text = `A max of ${PER_SUBSET} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`
      events.event(endpoints, 'Warning', 'TooManyAddressesToMirror', text)
    }
    try {
      for (const type of ['IPv4', 'IPv6'] as const) await syncFamily(endpoints, { type, subsets, existing, client })
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error
    }
  },
}

function shouldMirror({ metadata }: Endpoints): boolean {
  return metadata?.labels?.[SKIP_MIRROR_LABEL] !== 'true' && !Object.hasOwn(metadata?.annotations ?? {}, LEADER)
}

async function syncFamily(
  endpoints: Endpoints,
  {
    type,
    subsets,
    existing,
    client,
  }: { type: 'IPv4' | 'IPv6'; subsets: readonly EndpointSubset[]; existing: readonly EndpointSlice[]; client: ControllerContext['client'] },
): Promise<void> {
  const labels: Record<string, string> = {
    ...endpoints.metadata?.labels,
    [SERVICE_NAME_LABEL]: endpoints.metadata!.name!,
    [SLICE_MANAGER_LABEL]: MANAGER,
  }
  const annotations = Object.fromEntries(Object.entries(endpoints.metadata?.annotations ?? {}).filter(([name]) => !NOT_COPIED.has(name)))
  const isStale = ({ metadata }: EndpointSlice) =>
    !equal(metadata?.labels ?? {}, labels) || !equal(metadata?.annotations ?? {}, annotations)
  const own = existing.filter((slice) => slice.addressType === type)
  const wanted = subsets.map((subset) => groupOf(subset, type))
  const plan = planSlices(own, wanted, { limit: PER_SUBSET, isStale })

  const { namespace, name, deletionTimestamp } = endpoints.metadata!
  const written = { labels, annotations, ownerReferences: [controllerReference(Endpoints, endpoints)] }
  const made = plan.create.map((group) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { generateName: `${name}-`, namespace: namespace!, ...written },
    addressType: type,
    ...group,
  }))
  // Slices that would go are used again under their names.
  for (const { metadata } of plan.delete.splice(0, made.length)) {
    const slice = made.pop()!
    plan.update.push({ ...slice, metadata: { ...slice.metadata, name: metadata!.name! } })
  }
  for (const slice of deletionTimestamp ? [] : made) await client.create(EndpointSlice, slice)
  for (const slice of plan.update) await client.update(EndpointSlice, { ...slice, metadata: { ...slice.metadata, ...written } })
  for (const slice of plan.delete) await client.delete(EndpointSlice, keyOf(slice)).catch(ignoreNotFound)
}

function groupOf({ addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset, type: string): PortGroup {
  const endpoint =
    (ready: boolean) =>
    ({ ip, hostname, nodeName, targetRef }: EndpointAddress): Endpoint => ({
      addresses: [ip],
      conditions: { ready },
      ...(hostname ? { hostname } : {}),
      ...(targetRef ? { targetRef } : {}),
      ...(nodeName ? { nodeName } : {}),
    })
  const all = [...addresses.map(endpoint(true)), ...notReadyAddresses.map(endpoint(false))]
  return {
    ports: ports.map(({ name = '', protocol = 'TCP', port, appProtocol }) => ({
      name,
      protocol,
      port,
      ...(appProtocol ? { appProtocol } : {}),
    })),
    endpoints: all.slice(0, PER_SUBSET).filter((one) => addressType(one.addresses[0]!) === type),
  }
}
