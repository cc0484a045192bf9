// Names a pod sees: its hostname, /etc/hosts and the contents of /etc/resolv.conf.
import type { Pod } from '#api/generated/types.ts'
import type { SandboxConfig } from '#node/runtime.ts'

const HOSTNAME_LIMIT = 63
const FQDN_LIMIT = 64
const SEARCH_LIMIT = 32
const SEARCH_LENGTH_LIMIT = 2048
const NAMESERVER_LIMIT = 3

export interface DnsSettings {
  clusterDns: readonly string[]
  clusterDomain: string
  /** The node's own resolv.conf, parsed. */
  host: Dns
}

export type Dns = SandboxConfig['dns']

export interface PodNames {
  hostname: string
  /** Empty without a subdomain. */
  fqdn: string
  /** What the kernel is told. */
  kernel: string
}

/** Throws where setHostnameAsFQDN asks for more than the kernel can take. */
export function podNames(pod: Pod, clusterDomain: string): PodNames {
  const { hostname: asked, hostnameOverride, subdomain, setHostnameAsFQDN } = pod.spec ?? {}
  if (hostnameOverride) return { hostname: hostnameOverride, fqdn: '', kernel: hostnameOverride }
  const hostname = asked || truncated(pod.metadata?.name ?? '')
  const fqdn = subdomain ? `${hostname}.${subdomain}.${pod.metadata?.namespace}.svc.${clusterDomain}` : ''
  if (!setHostnameAsFQDN || !fqdn) return { hostname, fqdn, kernel: hostname }
  if (fqdn.length > FQDN_LIMIT) {
    throw new Error(
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long (${FQDN_LIMIT} characters is the max, ${fqdn.length} characters requested)`,
    )
  }
  return { hostname, fqdn, kernel: fqdn }
}

function truncated(name: string): string {
  return name.length <= HOSTNAME_LIMIT ? name : name.slice(0, HOSTNAME_LIMIT).replace(/[-.]+$/, '')
}

export function hostsFile(pod: Pod, { names, ips, hostFile }: { names: PodNames; ips: readonly string[]; hostFile: string }): string {
  const aliases = (pod.spec?.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`)
  const tail = aliases.length > 0 ? `\n# Entries added by HostAliases.\n${aliases.join('\n')}\n` : ''
  if (pod.spec?.hostNetwork) return `# Kubernetes-managed hosts file (host network).\n${hostFile}${tail}`
  const own = ips.map((ip) => (names.fqdn ? `${ip}\t${names.fqdn}\t${names.hostname}` : `${ip}\t${names.hostname}`))
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...own,
  ]
  return `${lines.join('\n')}\n${tail}`
}

export function parseResolvConf(text: string): Dns {
  const dns: Dns = { servers: [], searches: [], options: [] }
  for (const line of text.split('\n')) {
    const [keyword, ...rest] = line.trim().split(/\s+/)
    if (keyword === 'nameserver' && rest[0]) dns.servers.push(rest[0])
    if (keyword === 'search') dns.searches = rest.map((domain) => (domain === '.' ? domain : domain.replace(/\.$/, '')))
    if (keyword === 'options') dns.options = rest
  }
  return dns
}

/** `dropped` tells what did not fit, for an event. */
export function podDns(pod: Pod, { clusterDns, clusterDomain, host }: DnsSettings): { dns: Dns; dropped: string[] } {
  const { dnsPolicy = 'ClusterFirst', hostNetwork, dnsConfig } = pod.spec ?? {}
  const cluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork)
  let dns: Dns
  if (dnsPolicy === 'None') dns = { servers: [], searches: [], options: [] }
  else if (cluster && clusterDns.length > 0) {
    const own = [`${pod.metadata?.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain]
    dns = { servers: [...clusterDns], searches: [...own, ...host.searches], options: ['ndots:5'] }
  } else dns = { servers: [...host.servers], searches: [...host.searches], options: [...host.options] }
  if (dnsConfig) {
    dns.servers = [...new Set([...dns.servers, ...(dnsConfig.nameservers ?? [])])]
    dns.searches = [...dns.searches, ...(dnsConfig.searches ?? [])]
    dns.options = mergedOptions(dns.options, dnsConfig.options ?? [])
  }
  return withinLimits({ ...dns, searches: [...new Set(dns.searches)] })
}

function mergedOptions(base: readonly string[], own: readonly { name?: string; value?: string }[]): string[] {
  const options = new Map<string, string | undefined>()
  for (const text of base) {
    const [name = '', value] = text.split(':', 2)
    options.set(name, value)
  }
  for (const { name = '', value } of own) options.set(name, value)
  return [...options].map(([name, value]) => (value === undefined || value === '' ? name : `${name}:${value}`))
}

function withinLimits(dns: Dns): { dns: Dns; dropped: string[] } {
  const dropped: string[] = []
  const servers = dns.servers.slice(0, NAMESERVER_LIMIT)
  if (servers.length < dns.servers.length) {
    dropped.push(
      `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${servers.join(' ')}`,
    )
  }
  const searches: string[] = []
  for (const domain of dns.searches.slice(0, SEARCH_LIMIT)) {
    if ([...searches, domain].join(' ').length > SEARCH_LENGTH_LIMIT) break
    searches.push(domain)
  }
  if (searches.length < dns.searches.length) {
    dropped.push(`Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.join(' ')}`)
  }
  return { dns: { servers, searches, options: dns.options }, dropped }
}
