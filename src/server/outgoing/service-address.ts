// Where a service of the cluster is reached from here: at one of its ready endpoints, or where its external name leads. Nothing is looked up in
// the cluster's DNS and nothing depends on the service proxy.
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { Service } from '#api/kinds/core/service.ts'
import type { Address } from '#lib/dial-error.ts'
import type { Random } from '#lib/random.ts'
import type { ObjectReader } from '#server/request.ts'
import { CallError } from './call-error.ts'

export interface ServicePort {
  namespace: string
  name: string
  port: number
}

export function serviceAddress(reader: ObjectReader, { namespace, name, port }: ServicePort, random: Random): Address {
  const service = reader.get(Service, { namespace, name })
  if (!service) throw new CallError(`service ${JSON.stringify(name)} not found`)
  const { type, externalName, ports } = service.spec ?? {}
  if (type === 'ExternalName') return { host: externalName ?? '', port }
  const wanted = ports?.find((one) => one.port === port)
  if (!wanted) throw new CallError(`no service port ${port} found for service ${JSON.stringify(name)}`)
  const choices: Address[] = []
  for (const slice of reader.list(EndpointSlice, namespace)) {
    if (slice.metadata?.labels?.['kubernetes.io/service-name'] !== name || slice.addressType === 'FQDN') continue
    const target = slice.ports?.find((one) => (one.name ?? '') === (wanted.name ?? ''))?.port
    if (target === undefined) continue
    for (const { addresses, conditions } of slice.endpoints ?? [])
      if (conditions?.ready !== false) for (const host of addresses) choices.push({ host, port: target })
  }
  if (choices.length === 0) throw new CallError(`no endpoints available for service ${JSON.stringify(name)}`)
  return choices[Math.floor(random.float() * choices.length)]!
}
