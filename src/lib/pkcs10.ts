// Certificate requests (PKCS#10) in PEM, read by a library that is loaded with the first of them.
import { firstPemBlock } from './pem.ts'

/** Throws where it is none. */
export async function parseCertificateRequest(pem: string) {
  await import('reflect-metadata')
  const { Pkcs10CertificateRequest } = await import('@peculiar/x509')
  const block = firstPemBlock(pem)
  if (block?.type !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST')
  return new Pkcs10CertificateRequest(block.content)
}
