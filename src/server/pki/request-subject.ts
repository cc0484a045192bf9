// What a certificate request asks to be called. Loads the certificate library when asked, like all that parses requests.

/** The organizations (groups) in the subject of a PEM request. Throws when it is none. */
export async function organizationsOf(request: string): Promise<string[]> {
  await import('reflect-metadata')
  const { Pkcs10CertificateRequest } = await import('@peculiar/x509')
  return new Pkcs10CertificateRequest(request).subjectName.getField('O')
}
