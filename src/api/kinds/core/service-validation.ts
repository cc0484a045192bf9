// Rules of services: ports, addresses, traffic policies, and what may not change once set.
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { validateLabels } from '#api/meta/object-meta.ts'
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from '#api/names.ts'
import { checkImmutable, checkMessages, checkOneOf, checkRange, each, type Errors } from '#api/validation/checks.ts'
import { checkPort } from '#api/validation/handlers.ts'
import { canonicalIP, cidrMessages, endpointIPMessages, familyOf, ipMessages } from '#api/validation/ip.ts'
import { isExternal, needsClusterIP, needsHealthPort } from './service-update.ts'

type Service = types.Service
type Spec = types.ServiceSpec

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const DISTRIBUTIONS = ['PreferClose', 'PreferSameNode', 'PreferSameZone']

export function validateService(next: Service, previous: Service | undefined, { subresource }: HookContext): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') {
    checkLoadBalancer(next.status?.loadBalancer, errors)
    return errors
  }
  const spec = next.spec ?? {}
  const headless = isHeadless(spec)
  if (!spec.ports?.length && !headless && spec.type !== 'ExternalName') errors.push(required('spec.ports'))
  checkType(spec, headless, errors)
  checkPorts(spec, errors)
  errors.push(...validateLabels(spec.selector, 'spec.selector'))
  checkOneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None'], errors, { required: true })
  checkAffinity(spec, errors)
  if (needsClusterIP(spec)) checkAddresses(spec, previous?.spec, errors)
  each(spec.externalIPs, 'spec.externalIPs', (ip, at) => {
    if (!previous?.spec?.externalIPs?.includes(ip)) checkMessages(at, ip, endpointIPMessages(ip), errors)
  })
  checkOneOf('spec.type', spec.type, TYPES, errors, { required: true })
  checkLoadBalancerFields(spec, previous?.spec, errors)
  checkTraffic(spec, errors)
  if (previous?.spec) checkUpdate(spec, previous.spec, errors)
  return errors
}

const isHeadless = ({ clusterIP, clusterIPs }: Spec) => clusterIP === 'None' || clusterIPs?.[0] === 'None'

