// Issues certificates. Loaded only when something must be issued: the library behind it takes a tenth of a second to load.
import 'reflect-metadata'
import { createPrivateKey, KeyObject, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  AuthorityKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { Random } from '#lib/random.ts'
import {
  AUTHORITY_LIFETIME_MS,
  BACKDATE_MS,
  type CertificateSpec,
  type CertifiedKey,
  LEAF_LIFETIME_MS,
  usageOid,
} from './certificate-spec.ts'

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const
const crypto = webcrypto

export interface IssuerContext {
  now: number
  random: Random
}

export async function issueAuthority(commonName: string, { now, random }: IssuerContext): Promise<CertifiedKey> {
  const keys = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: new Name([{ CN: [{ utf8String: commonName }] }]),
      keys,
      signingAlgorithm: SIGNING,
      serialNumber: serialNumber(random),
      notBefore: new Date(now - BACKDATE_MS),
      notAfter: new Date(now + AUTHORITY_LIFETIME_MS),
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment | KeyUsageFlags.keyCertSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      ],
    },
    crypto,
  )
  return { certificate: `${certificate.toString('pem')}\n`, key: exportKey(keys.privateKey) }
}

export async function issueCertificate(spec: CertificateSpec, authority: CertifiedKey, context: IssuerContext): Promise<CertifiedKey> {
  const keys = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
  const certificate = await sign(authority, {
    ...context,
    publicKey: keys.publicKey,
    subject: subjectOf(spec),
    lifetimeMs: LEAF_LIFETIME_MS,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(spec.usages.map(usageOid)),
      ...alternativeNames(spec.addresses ?? []),
    ],
  })
  return { certificate, key: exportKey(keys.privateKey) }
}

export interface SigningOptions extends IssuerContext {
  /** Key usages in the spelling of CertificateSigningRequest's spec.usages. */
  usages: readonly string[]
  lifetimeMs: number
}

/** Certifies the key and subject of a PEM request. Whether it may be certified is the caller's to decide; its self-signature is checked here. */
export async function certifyRequest(request: string, authority: CertifiedKey, options: SigningOptions): Promise<string> {
  const csr = new Pkcs10CertificateRequest(request)
  if (!(await csr.verify(crypto))) throw new Error('the signature of the certificate request does not fit its key')
  const extended = options.usages.flatMap((usage) => EXTENDED_USAGES[usage] ?? [])
  const flags = options.usages.reduce((all, usage) => all | (USAGE_FLAGS[usage] ?? 0), 0)
  const names = csr.extensions.find(({ type }) => type === SUBJECT_ALTERNATIVE_NAME)
  return sign(authority, {
    ...options,
    publicKey: await csr.publicKey.export(crypto),
    subject: csr.subjectName,
    extensions: [
      new KeyUsagesExtension(flags, true),
      ...(extended.length > 0 ? [new ExtendedKeyUsageExtension(extended)] : []),
      ...(names ? [names] : []),
    ],
  })
}

const USAGE_FLAGS: Record<string, number> = {
  signing: KeyUsageFlags.digitalSignature,
  'digital signature': KeyUsageFlags.digitalSignature,
  'content commitment': KeyUsageFlags.nonRepudiation,
  'key encipherment': KeyUsageFlags.keyEncipherment,
  'key agreement': KeyUsageFlags.keyAgreement,
  'data encipherment': KeyUsageFlags.dataEncipherment,
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

interface SignOptions extends IssuerContext {
  publicKey: webcrypto.CryptoKey
  subject: Name
  lifetimeMs: number
  extensions: Extension[]
}

async function sign(authority: CertifiedKey, options: SignOptions): Promise<string> {
  const issuer = new X509Certificate(authority.certificate)
  const signingKey = await crypto.subtle.importKey('pkcs8', new Uint8Array(derOf(authority.key)), CURVE, false, ['sign'])
  const certificate = await X509CertificateGenerator.create(
    {
      subject: options.subject,
      issuer: issuer.subjectName,
      publicKey: options.publicKey,
      signingKey,
      signingAlgorithm: SIGNING,
      serialNumber: serialNumber(options.random),
      notBefore: new Date(options.now - BACKDATE_MS),
      notAfter: new Date(Math.min(options.now + options.lifetimeMs, issuer.notAfter.getTime())),
      extensions: [
        ...options.extensions,
        new BasicConstraintsExtension(false, undefined, true),
        await AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export(crypto), false, crypto),
      ],
    },
    crypto,
  )
  return `${certificate.toString('pem')}\n`
}

function subjectOf({ commonName, organizations = [] }: CertificateSpec): Name {
  return new Name([...organizations.map((one) => ({ O: [{ utf8String: one }] })), { CN: [{ utf8String: commonName }] }])
}

function alternativeNames(addresses: readonly string[]): Extension[] {
  if (addresses.length === 0) return []
  return [new SubjectAlternativeNameExtension(addresses.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value })))]
}

/** Positive and never with a leading zero byte, which would not be minimal DER. */
function serialNumber(random: Random): string {
  const bytes = random.bytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

const exportKey = (key: webcrypto.CryptoKey): string => KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString()
const derOf = (pem: string): Buffer => createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' })
