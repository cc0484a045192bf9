// IP addresses and CIDRs as v1.36 wants new values: no leading zeros, no IPv4 in IPv6, no host bits; canonical where a kind demands it.
import { isIP, isIPv4 } from 'node:net'

const BAD_IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
const BAD_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'

export type Family = 'IPv4' | 'IPv6'

export function familyOf(address: string): Family | undefined {
  const version = isIP(address.split('/')[0]!)
  return version === 4 ? 'IPv4' : version === 6 && !address.includes('%') ? 'IPv6' : undefined
}

export function ipMessages(value: string): string[] {
  if (isLooseIPv4(value)) return isIPv4(value) ? [] : ['must not have leading 0s']
  if (isIP(value) !== 6 || value.includes('%')) return [BAD_IP]
  return isMapped(value) ? ['must not be an IPv4-mapped IPv6 address'] : []
}

export function cidrMessages(value: string): string[] {
  const [address = '', length = '', ...more] = value.split('/')
  const loose = isLooseIPv4(address)
  const version = loose ? 4 : isIP(address)
  if (more.length > 0 || version === 0 || address.includes('%') || !/^[0-9]{1,3}$/.test(length)) return [BAD_CIDR]
  if (Number(length) > (version === 4 ? 32 : 128)) return [BAD_CIDR]
  const messages: string[] = []
  if ((loose && !isIPv4(address)) || (length.length > 1 && length.startsWith('0')))
    messages.push('must not have leading 0s in IP or prefix length')
  if (!loose && isMapped(address)) messages.push('must not have an IPv4-mapped IPv6 address')
  const bits = ipToBits(loose ? address.replace(/(^|\.)0+(?=\d)/g, '$1') : address)
  if (bits.slice(Number(length)).includes('1')) messages.push('must not have bits set beyond the prefix length')
  return messages
}

/** For kinds that demand one spelling (IPAddress, ServiceCIDR, IPv6 endpoint slices). */
export function canonicalIPMessages(value: string): string[] {
  const messages = ipMessages(value)
  if (messages.length > 0) return messages
  const canonical = canonicalIP(value)
  return canonical === value ? [] : [`must be in canonical form ("${canonical}")`]
}

export function canonicalCIDRMessages(value: string): string[] {
  const messages = cidrMessages(value)
  if (messages.length > 0) return messages
  const [address = '', length = ''] = value.split('/')
  const canonical = `${canonicalIP(address)}/${Number(length)}`
  return canonical === value ? [] : [`must be in canonical form ("${canonical}")`]
}

/** RFC 5952. The URL parser writes IPv6 that way. */
export function canonicalIP(value: string): string {
  return isIPv4(value) ? value : new URL(`http://[${value}]/`).hostname.slice(1, -1)
}

/** Of fields that take IPv6 in any spelling: what nobody else would write. */
export function ipWarnings(path: string, value: string): string[] {
  if (familyOf(value) !== 'IPv6' || value.includes('/') || canonicalIP(value) === value) return []
  return [`${path}: IPv6 address ${JSON.stringify(value)} should be in RFC 5952 canonical format ("${canonicalIP(value)}")`]
}

export function cidrWarnings(path: string, value: string): string[] {
  const [address = '', length = ''] = value.split('/')
  if (familyOf(address) !== 'IPv6' || canonicalIP(address) === address) return []
  return [`${path}: IPv6 CIDR value ${JSON.stringify(value)} should be in RFC 5952 canonical format ("${canonicalIP(address)}/${length}")`]
}

/** Addresses no endpoint may have. */
export function endpointIPMessages(value: string): string[] {
  const messages = ipMessages(value)
  return messages.length > 0 ? messages : endpointRangeMessages(value)
}

/** Of an address that is in order. */
export function endpointRangeMessages(value: string): string[] {
  const ip = canonicalIP(value)
  const v4 = isIPv4(ip)
  const out: string[] = []
  if (ip === '0.0.0.0' || ip === '::') out.push(`may not be unspecified (${value})`)
  if (v4 ? ip.startsWith('127.') : ip === '::1') out.push('may not be in the loopback range (127.0.0.0/8, ::1/128)')
  if (v4 ? ip.startsWith('169.254.') : /^fe[89ab]/.test(ip)) out.push('may not be in the link-local range (169.254.0.0/16, fe80::/10)')
  if (v4 ? ip.startsWith('224.0.0.') : ip.startsWith('ff02:'))
    out.push('may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)')
  return out
}

function ipToBits(address: string): string {
  if (isIPv4(address))
    return address
      .split('.')
      .map((byte) => Number(byte).toString(2).padStart(8, '0'))
      .join('')
  const [head = '', tail] = canonicalIP(address).split('::')
  const left = head ? head.split(':') : []
  const right = tail ? tail.split(':') : []
  const groups = tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return groups.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join('')
}

export function cidrContains(cidr: string, address: string): boolean {
  const [network = '', length = ''] = cidr.split('/')
  if (familyOf(network) !== familyOf(address)) return false
  return ipToBits(network).slice(0, Number(length)) === ipToBits(address).slice(0, Number(length))
}

const isLooseIPv4 = (value: string) => /^\d{1,3}(\.\d{1,3}){3}$/.test(value) && value.split('.').every((byte) => Number(byte) < 256)
const isMapped = (value: string) => isIP(value) === 6 && canonicalIP(value).startsWith('::ffff:')
