// What the cluster's DNS answers for names of the zone, from Services and EndpointSlices alone (Kubernetes DNS specification 1.1.0).
import { isIPv4 } from 'node:net'
import type { Answer } from 'dns-packet'
import type { Service } from '#api/kinds/core/service.ts'
import type { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'

export interface ServiceSource {
  service(namespace: string, name: string): Service | undefined
  slices(namespace: string, service: string): readonly EndpointSlice[]
  /** The service that has that cluster address, or the headless endpoint's name behind an address. */
  nameOfAddress(address: string): { namespace: string; service: string; hostname?: string } | undefined
  hasNamespace(namespace: string): boolean
}

/** `exists` false is NXDOMAIN; true without answers is an empty NOERROR. */
export interface Lookup {
  exists: boolean
  answers: Answer[]
  additionals: Answer[]
}

export const TTL_SECONDS = 5
const DNS_SCHEMA_VERSION = '1.1.0'
const NOTHING: Lookup = { exists: false, answers: [], additionals: [] }

type Endpoint = { address: string; hostname: string }

/** `name` is lower case, without a final dot, inside the zone or reverse. */
export function lookUp(source: ServiceSource, { name, type, zone }: { name: string; type: string; zone: string }): Lookup {
  const reverse = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name)
  if (reverse) return pointer(source, { name, type, zone, address: reverse.slice(1, 5).toReversed().join('.') })
  if (name === zone) return found([])
  const labels = name
    .slice(0, -zone.length - 1)
    .split('.')
    .toReversed()
  if (labels[0] === 'dns-version' && labels.length === 1)
    return typed(type, 'TXT', [{ name, type: 'TXT', ttl: TTL_SECONDS, data: DNS_SCHEMA_VERSION }])
  if (labels[0] === 'pod') return pod(source, { name, type, labels })
  if (labels[0] !== 'svc') return NOTHING
  const [, namespace, service, ...rest] = labels
  if (namespace === undefined) return found([])
  if (service === undefined) return source.hasNamespace(namespace) ? found([]) : NOTHING
  const object = source.service(namespace, service)
  if (!object) return NOTHING
  return answersOf(source, { name, type, zone, namespace, service, object, rest })
}

interface Question {
  name: string
  type: string
  zone: string
  namespace: string
  service: string
  object: Service
  /** Labels in front of the service's name, nearest first. */
  rest: string[]
}

function answersOf(source: ServiceSource, question: Question): Lookup {
  const { name, type, object, rest } = question
  const { spec } = object
  if (spec?.type === 'ExternalName') {
    if (rest.length > 0 || !spec.externalName) return NOTHING
    const alias: Answer = { name, type: 'CNAME', ttl: TTL_SECONDS, data: spec.externalName.replace(/\.$/, '') }
    return type === 'A' || type === 'AAAA' || type === 'CNAME' ? found([alias]) : found([])
  }
  const endpoints = spec?.clusterIP === 'None' ? endpointsOf(source, question) : undefined
  if (rest.length === 0) {
    const addresses = endpoints ? endpoints.map(({ address }) => address) : (spec?.clusterIPs ?? [])
    if (endpoints?.length === 0) return NOTHING
    if (type === 'SRV') return services(source, { question, endpoints, port: () => true })
    return typed(type, 'A', addressRecords(name, addresses))
  }
  if (rest.length === 1 && endpoints) {
    const own = endpoints.filter(({ hostname }) => hostname === rest[0])
    return own.length === 0
      ? NOTHING
      : typed(
          type,
          'A',
          addressRecords(
            name,
            own.map(({ address }) => address),
          ),
        )
  }
  // _port._protocol in front of the service.
  const [protocol, port] = rest
  if (rest.length !== 2 || !port?.startsWith('_') || !protocol?.startsWith('_')) return NOTHING
  const lookup = services(source, {
    question,
    endpoints,
    port: (one) => `_${one.name}` === port && `_${(one.protocol ?? 'TCP').toLowerCase()}` === protocol,
  })
  if (lookup.answers.length === 0) return NOTHING
  return type === 'SRV' ? lookup : found([])
}

