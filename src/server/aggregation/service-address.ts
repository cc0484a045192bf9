// Where the pods behind a service listen: one of its ready endpoints, chosen at random. Cluster addresses are not asked: they lead nowhere from a
// machine without the cluster's network.
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Service } from '#api/kinds/core/service.ts'
import { notFoundError, StatusError } from '#api/status.ts'
import { SERVICE_NAME_LABEL } from '#api/well-known.ts'
import type { Address } from '#lib/dial-error.ts'
import type { Random } from '#lib/random.ts'
import { isSimulated } from '#server/metrics-api/simulated-usage.ts'
import type { ObjectReader } from '#server/request.ts'

export interface ServiceReference {
  namespace: string
  name: string
  port: number
}

export function serviceAddress(reader: ObjectReader, reference: ServiceReference, random: Random): Address {
  const { namespace, name, port } = reference
  const service = reader.get(Service, { namespace, name })
  if (!service) throw notFoundError(Service, name)
  if (service.spec?.type === 'ExternalName') return { host: service.spec.externalName ?? '', port }
  const wanted = service.spec?.ports?.find((one) => one.port === port)
  if (!wanted) throw new StatusError('ServiceUnavailable', `no service port ${port} found for service ${JSON.stringify(name)}`)
  const choices = readyAddresses(reader, reference, wanted.name ?? '')
  if (choices.length === 0) throw new StatusError('ServiceUnavailable', `no endpoints available for service ${JSON.stringify(name)}`)
  return choices[Math.floor(random.float() * choices.length)]!
}

/** Ready endpoints behind one port of a service. Nobody answers at those of simulated nodes. */
export function readyAddresses(reader: ObjectReader, { namespace, name }: ServiceReference, portName: string): Address[] {
  const found: Address[] = []
  for (const { ports, endpoints } of slicesOf(reader, { namespace, name })) {
    const port = ports?.find((one) => (one.name ?? '') === portName)?.port
    if (port === undefined) continue
    for (const { addresses, conditions, nodeName } of endpoints ?? []) {
      if (conditions?.ready === false || (nodeName && isSimulated(reader.get(Node, { name: nodeName })))) continue
      for (const host of addresses) found.push({ host, port })
    }
  }
  return found
}

export function* slicesOf(reader: ObjectReader, { namespace, name }: { namespace: string; name: string }): Generator<EndpointSlice> {
  for (const slice of reader.list(EndpointSlice, namespace)) if (serviceOf(slice) === name) yield slice
}

export const serviceOf = ({ metadata }: EndpointSlice): string | undefined => metadata?.labels?.[SERVICE_NAME_LABEL]
