// Rules of services: ports, addresses, traffic policies, and what may not change once set. In upstream's order and words.
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { validateLabels } from '#api/meta/object-meta.ts'
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from '#api/names.ts'
import { checkAmong, checkFrozen, checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { checkPort } from '#api/validation/handlers.ts'
import { cidrMessages, endpointIPMessages, familyOf, ipMessages } from '#api/validation/ip.ts'
import { checkAddresses, checkAddressUpdate, checkFamilyUpdate, isHeadless } from './service-addresses.ts'
import { isExternal, needsClusterIP, needsHealthPort } from './service-update.ts'

type Service = types.Service
type Spec = types.ServiceSpec

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode']
const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges'
const [TOPOLOGY_HINTS, TOPOLOGY_MODE] = ['service.kubernetes.io/topology-aware-hints', 'service.kubernetes.io/topology-mode']
const BALANCERS_ONLY = "may only be used when `type` is 'LoadBalancer'"
const NOT_EXTERNAL_NAME = 'may not be set for ExternalName services'

export function validateService(next: Service, previous: Service | undefined, { subresource }: HookContext): FieldError[] {
  const errors: Errors = []
  const spec = next.spec ?? {}
  if (subresource === 'status') {
    checkLoadBalancer(next, previous, errors)
    return errors
  }
  const old = previous?.spec
  if (old) checkUpdate(spec, old, errors)
  checkTopology(next.metadata?.annotations, errors)
  const headless = isHeadless(spec)
  if (!spec.ports?.length && !headless && spec.type !== 'ExternalName') errors.push(required('spec.ports'))
  checkType(spec, headless, errors)
  checkPorts(spec, errors)
  errors.push(...validateLabels(spec.selector, 'spec.selector'))
  checkAmong('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None'], errors)
  checkAffinity(spec, errors)
  if (needsClusterIP(spec)) checkAddresses(spec, old, errors)
  each(spec.externalIPs, 'spec.externalIPs', (ip, at) => {
    if (!old?.externalIPs?.includes(ip)) checkMessages(at, ip, endpointIPMessages(ip), errors)
  })
  checkAmong('spec.type', spec.type, TYPES, errors)
  checkRepeatedPorts(spec, errors)
  checkSourceRanges(next, previous, errors)
  const balanced = spec.type === 'LoadBalancer'
  if (!balanced && spec.allocateLoadBalancerNodePorts !== undefined)
    errors.push(forbidden('spec.allocateLoadBalancerNodePorts', BALANCERS_ONLY))
  if (balanced && spec.allocateLoadBalancerNodePorts === undefined) errors.push(required('allocateLoadBalancerNodePorts'))
  checkBalancerClass(spec, errors)
  checkTraffic(spec, errors)
  return errors
}

function checkTopology(annotations: Record<string, string> | undefined, errors: Errors): void {
  const [hints, mode] = [annotations?.[TOPOLOGY_HINTS], annotations?.[TOPOLOGY_MODE]]
  if (hints !== undefined && mode !== undefined && hints !== mode)
    errors.push(
      invalid(`metadata.annotations[${TOPOLOGY_MODE}]`, mode, `must match annotations[${TOPOLOGY_HINTS}] when both are specified`),
    )
}