type PortLike = { name?: string; port?: number; protocol?: string }

function services(
  source: ServiceSource,
  { question, endpoints, port: wanted }: { question: Question; endpoints: Endpoint[] | undefined; port(port: PortLike): boolean },
): Lookup {
  const { name, zone, namespace, service, object } = question
  const own = `${service}.${namespace}.svc.${zone}`
  const targets = endpoints
    ? endpoints.map(({ address, hostname }) => ({ target: `${hostname}.${own}`, addresses: [address] }))
    : [{ target: own, addresses: object.spec?.clusterIPs ?? [] }]
  const ports: PortLike[] = endpoints ? uniquePorts(source.slices(namespace, service)) : (object.spec?.ports ?? [])
  const answers: Answer[] = []
  const additionals: Answer[] = []
  for (const { target, addresses } of targets) {
    for (const port of ports) {
      if (port.port !== undefined && port.name && wanted(port))
        answers.push({
          name,
          type: 'SRV',
          ttl: TTL_SECONDS,
          data: { priority: 0, weight: Math.floor(100 / targets.length) || 1, port: port.port, target },
        })
    }
    additionals.push(...addressRecords(target, addresses))
  }
  return { exists: true, answers, additionals: answers.length > 0 ? additionals : [] }
}

function uniquePorts(slices: readonly EndpointSlice[]): PortLike[] {
  return [
    ...new Map(
      slices.flatMap(({ ports }) => ports ?? []).map((port) => [`${port.name}/${port.protocol}/${port.port}`, port as PortLike]),
    ).values(),
  ]
}

function endpointsOf(source: ServiceSource, { namespace, service, object }: Question): Endpoint[] {
  const found = new Map<string, Endpoint>()
  for (const slice of source.slices(namespace, service)) {
    if (slice.addressType !== 'IPv4') continue
    for (const { addresses, hostname, conditions } of slice.endpoints ?? []) {
      if (conditions?.ready === false && !object.spec?.publishNotReadyAddresses) continue
      for (const address of addresses) found.set(address, { address, hostname: hostname ?? dashed(address) })
    }
  }
  return [...found.values()]
}

function pointer(
  source: ServiceSource,
  { name, type, zone, address }: { name: string; type: string; zone: string; address: string },
): Lookup {
  const owner = source.nameOfAddress(address)
  if (!owner) return NOTHING
  const host = owner.hostname ? `${owner.hostname}.` : ''
  return typed(type, 'PTR', [{ name, type: 'PTR', ttl: TTL_SECONDS, data: `${host}${owner.service}.${owner.namespace}.svc.${zone}` }])
}

/** `10-244-0-7.NAMESPACE.pod.ZONE` is the address it spells, as CoreDNS answers with `pods insecure`. */
function pod(source: ServiceSource, { name, type, labels }: { name: string; type: string; labels: string[] }): Lookup {
  const [, namespace, spelled, ...rest] = labels
  if (!namespace || rest.length > 0 || !source.hasNamespace(namespace)) return NOTHING
  if (spelled === undefined) return found([])
  const address = spelled.replaceAll('-', '.')
  if (!isIPv4(address)) return NOTHING
  return typed(type, 'A', addressRecords(name, [address]))
}

function addressRecords(name: string, addresses: readonly string[]): Answer[] {
  return addresses.filter((address) => !address.includes(':')).map((data) => ({ name, type: 'A', ttl: TTL_SECONDS, data }))
}

const found = (answers: Answer[]): Lookup => ({ exists: true, answers, additionals: [] })
/** Records of one type: another type asked of an existing name is an empty answer. */
const typed = (asked: string, type: string, answers: Answer[]): Lookup => found(asked === type || asked === 'ANY' ? answers : [])
export const dashed = (address: string): string => address.replaceAll('.', '-')
