// What is wrong with a certificate request (PKCS#10, RFC 2986), in the words of Go's x509: that it can be read, and that its own key has signed it.
// What it asks for is for admission and signers to judge.
import { createPublicKey, constants, type KeyObject, verify } from 'node:crypto'
import { objectId, partsOf } from '#lib/der.ts'
import { firstPemBlock } from '#lib/pem.ts'

const MALFORMED = 'asn1: structure error: malformed certificate request'
const SEQUENCE = 0x30
const BITS = 0x03

type Scheme = { hash: 'sha1' | 'sha256' | 'sha384' | 'sha512' | null; type: 'rsa' | 'ec' | 'ed25519'; pss?: true }

const SCHEMES: [oid: string, scheme: Scheme | string][] = [
  ['1.2.840.113549.1.1.2', 'MD2-RSA'],
  ['1.2.840.113549.1.1.4', 'MD5-RSA'],
  ['1.2.840.113549.1.1.5', { hash: 'sha1', type: 'rsa' }],
  ['1.3.14.3.2.29', { hash: 'sha1', type: 'rsa' }],
  ['1.2.840.113549.1.1.11', { hash: 'sha256', type: 'rsa' }],
  ['1.2.840.113549.1.1.12', { hash: 'sha384', type: 'rsa' }],
  ['1.2.840.113549.1.1.13', { hash: 'sha512', type: 'rsa' }],
  ['1.2.840.10045.4.1', { hash: 'sha1', type: 'ec' }],
  ['1.2.840.10045.4.3.2', { hash: 'sha256', type: 'ec' }],
  ['1.2.840.10045.4.3.3', { hash: 'sha384', type: 'ec' }],
  ['1.2.840.10045.4.3.4', { hash: 'sha512', type: 'ec' }],
  ['1.3.101.112', { hash: null, type: 'ed25519' }],
]
const PSS = objectId('1.2.840.113549.1.1.10')
const PSS_HASHES = [
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
] as const

/** That Go knows. */
const CURVES = new Set(['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1'])
const WANTED = { rsa: 'an RSA', ec: 'an ECDSA', ed25519: 'an Ed25519' }
const GO_TYPES: Readonly<Record<string, string>> = { rsa: '*rsa.PublicKey', ec: '*ecdsa.PublicKey', ed25519: 'ed25519.PublicKey' }
const FAILURES = {
  rsa: 'crypto/rsa: verification error',
  ec: 'x509: ECDSA verification failure',
  ed25519: 'x509: Ed25519 verification failure',
}

/** Of a PEM text; undefined where nothing is wrong. */
export function certificateRequestProblem(text: string): string | undefined {
  const block = firstPemBlock(text)
  if (block?.type !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST'
  const outer = outerProblem(block.content)
  if (outer) return outer
  try {
    return signatureProblem(block.content)
  } catch {
    return MALFORMED
  }
}

/** Of what everything is in. */
function outerProblem(bytes: Buffer): string | undefined {
  const [tag = 0, size] = bytes
  if (bytes.length === 0) return 'asn1: syntax error: sequence truncated'
  if (size === undefined) return 'asn1: syntax error: truncated tag or length'
  if (size === 0x80) return 'asn1: syntax error: indefinite length found (not DER)'
  const digits = size < 0x80 ? 0 : size & 0x7f
  if (digits > 4) return 'asn1: structure error: length too large'
  if (bytes.length < 2 + digits) return 'asn1: syntax error: truncated tag or length'
  const length = digits === 0 ? size : bytes.readUIntBE(2, digits)
  if (digits > 0 && bytes[2] === 0) return 'asn1: structure error: superfluous leading zeros in length'
  if (digits > 0 && length < 0x80) return 'asn1: structure error: non-minimal length'
  const at = 2 + digits
  if (tag !== SEQUENCE) {
    const found = `{class:${tag >> 6} tag:${tag & 0x1f} length:${length} isCompound:${(tag & 0x20) !== 0}}`
    return `asn1: structure error: tags don't match (16 vs ${found}) ${NO_OPTIONS} certificateRequest @${at}`
  }
  if (at + length > bytes.length) return 'asn1: syntax error: data truncated'
  return at + length < bytes.length ? 'asn1: syntax error: trailing data' : undefined
}

/** How Go shows that nothing is said of a field. */
const NO_OPTIONS =
  '{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false}'

function signatureProblem(bytes: Buffer): string | undefined {
  const [info, algorithm, signature] = partsOf(bytes)
  if (!info || !algorithm || signature?.[0] !== BITS || info[0] !== SEQUENCE || algorithm[0] !== SEQUENCE) return MALFORMED
  if (contentOf(signature)[0] !== 0) return 'asn1: syntax error: invalid padding bits in BIT STRING'
  const [version, subject, keyInfo] = partsOf(info)
  if (version?.[0] !== 0x02 || subject?.[0] !== SEQUENCE || keyInfo?.[0] !== SEQUENCE) return MALFORMED
  for (const set of partsOf(subject)) for (const attribute of partsOf(set)) if (partsOf(attribute).length !== 2) return MALFORMED
  const key = keyOf(keyInfo)
  if (typeof key === 'string') return key
  const scheme = schemeOf(algorithm)
  if (typeof scheme === 'string') return `x509: cannot verify signature: insecure algorithm ${scheme}`
  if (!scheme || !key) return 'x509: cannot verify signature: algorithm unimplemented'
  const { hash, type, pss } = scheme
  if (key.asymmetricKeyType !== type)
    return `x509: signature algorithm specifies ${WANTED[type]} public key, but have public key of type ${GO_TYPES[key.asymmetricKeyType!]}`
  const how = pss ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : key
  return verify(hash, info, how, contentOf(signature).subarray(1)) ? undefined : FAILURES[type]
}

/** undefined: of a kind that signs nothing here. A text: why it is none. */
function keyOf(info: Buffer): KeyObject | string | undefined {
  try {
    const key = createPublicKey({ key: info, format: 'der', type: 'spki' })
    if (!Object.hasOwn(GO_TYPES, String(key.asymmetricKeyType))) return undefined
    const curve = key.asymmetricKeyDetails?.namedCurve
    return key.asymmetricKeyType === 'ec' && !CURVES.has(curve ?? '') ? 'x509: unsupported elliptic curve' : key
  } catch {
    const oid = partsOf(partsOf(info)[0]!)[0]!
    if (oid.equals(objectId('1.2.840.10045.2.1'))) return 'x509: failed to unmarshal elliptic curve point'
    return oid.equals(objectId('1.2.840.113549.1.1.1')) ? 'x509: invalid RSA public key' : undefined
  }
}

function schemeOf(algorithm: Buffer): Scheme | string | undefined {
  const [oid, options] = partsOf(algorithm)
  if (!oid) return undefined
  if (oid.equals(PSS)) {
    const hash = PSS_HASHES.find(([id]) => options?.includes(objectId(id)))?.[1]
    return hash && { hash, type: 'rsa', pss: true }
  }
  return SCHEMES.find(([id]) => oid.equals(objectId(id)))?.[1]
}

/** Without tag and length. */
function contentOf(value: Buffer): Buffer {
  const size = value[1]!
  return value.subarray(size < 0x80 ? 2 : 2 + (size & 0x7f))
}
