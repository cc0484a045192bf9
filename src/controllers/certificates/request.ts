// What a PKCS#10 request asks for, and which signers' rules it keeps. Parsing is loaded on first use only.
import type { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'
import { parseCertificateRequest } from '#lib/pkcs10.ts'

export interface RequestedSubject {
  commonName: string
  organizations: string[]
  dnsNames: number
  ipAddresses: number
  emailAddresses: number
  uris: number
}

export const SIGNERS = {
  client: 'kubernetes.io/kube-apiserver-client',
  kubeletClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  kubeletServing: 'kubernetes.io/kubelet-serving',
  legacy: 'kubernetes.io/legacy-unknown',
} as const

export async function parseRequest({ spec }: CertificateSigningRequest): Promise<{ pem: string; subject: RequestedSubject }> {
  const pem = Buffer.from(spec.request, 'base64').toString('utf8')
  const request = await parseCertificateRequest(pem)
  const { SubjectAlternativeNameExtension } = await import('@peculiar/x509')
  const names = request.getExtension('2.5.29.17')
  const items = names instanceof SubjectAlternativeNameExtension ? names.names.items : []
  const count = (type: string) => items.filter((item) => item.type === type).length
  return {
    pem,
    subject: {
      // The last one names the user, as Go reads it: another, before it, must not be the one that is checked.
      commonName: request.subjectName.getField('CN').at(-1) ?? '',
      organizations: request.subjectName.getField('O'),
      dnsNames: count('dns'),
      ipAddresses: count('ip'),
      emailAddresses: count('email'),
      uris: count('url'),
    },
  }
}

/** Between attempts, for approver and signers alike. */
export const RETRY_MS = { first: 200, most: 1_000_000 }

/** Why the signer must refuse; undefined when it need not. */
export function refusalOf(
  signer: string,
  { subject, usages }: { subject: RequestedSubject; usages: readonly string[] },
): string | undefined {
  if (signer === SIGNERS.client) return clientUsageProblem(usages)
  if (signer !== SIGNERS.kubeletClient && signer !== SIGNERS.kubeletServing) return undefined
  const { organizations, commonName, dnsNames, ipAddresses } = subject
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes') return 'subject organization is not system:nodes'
  const serving = signer === SIGNERS.kubeletServing
  if (serving && dnsNames + ipAddresses === 0) return 'DNS or IP subjectAltName is required'
  const wrongName = nameProblem(subject, serving)
  if (wrongName) return wrongName
  const outsider = commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:'
  const wrongUsages = usageProblem(usages, serving ? 'server auth' : 'client auth')
  return serving ? (wrongUsages ?? outsider) : (outsider ?? wrongUsages)
}

function nameProblem({ dnsNames, emailAddresses, ipAddresses, uris }: RequestedSubject, serving: boolean): string | undefined {
  if (!serving && dnsNames > 0) return 'DNS subjectAltNames are not allowed'
  if (emailAddresses > 0) return 'Email subjectAltNames are not allowed'
  if (!serving && ipAddresses > 0) return 'IP subjectAltNames are not allowed'
  return uris > 0 ? 'URI subjectAltNames are not allowed' : undefined
}

/** Exactly the purpose and a signature; encipherment besides, for keys that can. */
function usageProblem(usages: readonly string[], purpose: string): string | undefined {
  const given = new Set(usages)
  const needed = ['digital signature', purpose]
  const rest = [...given].filter((usage) => !needed.includes(usage) && usage !== 'key encipherment')
  if (rest.length === 0 && needed.every((usage) => given.has(usage))) return undefined
  return `usages did not match [${[...needed, 'key encipherment'].sort().join(' ')}]`
}

function clientUsageProblem(usages: readonly string[]): string | undefined {
  const wrong = usages.find((usage) => !['digital signature', 'key encipherment', 'client auth'].includes(usage))
  if (wrong !== undefined) return `invalid usage for client certificate: ${wrong}`
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth'
}

export function conditionTypes({ status }: CertificateSigningRequest): Set<string> {
  return new Set((status?.conditions ?? []).map(({ type }) => type))
}
