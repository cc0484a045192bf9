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
import { conditionOf, withCondition } from '#api/conditions.ts'

const GRACE_MS = 10_000

export const serviceCidrController: Controller = {
  name: 'service-cidr-controller',
  account: 'service-cidrs-controller',
  triggers: [
    itself(ServiceCIDR),
    // A new range may take over from one that waits.
    mapped(ServiceCIDR, leaving),
    mapped(IPAddress, leaving),
  ],
  async reconcile(key, { client, informers, clock }) {
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
      return set('True', '', 'Kubernetes Service CIDR is ready')
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

/** Some address that the API server gave out lies in this range and in no other. */
function isNeeded(cidr: ServiceCIDR, all: readonly ServiceCIDR[], addresses: readonly IPAddress[]): boolean {
  const own = blockList(cidr)
  const others = all
    .filter((one) => one.metadata?.uid !== cidr.metadata?.uid && !one.metadata?.deletionTimestamp)
    .map((one) => blockList(one))
  const given = addresses.filter(({ metadata }) => metadata?.labels?.[ADDRESS_MANAGER_LABEL] === ADDRESS_MANAGER)
  return given.some(({ metadata }) => {
    const address = metadata?.name ?? ''
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    return own.check(address, family) && !others.some((list) => list.check(address, family))
  })
}

function blockList({ spec }: ServiceCIDR): BlockList {
  const list = new BlockList()
  for (const cidr of spec?.cidrs ?? []) {
    const [network = '', prefix = ''] = cidr.split('/')
    list.addSubnet(network, Number(prefix), isIPv6(network) ? 'ipv6' : 'ipv4')
  }
  return list
}
