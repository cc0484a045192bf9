// What certificates of this cluster say: of authorities, of servers and clients, and of those who asked for one by a request.
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import type { Random } from '#lib/random.ts'
import {
  alternativeNames,
  authorityKeyIdentifier,
  basicConstraints,
  certificateOf,
  extendedKeyUsage,
  KEY_USAGES,
  keyUsage,
  nameOf,
  partsOfCertificate,
  subjectKeyIdentifier,
} from './certificate.ts'
import {
  AUTHORITY_LIFETIME_MS,
  AUTHORITY_BACKDATE_MS,
  BACKDATE_MS,
  SHORT_MS,
  type CertificateSpec,
  type CertifiedKey,
  LEAF_LIFETIME_MS,
  usageOid,
} from './certificate-spec.ts'

export interface IssuerContext {
  now: number
  random: Random
}

export function issueAuthority(commonName: string, { now, random }: IssuerContext): CertifiedKey {
  const { key, publicKey } = newKey()
  const name = nameOf(commonName)
  const certificate = certificateOf(
    {
      issuer: name,
      subject: name,
      publicKey,
      notBefore: Math.max(0, now - AUTHORITY_BACKDATE_MS),
      notAfter: now + AUTHORITY_LIFETIME_MS,
      extensions: [
        basicConstraints(true),
        keyUsage(KEY_USAGES.digitalSignature, KEY_USAGES.keyEncipherment, KEY_USAGES.keyCertSign),
        subjectKeyIdentifier(publicKey),
      ],
    },
    { key, random },
  )
  return { certificate, key }
}

export function issueCertificate(spec: CertificateSpec, authority: CertifiedKey, context: IssuerContext): CertifiedKey {
  const { key, publicKey } = newKey()
  const certificate = signBy(authority, {
    ...context,
    publicKey,
    subject: nameOf(spec.commonName, spec.organizations),
    lifetimeMs: LEAF_LIFETIME_MS,
    extensions: [
      keyUsage(KEY_USAGES.digitalSignature),
      extendedKeyUsage(spec.usages.map(usageOid)),
      ...(spec.addresses?.length ? [alternativeNames(spec.addresses)] : []),
    ],
  })
  return { certificate, key }
}

export interface SigningOptions extends IssuerContext {
  /** Key usages in the spelling of CertificateSigningRequest's spec.usages. */
  usages: readonly string[]
  lifetimeMs: number
}

/** Certifies the key and subject of a PEM request. Whether it may be certified is the caller's to decide; its self-signature is checked here. */
export async function certifyRequest(request: string, authority: CertifiedKey, options: SigningOptions): Promise<string> {
  const { readRequest } = await import('./certificate-request.ts')
  const { subject, publicKey, alternativeNames: names } = await readRequest(request)
  const flags = options.usages.flatMap((usage) => USAGE_FLAGS[usage] ?? [])
  // Each once, in the order of the table.
  const extended = [
    ...new Set(Object.keys(EXTENDED_USAGES).flatMap((usage) => (options.usages.includes(usage) ? EXTENDED_USAGES[usage]! : []))),
  ]
  return signBy(authority, {
    ...options,
    publicKey,
    subject,
    extensions: [
      // With no bit set it would be invalid, and the certificate with it.
      ...(flags.length > 0 ? [keyUsage(...flags)] : []),
      ...(extended.length > 0 ? [extendedKeyUsage(extended)] : []),
      ...(names ? [names] : []),
    ],
  })
}

const USAGE_FLAGS: Record<string, number> = {
  signing: KEY_USAGES.digitalSignature,
  'digital signature': KEY_USAGES.digitalSignature,
  'content commitment': KEY_USAGES.contentCommitment,
  'key encipherment': KEY_USAGES.keyEncipherment,
  'key agreement': KEY_USAGES.keyAgreement,
  'data encipherment': KEY_USAGES.dataEncipherment,
  'cert sign': KEY_USAGES.keyCertSign,
  'crl sign': KEY_USAGES.crlSign,
  'encipher only': KEY_USAGES.encipherOnly,
  'decipher only': KEY_USAGES.decipherOnly,
}

const EXTENDED_USAGES: Record<string, string> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
}

interface Signing extends IssuerContext {
  publicKey: Buffer
  subject: Buffer
  lifetimeMs: number
  extensions: readonly Buffer[]
}

function signBy(authority: CertifiedKey, { now, random, publicKey, subject, lifetimeMs, extensions }: Signing): string {
  const issuer = new X509Certificate(authority.certificate)
  const of = partsOfCertificate(issuer)
  return certificateOf(
    {
      issuer: of.subject,
      subject,
      publicKey,
      notBefore: now - BACKDATE_MS,
      // What lives long ends that much earlier, too.
      notAfter: Math.min(now + lifetimeMs - (lifetimeMs < SHORT_MS ? 0 : BACKDATE_MS), Date.parse(issuer.validTo)),
      extensions: [...extensions, basicConstraints(false), authorityKeyIdentifier(of.publicKey)],
    },
    { key: authority.key, random },
  )
}

function newKey(): { key: string; publicKey: Buffer } {
  const { privateKey: key, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'der' },
  })
  return { key, publicKey }
}
