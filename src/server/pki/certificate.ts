// One X.509 certificate (RFC 5280) from its parts, signed. What it may say is the caller's to decide.
import { createHash, createPrivateKey, sign, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { bits, der, flags, integer, objectId, octets, partsOf, pem, sequence, set, time, TRUE, utf8 } from '#lib/der.ts'
import type { Random } from '#lib/random.ts'

export interface CertificateParts {
  /** DER of a Name, see `nameOf`. */
  issuer: Buffer
  subject: Buffer
  /** DER of a SubjectPublicKeyInfo. */
  publicKey: Buffer
  notBefore: number
  notAfter: number
  extensions: readonly Buffer[]
}

/** PEM; `key` is the issuer's, in PEM. */
export function certificateOf(parts: CertificateParts, { key, random }: { key: string; random: Random }): string {
  const privateKey = createPrivateKey(key)
  const algorithm = algorithmOf(privateKey.asymmetricKeyType)
  const toBeSigned = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(serialNumber(random)),
    algorithm,
    parts.issuer,
    sequence(time(parts.notBefore), time(parts.notAfter)),
    parts.subject,
    parts.publicKey,
    der(0xa3, sequence(...parts.extensions)),
  )
  return pem('CERTIFICATE', sequence(toBeSigned, algorithm, bits(sign('sha256', toBeSigned, privateKey))))
}

/** SHA-256 with whichever key the authority has: ours are of P-256, one that was brought along may be RSA's. */
function algorithmOf(keyType: string | undefined): Buffer {
  if (keyType === 'ec') return sequence(objectId('1.2.840.10045.4.3.2'))
  if (keyType === 'rsa') return sequence(objectId('1.2.840.113549.1.1.11'), der(0x05))
  throw new Error(`an authority with a key of type ${keyType} cannot sign: use one with an EC or RSA key`)
}

/** Positive and never with a leading zero byte, which would not be minimal DER. */
function serialNumber(random: Random): Buffer {
  const bytes = random.bytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes
}

/** Organizations first, as Go's library writes them. */
export function nameOf(commonName: string, organizations: readonly string[] = []): Buffer {
  const attribute = (id: string, text: string) => set(sequence(objectId(id), utf8(text)))
  return sequence(...organizations.map((one) => attribute('2.5.4.10', one)), attribute('2.5.4.3', commonName))
}

/** Subject and public key of a certificate, as they stand in it. */
export function partsOfCertificate({ raw }: X509Certificate): { subject: Buffer; publicKey: Buffer } {
  const fields = partsOf(partsOf(raw)[0]!)
  // Version 1 leaves its number out.
  const from = fields[0]![0] === 0xa0 ? 1 : 0
  return { subject: fields[from + 4]!, publicKey: fields[from + 5]! }
}

function extension(id: string, value: Uint8Array, { critical = false } = {}): Buffer {
  return sequence(objectId(id), ...(critical ? [TRUE] : []), octets(value))
}

export const basicConstraints = (authority: boolean): Buffer =>
  extension('2.5.29.19', authority ? sequence(TRUE) : sequence(), { critical: true })

/** Positions of RFC 5280's KeyUsage. */
export const KEY_USAGES = {
  digitalSignature: 0,
  contentCommitment: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  crlSign: 6,
  encipherOnly: 7,
  decipherOnly: 8,
} as const

export const keyUsage = (...positions: readonly number[]): Buffer => extension('2.5.29.15', flags(positions), { critical: true })

export const extendedKeyUsage = (ids: readonly string[]): Buffer => extension('2.5.29.37', sequence(...ids.map(objectId)))

export const subjectKeyIdentifier = (publicKey: Buffer): Buffer => extension('2.5.29.14', octets(keyIdentifier(publicKey)))

export const authorityKeyIdentifier = (publicKey: Buffer): Buffer => extension('2.5.29.35', sequence(der(0x80, keyIdentifier(publicKey))))

/** SHA-1 of the key's bits: RFC 5280, 4.2.1.2, the first method. */
function keyIdentifier(publicKey: Buffer): Buffer {
  const [, key] = partsOf(publicKey)
  return createHash('sha1').update(contentOfBits(key!)).digest()
}

/** Behind tag, length and the count of unused bits. */
const contentOfBits = (value: Buffer): Buffer => value.subarray((value[1]! < 0x80 ? 2 : 2 + (value[1]! & 0x7f)) + 1)

/** Host names and IP addresses. */
export function alternativeNames(addresses: readonly string[]): Buffer {
  const names = addresses.map((one) => (isIP(one) ? der(0x87, addressBytes(one)) : der(0x82, Buffer.from(one))))
  return alternativeNamesOf(names)
}

/** Of names in DER. They are all there is where the subject is empty, and critical then. */
export const alternativeNamesOf = (names: readonly Buffer[], { critical = false } = {}): Buffer =>
  extension('2.5.29.17', sequence(...names), { critical })

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // One spelling of any IPv6 address: no dotted tail, at most one gap.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groups = (text: string | undefined) => (text ? text.split(':').map((group) => Number.parseInt(group, 16)) : [])
  const [front, back] = [groups(head), groups(tail)]
  const all = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}
