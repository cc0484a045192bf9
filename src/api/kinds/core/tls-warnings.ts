// Whether a certificate and a key belong together, told as the program that is going to read them would.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type PemBlock, pemBlocks } from '#lib/pem.ts'

/** Both in base64, as secrets hold them. */
export function tlsWarnings(data: Record<string, string> | undefined): string[] {
  const problem = problemWith(pem(data?.['tls.crt']), pem(data?.['tls.key']))
  return problem ? [problem] : []
}

function problemWith(certificates: string, keys: string): string | undefined {
  const certificate = [...pemBlocks(certificates)]
  const leaf = certificate.find(({ type }) => type === 'CERTIFICATE')
  if (!leaf) return missingCertificate(certificate.map(({ type }) => type))
  const key = [...pemBlocks(keys)]
  const own = key.find(({ type }) => type === 'PRIVATE KEY' || type.endsWith(' PRIVATE KEY'))
  if (!own) return missingKey(key.map(({ type }) => type))
  try {
    if (!new X509Certificate(leaf.content).checkPrivateKey(createPrivateKey(textOf(own))))
      return 'tls: private key does not match public key'
  } catch {
    return 'tls: failed to parse certificate or private key'
  }
  return undefined
}

function missingCertificate(skipped: readonly string[]): string {
  if (skipped.length === 0) return 'tls: failed to find any PEM data in certificate input'
  if (skipped.length === 1 && skipped[0]!.endsWith('PRIVATE KEY'))
    return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
  return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${skipped.join(' ')}]`
}

function missingKey(skipped: readonly string[]): string {
  if (skipped.length === 0) return 'tls: failed to find any PEM data in key input'
  if (skipped.length === 1 && skipped[0] === 'CERTIFICATE')
    return 'tls: found a certificate rather than a key in the PEM for the private key'
  return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${skipped.join(' ')}]`
}

const pem = (base64: string | undefined) => Buffer.from(base64 ?? '', 'base64').toString()
const textOf = ({ type, content }: PemBlock) => `-----BEGIN ${type}-----\n${content.toString('base64')}\n-----END ${type}-----\n`