function checkType(spec: Spec, headless: boolean, errors: Errors): void {
  if (isExternal(spec) && headless) errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`))
  if (spec.type !== 'ExternalName') return
  if (spec.clusterIPs?.length) errors.push(forbidden('spec.clusterIPs', NOT_EXTERNAL_NAME))
  if (spec.ipFamilies?.length) errors.push(forbidden('spec.ipFamilies', NOT_EXTERNAL_NAME))
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbidden('spec.ipFamilyPolicy', NOT_EXTERNAL_NAME))
  // The dot of a fully qualified name.
  const name = (spec.externalName ?? '').replace(/\.$/, '')
  if (!name) errors.push(required('spec.externalName'))
  else checkMessages('spec.externalName', name, dnsSubdomain(name), errors)
}

function checkPorts(spec: Spec, errors: Errors): void {
  const names = new Set<string>()
  const named = (spec.ports?.length ?? 0) > 1
  each(spec.ports, 'spec.ports', ({ name, port = 0, protocol, targetPort, appProtocol }, at) => {
    if (named && !name) errors.push(required(`${at}.name`))
    else if (name) {
      checkMessages(`${at}.name`, name, dnsLabel(name), errors)
      if (names.has(name)) errors.push(duplicate(`${at}.name`, name))
      names.add(name)
    }
    checkMessages(`${at}.port`, port, portNumber(port), errors)
    checkAmong(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'], errors)
    checkPort(`${at}.targetPort`, targetPort, errors)
    if (appProtocol !== undefined) checkMessages(`${at}.appProtocol`, appProtocol, qualifiedName(appProtocol), errors)
  })
}

/** A port, and a port of the nodes, serves a protocol once. */
function checkRepeatedPorts({ type, ports }: Spec, errors: Errors): void {
  if (type === 'ClusterIP')
    each(ports, 'spec.ports', ({ nodePort }, at) => {
      if (nodePort) errors.push(forbidden(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'"))
    })
  const nodePorts = new Set<string>()
  each(ports, 'spec.ports', ({ nodePort, protocol }, at) => {
    if (!nodePort) return
    const key = `${protocol}/${nodePort}`
    if (nodePorts.has(key)) errors.push(duplicate(`${at}.nodePort`, nodePort))
    nodePorts.add(key)
  })
  const pairs = new Set<string>()
  each(ports, 'spec.ports', ({ port = 0, protocol = '' }, at) => {
    // As upstream's structure prints.
    const shown = { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 }
    if (pairs.has(`${protocol}/${port}`)) errors.push(duplicate(at, shown))
    pairs.add(`${protocol}/${port}`)
  })
}

function checkAffinity({ sessionAffinity, sessionAffinityConfig: config }: Spec, errors: Errors): void {
  const at = 'spec.sessionAffinityConfig'
  if (sessionAffinity === 'None' && config) errors.push(forbidden(at, 'must not be set when session affinity is None'))
  if (sessionAffinity !== 'ClientIP') return
  const missing = 'when session affinity type is ClientIP'
  if (!config) return void errors.push(required(at, missing))
  if (!config.clientIP) return void errors.push(required(`${at}.clientIP`, missing))
  const seconds = config.clientIP.timeoutSeconds
  if (seconds === undefined) errors.push(required(`${at}.clientIP.timeoutSeconds`, missing))
  else if (seconds <= 0 || seconds > 86400)
    errors.push(invalid(`${at}.clientIP.timeoutSeconds`, seconds, 'must be greater than 0 and less than 86400'))
}

/** The field, or the annotation from before there was one. */
function checkSourceRanges({ spec = {}, metadata }: Service, previous: Service | undefined, errors: Errors): void {
  const at = 'spec.LoadBalancerSourceRanges'
  const balanced = spec.type === 'LoadBalancer'
  if (spec.loadBalancerSourceRanges?.length) {
    if (!balanced) errors.push(forbidden(at, BALANCERS_ONLY))
    const known = previous?.spec?.loadBalancerSourceRanges?.map((range) => range.trim())
    each(spec.loadBalancerSourceRanges, at, (padded, where) => {
      const range = padded.trim()
      if (!known?.includes(range)) checkMessages(where, range, cidrMessages(range), errors)
    })
    return
  }
  const annotated = metadata?.annotations?.[SOURCE_RANGES]
  if (annotated === undefined) return
  const path = `metadata.annotations[${SOURCE_RANGES}]`
  if (!balanced) errors.push(forbidden(path, BALANCERS_ONLY))
  if (annotated.trim() === '' || previous?.metadata?.annotations?.[SOURCE_RANGES] === annotated) return
  for (const range of annotated.split(',')) checkMessages(path, range.trim(), cidrMessages(range.trim()), errors)
}

function checkBalancerClass({ type, loadBalancerClass: name }: Spec, errors: Errors): void {
  if (name === undefined) return
  if (type === 'LoadBalancer') checkMessages('spec.loadBalancerClass', name, qualifiedName(name), errors)
  else errors.push(forbidden('spec.loadBalancerClass', BALANCERS_ONLY))
}

function checkTraffic(spec: Spec, errors: Errors): void {
  const { externalTrafficPolicy: outside, internalTrafficPolicy: inside, healthCheckNodePort: health = 0 } = spec
  const exposed = isExternal(spec) || (spec.type === 'ClusterIP' && Boolean(spec.externalIPs?.length))
  if (exposed) checkAmong('spec.externalTrafficPolicy', outside, ['Cluster', 'Local'], errors)
  else if (outside) errors.push(invalid('spec.externalTrafficPolicy', outside, 'may only be set for externally-accessible services'))
  const at = 'spec.healthCheckNodePort'
  if (needsHealthPort(spec)) {
    if (!health) errors.push(required(at))
    else checkMessages(at, health, portNumber(health), errors)
  } else if (health)
    errors.push(invalid(at, health, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
  if (inside !== undefined) {
    if (inside !== 'Cluster' && inside !== 'Local') errors.push(notSupported('spec.internalTrafficPolicy', inside, ['Cluster', 'Local']))
  } else if (isExternal(spec) || spec.type === 'ClusterIP') errors.push(required('spec.internalTrafficPolicy'))
  if (spec.trafficDistribution !== undefined && !DISTRIBUTIONS.includes(spec.trafficDistribution))
    errors.push(notSupported('spec.trafficDistribution', spec.trafficDistribution, DISTRIBUTIONS))
}

function checkUpdate(spec: Spec, old: Spec, errors: Errors): void {
  if (needsClusterIP(spec) && needsClusterIP(old)) {
    checkAddressUpdate(spec, old, errors)
    checkFamilyUpdate(spec, old, errors)
  }
  if (spec.type === 'LoadBalancer' && old.type === 'LoadBalancer' && spec.loadBalancerClass !== old.loadBalancerClass)
    errors.push(invalid('spec.loadBalancerClass', spec.loadBalancerClass, 'may not change once set'))
  if (needsHealthPort(spec) && needsHealthPort(old))
    checkFrozen('spec.healthCheckNodePort', spec.healthCheckNodePort, old.healthCheckNodePort, errors)
}

function checkLoadBalancer({ spec, status }: Service, previous: Service | undefined, errors: Errors): void {
  const ingress = status?.loadBalancer?.ingress
  const path = 'status.loadBalancer.ingress'
  if (ingress?.length && spec?.type !== 'LoadBalancer')
    return void errors.push(forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'"))
  const known = previous?.status?.loadBalancer?.ingress?.map(({ ip }) => ip)
  each(ingress, path, ({ ip, hostname, ipMode }, at) => {
    if (ip && !known?.includes(ip)) checkMessages(`${at}.ip`, ip, ipMessages(ip), errors)
    if (ipMode === undefined) {
      if (ip) errors.push(required(`${at}.ipMode`, 'must be specified when `ip` is set'))
    } else if (!ip) errors.push(forbidden(`${at}.ipMode`, 'may not be specified when `ip` is not set'))
    else if (ipMode !== 'Proxy' && ipMode !== 'VIP') errors.push(notSupported(`${at}.ipMode`, ipMode, ['Proxy', 'VIP']))
    if (!hostname) return
    checkMessages(`${at}.hostname`, hostname, dnsSubdomain(hostname), errors)
    if (familyOf(hostname)) errors.push(invalid(`${at}.hostname`, hostname, 'must be a DNS name, not an IP address'))
  })
}
