import { defineKind } from '#api/define-kind.ts'
import { duplicate, invalid, required, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf, firstThree } from '#api/kinds/columns.ts'
import { validateLabels } from '#api/meta/object-meta.ts'
import { dnsLabel, dnsSubdomain, labelValueMessages, qualifiedName } from '#api/names.ts'
import { checkImmutable, checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { canonicalIPMessages, endpointRangeMessages, familyOf, ipMessages, ipWarnings } from '#api/validation/ip.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { SLICE_MANAGER_LABEL } from '#api/well-known.ts'

export type EndpointSlice = types.EndpointSlice

const [MOST_ENDPOINTS, MOST_ADDRESSES, MOST_PORTS, MOST_HINTS] = [1000, 100, 20_000, 8] as const
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
  prepareForCreate: (slice) => dropTopology(slice),
  prepareForUpdate: dropTopology,
  validate(slice, previous) {
    const errors: Errors = []
    const { addressType } = slice
    const endpoints = slice.endpoints ?? []
    const ports = slice.ports ?? []
    checkOneOf('addressType', addressType, ['FQDN', 'IPv4', 'IPv6'], errors, { required: true })
    const known = new Set((previous?.endpoints ?? []).flatMap(({ addresses }) => addresses ?? []))
    if (endpoints.length > MOST_ENDPOINTS) errors.push(tooMany('endpoints', endpoints.length, MOST_ENDPOINTS))
    else each(endpoints, 'endpoints', (endpoint, at) => checkEndpoint(endpoint, at, { addressType, known, errors }))
    if (ports.length > MOST_PORTS) errors.push(tooMany('ports', ports.length, MOST_PORTS))
    else checkPorts(ports, errors)
    if (previous) checkImmutable('addressType', addressType, previous.addressType, errors)
    return errors
  },
  warnings({ metadata, addressType, endpoints }, previous) {
    const warnings = !previous && addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []
    if (CONTROLLERS.includes(metadata?.labels?.[SLICE_MANAGER_LABEL] ?? '')) return warnings
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

/** What this version no longer takes; it stays in endpoints that stay as they are. */
function dropTopology(slice: EndpointSlice, previous?: EndpointSlice): void {
  if (previous && sameJson(slice.endpoints, previous.endpoints)) return
  for (const endpoint of slice.endpoints ?? []) delete endpoint.deprecatedTopology
}

function checkEndpoint(endpoint: types.Endpoint, path: string, context: Context): void {
  const { deprecatedTopology, hostname, nodeName, hints } = endpoint
  const { errors } = context
  const addresses = endpoint.addresses ?? []
  if (addresses.length === 0) errors.push(required(`${path}.addresses`, 'must contain at least 1 address'))
  else if (addresses.length > MOST_ADDRESSES) errors.push(tooMany(`${path}.addresses`, addresses.length, MOST_ADDRESSES))
  each(addresses, `${path}.addresses`, (address, at) => checkAddress(address, at, context))
  if (nodeName !== undefined) checkMessages(`${path}.nodeName`, nodeName, dnsSubdomain(nodeName), errors)
  const labels = Object.keys(deprecatedTopology ?? {}).length
  if (labels > 16) errors.push(tooMany(`${path}.deprecatedTopology`, labels, 16))
  errors.push(...validateLabels(deprecatedTopology, `${path}.deprecatedTopology`))
  if (hostname !== undefined) checkMessages(`${path}.hostname`, hostname, dnsLabel(hostname), errors)
  if (hints) checkHints(hints, `${path}.hints`, errors)
}

/** An IPv4 address that was here before may be spelled as it is. */
function checkAddress(address: string, path: string, { addressType, known, errors }: Context): void {
  if (addressType === 'FQDN') return checkDomain(address, path, errors)
  if (addressType !== 'IPv4' && addressType !== 'IPv6') return
  const messages = addressType === 'IPv6' ? canonicalIPMessages(address) : known.has(address) ? [] : ipMessages(address)
  if (messages.length > 0) return checkMessages(path, address, messages, errors)
  if (familyOf(address) !== addressType) errors.push(invalid(path, address, `must be an ${addressType} address`))
  if (familyOf(address)) checkMessages(path, address, endpointRangeMessages(address), errors)
}

function checkDomain(name: string, path: string, errors: Errors): void {
  if (!name) return void errors.push(required(path))
  const domain = name.replace(/\.$/, '')
  const messages = dnsSubdomain(domain)
  if (messages.length > 0) return void errors.push(invalid(path, domain, messages.join(',')))
  const parts = domain.split('.')
  if (parts.length < 2) return void errors.push(invalid(path, domain, 'should be a domain with at least two segments separated by dots'))
  for (const part of parts) {
    const wrong = dnsLabel(part)
    if (wrong.length > 0) errors.push(invalid(path, part, wrong.join(',')))
  }
}

function checkHints(hints: types.EndpointHints, path: string, errors: Errors): void {
  for (const [field, check] of [
    ['forZones', labelValueMessages],
    ['forNodes', dnsSubdomain],
  ] as const) {
    const at = `${path}.${field}`
    const list = hints[field] ?? []
    if (list.length > MOST_HINTS) return void errors.push(tooMany(at, list.length, MOST_HINTS))
    const seen = new Set<string>()
    each(list, at, ({ name }, where) => {
      if (seen.has(name)) errors.push(duplicate(`${where}.name`, name))
      seen.add(name)
      checkMessages(`${where}.name`, name, check(name), errors)
    })
  }
}

function checkPorts(ports: types.DiscoveryEndpointPort[], errors: Errors): void {
  const names = new Set<string>()
  each(ports, 'ports', ({ name = '', protocol, appProtocol }, at) => {
    if (name) checkMessages(`${at}.name`, name, dnsLabel(name), errors)
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name))
    names.add(name)
    checkOneOf(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'], errors, { required: true })
    if (appProtocol !== undefined) checkMessages(`${at}.appProtocol`, appProtocol, qualifiedName(appProtocol), errors)
  })
}
