import { defineKind } from '#api/define-kind.ts'
import { invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from '#api/names.ts'
import { checkAmong, checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { endpointRangeMessages, familyOf, ipMessages, ipWarnings } from '#api/validation/ip.ts'
import { sameJson } from '#api/validation/same-json.ts'

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
  warnings({ metadata, subsets }) {
    // The controller writes addresses as they ought to be written.
    if (metadata?.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller') return []
    return (subsets ?? []).flatMap((subset, index) =>
      (['addresses', 'notReadyAddresses'] as const).flatMap((field) =>
        (subset[field] ?? []).flatMap(({ ip }, place) => ipWarnings(`subsets[${index}].${field}[${place}].ip`, ip)),
      ),
    )
  },
  validate({ subsets }, previous) {
    // What an earlier version took stays as it is.
    if (previous && sameJson(subsets, previous.subsets)) return []
    const errors: Errors = []
    each(subsets, 'subsets', ({ addresses, notReadyAddresses, ports }, at) => {
      if (!addresses?.length && !notReadyAddresses?.length) errors.push(required(at, 'must specify `addresses` or `notReadyAddresses`'))
      each(addresses, `${at}.addresses`, (address, where) => checkAddress(address, where, errors))
      each(notReadyAddresses, `${at}.notReadyAddresses`, (address, where) => checkAddress(address, where, errors))
      each(ports, `${at}.ports`, ({ name, port, protocol, appProtocol }, where) => {
        if (!name && ports!.length > 1) errors.push(required(`${where}.name`))
        else if (name) checkMessages(`${where}.name`, name, dnsLabel(name), errors)
        checkMessages(`${where}.port`, port ?? 0, portNumber(port ?? 0), errors)
        checkAmong(`${where}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'], errors)
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

function checkAddress({ ip = '', hostname, nodeName }: types.EndpointAddress, path: string, errors: Errors): void {
  const messages = ipMessages(ip)
  checkMessages(`${path}.ip`, ip, messages, errors)
  if (hostname) checkMessages(`${path}.hostname`, hostname, dnsLabel(hostname), errors)
  if (nodeName !== undefined) checkMessages(`${path}.nodeName`, nodeName, dnsSubdomain(nodeName), errors)
  if (messages.length === 0) checkMessages(`${path}.ip`, ip, endpointRangeMessages(ip), errors)
  // Upstream asks twice whether it is an address at all.
  else if (familyOf(ip) === undefined && !messages.includes('must not have leading 0s'))
    errors.push(invalid(`${path}.ip`, ip, 'must be a valid IP address'))
}

function endpointsText(subsets: types.EndpointSubset[] | undefined): string {
  const all: string[] = []
  for (const { addresses = [], ports = [] } of subsets ?? []) {
    if (ports.length === 0) all.push(...addresses.map(({ ip }) => ip))
    for (const { port } of ports) for (const { ip } of addresses) all.push(ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)
  }
  if (all.length === 0) return '<none>'
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',')
}
