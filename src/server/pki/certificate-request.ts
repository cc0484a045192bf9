// What a certificate request asks for. The only part that reads what strangers write: by a library, loaded when first asked.
import { webcrypto } from 'node:crypto'
import { firstPemBlock } from '#lib/pem.ts'

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'

async function parse(request: string) {
  await import('reflect-metadata')
  const { Pkcs10CertificateRequest } = await import('@peculiar/x509')
  const block = firstPemBlock(request)
  if (block?.type !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST')
  return new Pkcs10CertificateRequest(block.content)
}

/** The organizations (groups) in the subject of a PEM request. Throws when it is none. */
export async function organizationsOf(request: string): Promise<string[]> {
  return (await parse(request)).subjectName.getField('O')
}

/** In DER, as they go into a certificate. Throws when the request is not signed by its own key. */
export interface Requested {
  subject: Buffer
  publicKey: Buffer
  /** The whole extension; undefined where none is asked for. */
  alternativeNames: Buffer | undefined
}

export async function readRequest(request: string): Promise<Requested> {
  const parsed = await parse(request)
  if (!(await parsed.verify(webcrypto))) throw new Error('the signature of the certificate request does not fit its key')
  const names = parsed.extensions.find(({ type }) => type === SUBJECT_ALTERNATIVE_NAME)
  return {
    subject: Buffer.from(parsed.subjectName.toArrayBuffer()),
    publicKey: Buffer.from(parsed.publicKey.rawData),
    alternativeNames: names && Buffer.from(names.rawData),
  }
}
