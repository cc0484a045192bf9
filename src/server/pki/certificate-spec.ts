// What a certificate should say, as data, and whether one at hand says it. Reading needs only node:crypto.
import { createPrivateKey, X509Certificate } from 'node:crypto'

export type CertificateUsage = 'server auth' | 'client auth'

export interface CertificateSpec {
  commonName: string
  organizations?: readonly string[]
  /** Host names and IP addresses. */
  addresses?: readonly string[]
  /** It may name others too: servers that share it each add their own. */
  shared?: boolean
  usages: readonly CertificateUsage[]
}

/** PEM texts. */
export interface CertifiedKey {
  certificate: string
  key: string
}

const DAY_MS = 24 * 3600 * 1000
export const AUTHORITY_LIFETIME_MS = 3650 * DAY_MS
export const LEAF_LIFETIME_MS = 365 * DAY_MS
/** Issued that much before now, for clocks that are behind. */
export const BACKDATE_MS = 5 * 60 * 1000
/** Certificates for less than that last in full. */
export const SHORT_MS = 8 * 3600 * 1000
/** An authority outlives the clock it was made by: set back since, that would leave nothing that is valid yet. Leaves are issued anew. */
export const AUTHORITY_BACKDATE_MS = 365 * DAY_MS
/** A leaf with less than this left is replaced at start. */
const RENEW_BEFORE_MS = 60 * DAY_MS

const USAGE_OIDS: Record<CertificateUsage, string> = { 'server auth': '1.3.6.1.5.5.7.3.1', 'client auth': '1.3.6.1.5.5.7.3.2' }

export const usageOid = (usage: CertificateUsage): string => USAGE_OIDS[usage]

/** Whether `pair` is what `spec` asks for: by that authority, for that key, those names, and with enough time left. */
export function serves(pair: CertifiedKey, options: { spec: CertificateSpec; authority: X509Certificate; now: number }): boolean {
  const { spec, authority, now } = options
  try {
    const certificate = new X509Certificate(pair.certificate)
    return (
      certificate.checkIssued(authority) &&
      certificate.verify(authority.publicKey) &&
      certificate.checkPrivateKey(createPrivateKey(pair.key)) &&
      Date.parse(certificate.validFrom) <= now &&
      Date.parse(certificate.validTo) - now > RENEW_BEFORE_MS &&
      sameMembers(subjectOf(certificate), subjectWanted(spec)) &&
      fits(addressesOf(certificate), (spec.addresses ?? []).map(canonicalAddress), spec.shared) &&
      sameMembers(certificate.keyUsage ?? [], spec.usages.map(usageOid))
    )
  } catch {
    return false
  }
}

function fits(present: readonly string[], wanted: readonly string[], shared = false): boolean {
  return shared ? wanted.every((one) => present.includes(one)) : sameMembers(present, wanted)
}

/** A certificate names no more than this. */
const MOST_NAMES = 100

/** What to ask for so that what the present certificate names stays named, as long as it is one that still holds. */
export function widened(
  spec: CertificateSpec,
  present: CertifiedKey,
  options: { authority: X509Certificate; now: number },
): CertificateSpec {
  if (!serves(present, { ...options, spec: { ...spec, addresses: [] } })) return spec
  const further = addressesOf(new X509Certificate(present.certificate))
  const wanted = (spec.addresses ?? []).map(canonicalAddress)
  return { ...spec, addresses: [...new Set([...wanted, ...further])].slice(0, Math.max(MOST_NAMES, wanted.length)) }
}

function subjectWanted(spec: CertificateSpec): string[] {
  return [`CN=${spec.commonName}`, ...(spec.organizations ?? []).map((organization) => `O=${organization}`)]
}

function subjectOf(certificate: X509Certificate): string[] {
  return certificate.subject.split('\n').flatMap((line) => line.split('+').map((part) => part.trim()))
}

function addressesOf(certificate: X509Certificate): string[] {
  const names = certificate.subjectAltName
  return names ? names.split(', ').map((name) => canonicalAddress(name.replace(/^(DNS|IP Address):/, ''))) : []
}

/** IPv6 in one spelling: certificates print it expanded. */
function canonicalAddress(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address.toLowerCase()
}

function sameMembers(left: readonly string[], right: readonly string[]): boolean {
  return new Set(left).size === new Set(right).size && left.every((one) => right.includes(one))
}
