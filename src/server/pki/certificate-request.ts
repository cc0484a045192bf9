// What a certificate request asks for. The only part that reads what strangers write.
import { certificateRequestProblem } from '#api/kinds/certificates/pkcs10.ts'
import { objectId, partsOf, sequence, set, utf8 } from '#lib/der.ts'
import { parseCertificateRequest } from '#lib/pkcs10.ts'
import { alternativeNamesOf } from './certificate.ts'

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'
/** Country, organization and its unit, locality, province, street, postal code: all that are given, in the order of Go's library. */
const LISTS = ['2.5.4.6', '2.5.4.10', '2.5.4.11', '2.5.4.7', '2.5.4.8', '2.5.4.9', '2.5.4.17']
/** Common name and serial number: the last that is given. */
const SINGLE = ['2.5.4.3', '2.5.4.5']
/** Tags of mail addresses, host names, URIs and IP addresses: names of other kinds are not certified. */
const CERTIFIED_NAMES = new Set([0x81, 0x82, 0x86, 0x87])

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
  /** The extension; undefined where none that can be certified is asked for. */
  alternativeNames: Buffer | undefined
}

export async function readRequest(request: string): Promise<Requested> {
  const parsed = await parseCertificateRequest(request)
  const problem = certificateRequestProblem(request)
  if (problem) throw new Error(problem)
  const subject = subjectOf((id) => parsed.subjectName.getField(id))
  const asked = parsed.extensions.find(({ type }) => type === SUBJECT_ALTERNATIVE_NAME)
  const [whole] = asked ? partsOf(octetsOf(Buffer.from(asked.rawData))) : []
  const names = (whole ? partsOf(whole) : []).filter((name) => CERTIFIED_NAMES.has(name[0]!))
  return {
    subject,
    publicKey: Buffer.from(parsed.publicKey.rawData),
    alternativeNames: names.length > 0 ? alternativeNamesOf(names, { critical: partsOf(subject).length === 0 }) : undefined,
  }
}

/** An extension's value: its last part. */
const octetsOf = (extension: Buffer): Buffer => partsOf(extension).at(-1)!

/** Written anew from what was read, so that a certificate says what was checked and nothing besides. */
function subjectOf(valuesOf: (id: string) => string[]): Buffer {
  const part = (id: string, values: readonly string[]) =>
    values.length > 0 ? [set(...values.map((value) => sequence(objectId(id), utf8(value))).toSorted(Buffer.compare))] : []
  return sequence(
    ...LISTS.flatMap((id) => part(id, valuesOf(id))),
    ...SINGLE.flatMap((id) => part(id, valuesOf(id).slice(-1).filter(Boolean))),
  )
}
