// service-cidr-controller: says that a ServiceCIDR is ready, and keeps one that is being deleted until no address of it is in use.
import { IPAddress } from '#api/kinds/networking/ip-address.ts'
import { ServiceCIDR } from '#api/kinds/networking/service-cidr.ts'
import { keyOf, type ObjectKey } from '#api/object.ts'
import { ADDRESS_MANAGER, ADDRESS_MANAGER_LABEL, SERVICE_CIDR_FINALIZER } from '#api/well-known.ts'
import type { Controller } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { itself, mapped } from '#client/triggers.ts'
import { BlockList, isIPv6 } from 'node:net'
import { formatTime } from '#lib/clock.ts'
import { addressAt, ipv4Range } from '#lib/ipv4.ts'
import { conditionOf, withCondition } from '#api/conditions.ts'

const GRACE_MS = 10_000

export const serviceCidrController: Controller = {
  name: 'service-cidr-controller',
  account: 'service-cidrs-controller',
  retries: 15,
  triggers: [
    itself(ServiceCIDR),
    // A new range may take over from one that waits.
    mapped(ServiceCIDR, leaving),
    mapped(IPAddress, leaving),
  ],
  async reconcile(key, { client, informers, clock, events }) {
    const cidr = informers.of(ServiceCIDR).get(key)
    if (!cidr) return
    const now = clock.now()
    const set = async (status: string, reason: string, message: string) => {
      const current = conditionOf(cidr.status?.conditions, 'Ready')
      if (current?.status === status && current.reason === reason) return
      const conditions = withCondition(cidr.status?.conditions, {
        type: 'Ready',
        status,
        reason,
        message,
        lastTransitionTime: formatTime(now),
      })
      await client.update(ServiceCIDR, { ...cidr, status: { ...cidr.status, conditions } }, { subresource: 'status' })
    }
    const finalizers = cidr.metadata?.finalizers ?? []
    if (!cidr.metadata?.deletionTimestamp) {
      if (!finalizers.includes(SERVICE_CIDR_FINALIZER)) {
        const metadata = { resourceVersion: cidr.metadata?.resourceVersion, finalizers: [...finalizers, SERVICE_CIDR_FINALIZER] }
        await client.patch(ServiceCIDR, key, { type: 'merge', patch: { metadata } })
        return
      }
      return set('True', '', 'Kubernetes Service CIDR is ready').catch((error: unknown) => {
        events.event(cidr, 'Warning', 'KubernetesServiceCIDRError', 'The ServiceCIDR Status can not be set to Ready=True')
        throw error
      })
    }
    if (!finalizers.includes(SERVICE_CIDR_FINALIZER)) return
    if (isNeeded(cidr, informers.of(ServiceCIDR).list(), informers.of(IPAddress).list())) {
      return set(
        'False',
        'Terminating',
        'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
      )
    }
    // Allocators that have not yet heard of the deletion may still be handing out addresses.
    const waitMs = Date.parse(cidr.metadata.deletionTimestamp) + GRACE_MS - now
    if (waitMs > 0) return { requeueAfterMs: waitMs }
    const metadata = {
      resourceVersion: cidr.metadata.resourceVersion,
      finalizers: finalizers.filter((one) => one !== SERVICE_CIDR_FINALIZER),
    }
    await client.patch(ServiceCIDR, key, { type: 'merge', patch: { metadata } })
  },
}

function leaving(_: unknown, informers: Informers): ObjectKey[] {
  const cidrs = informers.of(ServiceCIDR).list()
  return cidrs.filter(({ metadata }) => metadata?.deletionTimestamp).map((cidr) => keyOf(cidr))
}

/** Some address that the API server gave out lies in this range and in no other. Of two that are both to go the first does. */
function isNeeded(cidr: ServiceCIDR, all: readonly ServiceCIDR[], addresses: readonly IPAddress[]): boolean {
  const own = holds(cidr)
  const others = all.filter(({ metadata }) => metadata?.uid !== cidr.metadata?.uid).map(holds)
  const given = addresses.filter(({ metadata }) => metadata?.labels?.[ADDRESS_MANAGER_LABEL] === ADDRESS_MANAGER)
  return given.some(({ metadata }) => own(metadata?.name ?? '') && !others.some((hold) => hold(metadata?.name ?? '')))
}

/** Whether a range could give an address out: never its network and broadcast address. */
function holds({ spec }: ServiceCIDR): (address: string) => boolean {
  const list = new BlockList()
  const edges = new Set<string>()
  for (const cidr of spec?.cidrs ?? []) {
    const [network = '', prefix = ''] = cidr.split('/')
    list.addSubnet(network, Number(prefix), familyOf(network))
    edges.add(network)
    if (!isIPv6(network)) edges.add(addressAt(cidr, ipv4Range(cidr).size - 1))
  }
  return (address) => !edges.has(address) && list.check(address, familyOf(address))
}

const familyOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4')