function checkType(spec: Spec, headless: boolean, errors: Errors): void {
  if (spec.type === 'LoadBalancer') {
    each(spec.ports, 'spec.ports', ({ port }, at) => {
      // The kubelet's own port: a load balancer there would cut nodes off.
      if (port === 10250) errors.push(invalid(at, port, 'may not expose port 10250 externally since it is used by kubelet'))
    })
    if (headless) errors.push(invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for LoadBalancer services"))
  } else if (spec.type === 'NodePort' && headless)
    errors.push(invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for NodePort services"))
  else if (spec.type === 'ExternalName') {
    for (const [field, value] of [
      ['clusterIP', spec.clusterIP],
      ['clusterIPs', spec.clusterIPs],
    ] as const)
      if (value?.length && value !== 'None') errors.push(forbidden(`spec.${field}`, 'may not be set for ExternalName services'))
    if (spec.ipFamilies?.length) errors.push(forbidden('spec.ipFamilies', 'may not be set for ExternalName services'))
    if (spec.ipFamilyPolicy) errors.push(forbidden('spec.ipFamilyPolicy', 'may not be set for ExternalName services'))
    const name = (spec.externalName ?? '').replace(/\.$/, '')
    if (!name) errors.push(required('spec.externalName'))
    else checkMessages('spec.externalName', name, dnsSubdomain(name), errors)
  }
}

function checkPorts(spec: Spec, errors: Errors): void {
  const names = new Set<string>()
  const pairs = new Set<string>()
  const nodePorts = new Set<string>()
  const named = (spec.ports?.length ?? 0) > 1
  each(spec.ports, 'spec.ports', ({ name, port, protocol = '', targetPort, nodePort, appProtocol }, at) => {
    if (named && !name) errors.push(required(`${at}.name`))
    else if (name) {
      checkMessages(`${at}.name`, name, dnsLabel(name), errors)
      if (names.has(name)) errors.push(duplicate(`${at}.name`, name))
      names.add(name)
    }
    checkMessages(`${at}.port`, port ?? 0, portNumber(port ?? 0), errors)
    checkOneOf(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'], errors, { required: true })
    checkPort(`${at}.targetPort`, targetPort, errors)
    if (appProtocol !== undefined) checkMessages(`${at}.appProtocol`, appProtocol, qualifiedName(appProtocol), errors)
    const pair = `${protocol}/${port}`
    if (pairs.has(pair)) errors.push(duplicate(at, { ...(name ? { name } : {}), protocol, port, targetPort: targetPort ?? 0 }))
    pairs.add(pair)
    if (!nodePort) return
    if (!isExternal(spec)) errors.push(forbidden(`${at}.nodePort`, `may not be used when \`type\` is '${spec.type}'`))
    const key = `${protocol}/${nodePort}`
    if (nodePorts.has(key)) errors.push(duplicate(`${at}.nodePort`, nodePort))
    nodePorts.add(key)
  })
}

function checkAffinity({ sessionAffinity, sessionAffinityConfig }: Spec, errors: Errors): void {
  const at = 'spec.sessionAffinityConfig'
  if (sessionAffinity === 'ClientIP') {
    const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds
    if (seconds === undefined) errors.push(required(at, 'when session affinity type is ClientIP'))
    else if (seconds <= 0 || seconds > 86400)
      errors.push(invalid(`${at}.clientIP.timeoutSeconds`, seconds, 'must be greater than 0 and less than 86400'))
  } else if (sessionAffinityConfig) errors.push(forbidden(at, 'must not be set when session affinity is None'))
}

function checkAddresses(spec: Spec, old: Spec | undefined, errors: Errors): void {
  const { clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec
  if (clusterIPs.length > 0 && clusterIP !== clusterIPs[0])
    errors.push(invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`'))
  if (clusterIPs.length > 2) errors.push(invalid('spec.clusterIPs', clusterIPs, 'may only hold up to 2 values'))
  each(clusterIPs, 'spec.clusterIPs', (ip, at, index) => {
    if (ip === 'None') {
      if (index > 0) errors.push(invalid(at, ip, "'None' must be the first and only value"))
    } else if (!old?.clusterIPs?.includes(ip)) checkMessages(at, ip, ipMessages(ip), errors)
  })
  if (clusterIPs.length === 2 && familyOf(clusterIPs[0]!) && familyOf(clusterIPs[0]!) === familyOf(clusterIPs[1]!))
    errors.push(invalid('spec.clusterIPs', clusterIPs, 'may specify no more than one IP for each IP family'))
  each(ipFamilies, 'spec.ipFamilies', (family, at, index) => {
    if (family !== 'IPv4' && family !== 'IPv6') errors.push(notSupported(at, family, ['IPv4', 'IPv6']))
    else if (ipFamilies.indexOf(family) < index) errors.push(duplicate(at, family))
    const ip = clusterIPs[index]
    const actual = ip && ip !== 'None' ? familyOf(ip) : undefined
    if (actual && actual !== family)
      errors.push(invalid(`spec.clusterIPs[${index}]`, ip, `expected an ${family} value as indicated by \`ipFamilies[${index}]\``))
  })
  if (ipFamilyPolicy !== undefined)
    checkOneOf('spec.ipFamilyPolicy', ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack'], errors)
  if (ipFamilyPolicy === 'SingleStack' && ipFamilies.length > 1)
    errors.push(
      invalid(
        'spec.ipFamilyPolicy',
        ipFamilyPolicy,
        "must be RequireDualStack or PreferDualStack when multiple 'ipFamilies' are specified",
      ),
    )
}

function checkLoadBalancerFields(spec: Spec, old: Spec | undefined, errors: Errors): void {
  const balanced = spec.type === 'LoadBalancer'
  if (spec.loadBalancerSourceRanges?.length) {
    if (!balanced) errors.push(forbidden('spec.LoadBalancerSourceRanges', "may only be used when `type` is 'LoadBalancer'"))
    each(spec.loadBalancerSourceRanges, 'spec.loadBalancerSourceRanges', (range, at) => {
      if (!old?.loadBalancerSourceRanges?.includes(range)) checkMessages(at, range, cidrMessages(range.trim()), errors)
    })
  }
  if (!balanced && spec.allocateLoadBalancerNodePorts !== undefined)
    errors.push(forbidden('spec.allocateLoadBalancerNodePorts', "may only be used when `type` is 'LoadBalancer'"))
  if (spec.loadBalancerClass === undefined) return
  checkMessages('spec.loadBalancerClass', spec.loadBalancerClass, qualifiedName(spec.loadBalancerClass), errors)
  if (!balanced) errors.push(forbidden('spec.loadBalancerClass', "may only be used when `type` is 'LoadBalancer'"))
}

function checkTraffic(spec: Spec, errors: Errors): void {
  const exposed = isExternal(spec) || (spec.type === 'ClusterIP' && Boolean(spec.externalIPs?.length))
  if (spec.externalTrafficPolicy) {
    if (!exposed)
      errors.push(invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, 'may only be set for externally-accessible services'))
    else checkOneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local'], errors)
  } else if (exposed) errors.push(required('spec.externalTrafficPolicy', 'for externally-accessible services'))
  if (spec.healthCheckNodePort && !needsHealthPort(spec))
    errors.push(
      invalid(
        'spec.healthCheckNodePort',
        spec.healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    )
  checkRange('spec.healthCheckNodePort', spec.healthCheckNodePort, [0, 65535], errors)
  if (spec.internalTrafficPolicy !== undefined)
    checkOneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local'], errors)
  else if (spec.type !== 'ExternalName') errors.push(required('spec.internalTrafficPolicy'))
  if (spec.trafficDistribution !== undefined) checkOneOf('spec.trafficDistribution', spec.trafficDistribution, DISTRIBUTIONS, errors)
}

function checkUpdate(spec: Spec, old: Spec, errors: Errors): void {
  if (needsClusterIP(spec) && needsClusterIP(old)) {
    const [now, before] = [spec.clusterIPs ?? [], old.clusterIPs ?? []]
    if (before[0] && now[0] !== before[0]) errors.push(invalid('spec.clusterIPs[0]', now, 'may not change once set'))
    if (old.ipFamilies?.[0] && spec.ipFamilies?.length && spec.ipFamilies[0] !== old.ipFamilies[0])
      errors.push(invalid('spec.ipFamilies[0]', spec.ipFamilies, 'may not change once set'))
  }
  if (needsHealthPort(spec) && needsHealthPort(old))
    checkImmutable('spec.healthCheckNodePort', spec.healthCheckNodePort, old.healthCheckNodePort, errors)
  if (spec.type === 'LoadBalancer' && old.type === 'LoadBalancer' && spec.loadBalancerClass !== old.loadBalancerClass)
    errors.push(invalid('spec.loadBalancerClass', spec.loadBalancerClass, 'may not change once set'))
}

function checkLoadBalancer(status: types.LoadBalancerStatus | undefined, errors: Errors): void {
  each(status?.ingress, 'status.loadBalancer.ingress', ({ ip, hostname, ipMode }, at) => {
    if (ip) checkMessages(`${at}.ip`, ip, ipMessages(ip), errors)
    if (ipMode !== undefined) {
      if (!ip) errors.push(forbidden(`${at}.ipMode`, 'may not be specified when `ip` is not set'))
      checkOneOf(`${at}.ipMode`, ipMode, ['Proxy', 'VIP'], errors)
    } else if (ip) errors.push(required(`${at}.ipMode`, 'must be specified when `ip` is set'))
    if (hostname) {
      checkMessages(`${at}.hostname`, hostname, dnsSubdomain(hostname), errors)
      if (familyOf(hostname)) errors.push(invalid(`${at}.hostname`, hostname, 'must be a DNS name, not an IP address'))
    }
  })
}

export function serviceWarnings({ spec }: Service): string[] {
  const warnings: string[] = []
  for (const [index, ip] of (spec?.clusterIPs ?? []).entries())
    if (familyOf(ip) === 'IPv6' && canonicalIP(ip) !== ip)
      warnings.push(`spec.clusterIPs[${index}]: IPv6 address "${ip}" should be in RFC 5952 canonical format ("${canonicalIP(ip)}")`)
  if (spec?.externalIPs?.length && spec.type !== 'ExternalName' && !isHeadless(spec))
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters')
  return warnings
}
