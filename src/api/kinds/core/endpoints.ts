import { defineKind } from '#api/define-kind.ts'
import { required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dnsLabel, portNumber, qualifiedName } from '#api/names.ts'
import { checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { endpointIPMessages } from '#api/validation/ip.ts'

export type Endpoints = types.Endpoints

export const Endpoints = defineKind<Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  shortNames: ['ep'],
  scope: 'Namespaced',
  createOnUpdate: true,
  default({ subsets }) {
    for (const { ports } of subsets ?? []) for (const port of ports ?? []) port.protocol ||= 'TCP'
  },
  validate({ subsets }, previous) {
    const errors: Errors = []
    const known = new Set(
      (previous?.subsets ?? []).flatMap((subset) => [...(subset.addresses ?? []), ...(subset.notReadyAddresses ?? [])].map(({ ip }) => ip)),
    )
    each(subsets, 'subsets', ({ addresses, notReadyAddresses, ports }, at) => {
      if (!addresses?.length && !notReadyAddresses?.length) errors.push(required(at, 'must specify `addresses` or `notReadyAddresses`'))
      for (const [field, list] of [
        ['addresses', addresses],
        ['notReadyAddresses', notReadyAddresses],
      ] as const)
        each(list, `${at}.${field}`, ({ ip, hostname }, where) => {
          if (!known.has(ip)) checkMessages(`${where}.ip`, ip, endpointIPMessages(ip ?? ''), errors)
          if (hostname) checkMessages(`${where}.hostname`, hostname, dnsLabel(hostname), errors)
        })
      each(ports, `${at}.ports`, ({ name, port, protocol, appProtocol }, where) => {
        if (!name && ports!.length > 1) errors.push(required(`${where}.name`))
        else if (name) checkMessages(`${where}.name`, name, dnsLabel(name), errors)
        checkMessages(`${where}.port`, port, portNumber(port), errors)
        checkOneOf(`${where}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'], errors, { required: true })
        if (appProtocol !== undefined) checkMessages(`${where}.appProtocol`, appProtocol, qualifiedName(appProtocol), errors)
      })
    })
    return errors
  },
  deprecated: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  columns: columnsOf<Endpoints>({
    name: 'Endpoints',
    description: 'Addresses and ports behind the service.',
    value: ({ subsets }) => endpointsText(subsets),
  }),
})

function endpointsText(subsets: types.EndpointSubset[] | undefined): string {
  const all: string[] = []
  for (const { addresses = [], ports = [] } of subsets ?? []) {
    if (ports.length === 0) all.push(...addresses.map(({ ip }) => ip))
    for (const { port } of ports) for (const { ip } of addresses) all.push(ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)
  }
  if (all.length === 0) return '<none>'
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',')
}
