// Where services and the IPAddress objects of their addresses disagree, and how upstream tells of it. What is done about it is the caller's.
import { IPAddress } from '#api/kinds/networking/ip-address.ts'
import { Service } from '#api/kinds/core/service.ts'
import type { ObjectKey } from '#api/object.ts'
import { ADDRESS_FAMILY_LABEL, ADDRESS_MANAGER, ADDRESS_MANAGER_LABEL } from '#api/well-known.ts'
import type { ObjectReader } from '#server/request.ts'

export interface Fault {
  /** Of the event; absent: nobody is told. */
  reason?: string
  message?: string
  /** The object is not as it should be: it goes, and for a service that holds the address another comes. */
  replace?: true
}

/** The object of an address is made before its service is stored, by a request that has ended by then. */
const BEING_MADE_MS = 60_000

export const isManaged = ({ metadata }: IPAddress): boolean => metadata?.labels?.[ADDRESS_MANAGER_LABEL] === ADDRESS_MANAGER

/** What is wrong with the address of a service. */
export function faultOfHeld(address: string, service: ObjectKey, { reader, inRange }: Outlook): Fault | undefined {
  if (!inRange)
    return {
      reason: 'ClusterIPOutOfRange',
      message: `Cluster IP [IPv4]: ${address} is not within any configured Service CIDR; please recreate service`,
    }
  const object = reader.get(IPAddress, { name: address })
  if (!object)
    return { reason: 'ClusterIPNotAllocated', message: `Cluster IP [IPv4]: ${address} is not allocated; repairing`, replace: true }
  const ref = object.spec?.parentRef
  const isOwn = ref?.namespace === service.namespace && ref?.name === service.name
  const other = isOfServices(object) && !isOwn ? holderOf(object, reader) : undefined
  if (other?.spec?.clusterIPs?.includes(address))
    return {
      reason: 'ClusterIPAlreadyAllocated',
      message: `Cluster IP [IPv4]:${address} was assigned to multiple services; please recreate service`,
    }
  if (!isOfServices(object) || (!isOwn && !other))
    return {
      reason: 'ClusterIPNotAllocated',
      message: `the ClusterIP [IPv4]: ${address} for Service ${service.namespace}/${service.name} has a wrong reference; repairing`,
      replace: true,
    }
  return isManaged(object) && object.metadata?.labels?.[ADDRESS_FAMILY_LABEL] === 'IPv4' ? undefined : { replace: true }
}

interface Outlook {
  reader: ObjectReader
  inRange: boolean
}

/** What is wrong with an object of this API server's that no service is known to hold. */
export function faultOfObject(object: IPAddress, { reader, now }: { reader: ObjectReader; now: number }): Fault | undefined {
  const { name = '', creationTimestamp } = object.metadata ?? {}
  const { group = '', resource = '', namespace = '', name: service = '' } = object.spec?.parentRef ?? {}
  if (!isOfServices(object))
    return {
      reason: 'IPAddressNotAllocated',
      message: `IPAddress ${name} appears to have been modified, not referencing a Service &{${group} ${resource} ${namespace} ${service}}: cleaning up`,
      replace: true,
    }
  const holder = holderOf(object, reader)
  if (holder?.spec?.clusterIPs?.includes(name)) return undefined
  if (holder)
    return {
      reason: 'IPAddressWrongReference',
      message: `IPAddress: ${name} for Service ${namespace}/${service} has a wrong reference; cleaning up`,
      replace: true,
    }
  if (now - Date.parse(creationTimestamp ?? '') <= BEING_MADE_MS) return undefined
  return {
    reason: 'IPAddressNotAllocated',
    message: `IPAddress: ${name} for Service ${namespace}/${service} appears to have leaked: cleaning up`,
    replace: true,
  }
}

const isOfServices = ({ spec }: IPAddress): boolean => !spec?.parentRef?.group && spec?.parentRef?.resource === 'services'

function holderOf({ spec }: IPAddress, reader: ObjectReader): Service | undefined {
  const { namespace = '', name = '' } = spec?.parentRef ?? {}
  return reader.get(Service, { namespace, name })
}
