// What a PKCS#10 request asks for, and which signers' rules it keeps. Parsing is loaded on first use only.
import type { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'

export interface RequestedSubject {
  commonName: string
  organizations: string[]
  dnsNames: number
  ipAddresses: number
  /** E-mail addresses and URIs. */
  others: number
}

export const SIGNERS = {
  client: 'kubernetes.io/kube-apiserver-client',
  kubeletClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  kubeletServing: 'kubernetes.io/kubelet-serving',
  legacy: 'kubernetes.io/legacy-unknown',
} as const

export async function parseRequest({ spec }: CertificateSigningRequest): Promise<{ pem: string; subject: RequestedSubject }> {
  const pem = Buffer.from(spec.request, 'base64').toString('utf8')
  await import('reflect-metadata')
  const { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } = await import('@peculiar/x509')
  const request = new Pkcs10CertificateRequest(pem)
  const names = request.getExtension('2.5.29.17')
  const items = names instanceof SubjectAlternativeNameExtension ? names.names.items : []
  const count = (type: string) => items.filter((item) => item.type === type).length
  const [dnsNames, ipAddresses] = [count('dns'), count('ip')]
  return {
    pem,
    subject: {
      commonName: request.subjectName.getField('CN')[0] ?? '',
      organizations: request.subjectName.getField('O'),
      dnsNames,
      ipAddresses,
      others: items.length - dnsNames - ipAddresses,
    },
  }
}

/** Why the signer must refuse; undefined when it need not. */
export function refusalOf(
  signer: string,
  { subject, usages }: { subject: RequestedSubject; usages: readonly string[] },
): string | undefined {
  if (signer === SIGNERS.kubeletClient) return nodeProblem(subject) ?? noNames(subject) ?? usageProblem(usages, ['client auth'])
  if (signer === SIGNERS.kubeletServing) {
    if (subject.dnsNames + subject.ipAddresses === 0) return 'DNS or IP subjectAltName is required'
    return (
      nodeProblem(subject) ??
      (subject.others > 0 ? 'subjectAltNames that are neither DNS names nor IP addresses are not allowed' : undefined) ??
      usageProblem(usages, ['server auth'])
    )
  }
  if (signer === SIGNERS.client) return usageProblem(usages, ['client auth'])
  return undefined
}

function nodeProblem({ commonName, organizations }: RequestedSubject): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes') return 'subject organization is not system:nodes'
  return commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:'
}

function noNames({ dnsNames, ipAddresses, others }: RequestedSubject): string | undefined {
  return dnsNames + ipAddresses + others > 0 ? 'subjectAltNames are not allowed' : undefined
}

/** Exactly one purpose, beside the two technical usages that go with any key. */
function usageProblem(usages: readonly string[], purposes: readonly string[]): string | undefined {
  const rest = usages.filter((usage) => usage !== 'digital signature' && usage !== 'key encipherment')
  const fits =
    rest.length === purposes.length && purposes.every((purpose) => rest.includes(purpose)) && usages.includes('digital signature')
  return fits ? undefined : `usages did not match what the signer allows: ${usages.join(', ')}`
}

export function conditionTypes({ status }: CertificateSigningRequest): Set<string> {
  return new Set((status?.conditions ?? []).map(({ type }) => type))
}
