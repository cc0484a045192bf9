import { defineKind } from '#api/define-kind.ts'
import { duplicate, invalid, required, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf, firstThree } from '#api/kinds/columns.ts'
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from '#api/names.ts'
import { checkImmutable, checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { canonicalIPMessages, endpointIPMessages, familyOf, ipWarnings } from '#api/validation/ip.ts'

export type EndpointSlice = types.EndpointSlice

/** Who writes addresses as they ought to be written. */
const CONTROLLERS = ['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io']

export const EndpointSlice = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  scope: 'Namespaced',
  generationOf: ({ addressType, endpoints, ports, metadata }) => [addressType, endpoints, ports, metadata?.labels],
  default({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= ''
      port.protocol ||= 'TCP'
    }
  },
  validate(slice, previous) {
    const errors: Errors = []
    const { addressType, endpoints = [], ports = [] } = slice
    checkOneOf('addressType', addressType, ['FQDN', 'IPv4', 'IPv6'], errors, { required: true })
    if (endpoints.length > 1000) errors.push(tooMany('endpoints', endpoints.length, 1000))
    const known = new Set((previous?.endpoints ?? []).flatMap(({ addresses }) => addresses))
    each(endpoints, 'endpoints', (endpoint, at) => checkEndpoint(endpoint, at, { addressType, known, errors }))
    checkPorts(ports, errors)
    if (previous) checkImmutable('addressType', addressType, previous.addressType, errors)
    return errors
  },
  warnings({ metadata, addressType, endpoints }, previous) {
    const warnings = !previous && addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []
    if (CONTROLLERS.includes(metadata?.labels?.['endpointslice.kubernetes.io/managed-by'] ?? '')) return warnings
    for (const [index, { addresses }] of (endpoints ?? []).entries())
      for (const [place, address] of (addresses ?? []).entries())
        warnings.push(...ipWarnings(`endpoints[${index}].addresses[${place}]`, address))
    return warnings
  },
  columns: columnsOf<EndpointSlice>(
    { name: 'AddressType', description: 'What kind of addresses it holds.', value: ({ addressType }) => addressType ?? '' },
    {
      name: 'Ports',
      description: 'Ports of the endpoints.',
      value: ({ ports }) =>
        ports?.length ? firstThree(ports.map(({ port, name }) => (port !== undefined ? String(port) : name || '*'))) : '<unset>',
    },
    {
      name: 'Endpoints',
      description: 'Addresses of the endpoints.',
      value: ({ endpoints }) => (endpoints?.length ? firstThree(endpoints.flatMap(({ addresses }) => addresses ?? [])) : '<unset>'),
    },
  ),
})

interface Context {
  addressType: string
  known: ReadonlySet<string>
  errors: Errors
}

function checkEndpoint(endpoint: types.Endpoint, path: string, { addressType, known, errors }: Context): void {
  const { addresses = [], deprecatedTopology, hostname, nodeName, hints } = endpoint
  if (addresses.length === 0) errors.push(required(`${path}.addresses`, 'must contain at least 1 address'))
  if (addresses.length > 100) errors.push(tooMany(`${path}.addresses`, addresses.length, 100))
  each(addresses, `${path}.addresses`, (address, at) => {
    if (known.has(address)) return
    if (addressType === 'FQDN') checkMessages(at, address, dnsSubdomain(address), errors)
    else if (addressType === 'IPv4' || addressType === 'IPv6') {
      if (familyOf(address) && familyOf(address) !== addressType) errors.push(invalid(at, address, `must be an ${addressType} address`))
      else
        checkMessages(
          at,
          address,
          addressType === 'IPv6' ? [...canonicalIPMessages(address), ...endpointIPMessages(address)] : endpointIPMessages(address),
          errors,
        )
    }
  })
  if (nodeName !== undefined) checkMessages(`${path}.nodeName`, nodeName, dnsSubdomain(nodeName), errors)
  for (const key of Object.keys(deprecatedTopology ?? {})) checkMessages(`${path}.deprecatedTopology`, key, qualifiedName(key), errors)
  if (hostname !== undefined) checkMessages(`${path}.hostname`, hostname, dnsLabel(hostname), errors)
  for (const [field, list] of [
    ['forZones', hints?.forZones],
    ['forNodes', hints?.forNodes],
  ] as const) {
    const at = `${path}.hints.${field}`
    if ((list?.length ?? 0) > 8) errors.push(tooMany(at, list!.length, 8))
    const seen = new Set<string>()
    each(list, at, ({ name }, where) => {
      if (seen.has(name)) errors.push(duplicate(`${where}.name`, name))
      seen.add(name)
      checkMessages(`${where}.name`, name, field === 'forNodes' ? dnsSubdomain(name) : qualifiedName(name), errors)
    })
  }
}

function checkPorts(ports: types.DiscoveryEndpointPort[], errors: Errors): void {
  if (ports.length > 20000) errors.push(tooMany('ports', ports.length, 20000))
  const names = new Set<string>()
  each(ports, 'ports', ({ name = '', protocol, port, appProtocol }, at) => {
    if (name) checkMessages(`${at}.name`, name, dnsLabel(name), errors)
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name))
    names.add(name)
    if (port !== undefined && port !== null) checkMessages(`${at}.port`, port, portNumber(port), errors)
    checkOneOf(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'], errors, { required: true })
    if (appProtocol !== undefined) checkMessages(`${at}.appProtocol`, appProtocol, qualifiedName(appProtocol), errors)
  })
}
