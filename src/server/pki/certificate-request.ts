// What a certificate request asks for. The only part that reads what strangers write.
import { webcrypto } from 'node:crypto'
import { parseCertificateRequest } from '#lib/pkcs10.ts'

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'

/** The organizations (groups) in the subject of a PEM request. Throws when it is none. */
export async function organizationsOf(request: string): Promise<string[]> {
  return (await parseCertificateRequest(request)).subjectName.getField('O')
}

/** The last common name in the subject, as Go reads it; '' where there is none. Throws when it is no request. */
export async function commonNameOf(request: string): Promise<string> {
  return (await parseCertificateRequest(request)).subjectName.getField('CN').at(-1) ?? ''
}

/** In DER, as they go into a certificate. Throws when the request is not signed by its own key. */
export interface Requested {
  subject: Buffer
  publicKey: Buffer
  /** The whole extension; undefined where none is asked for. */
  alternativeNames: Buffer | undefined
}

export async function readRequest(request: string): Promise<Requested> {
  const parsed = await parseCertificateRequest(request)
  if (!(await parsed.verify(webcrypto))) throw new Error('the signature of the certificate request does not fit its key')
  const names = parsed.extensions.find(({ type }) => type === SUBJECT_ALTERNATIVE_NAME)
  return {
    subject: Buffer.from(parsed.subjectName.toArrayBuffer()),
    publicKey: Buffer.from(parsed.publicKey.rawData),
    alternativeNames: names && Buffer.from(names.rawData),
  }
}
