// Approving and signing certificate requests is a right per signer; and nobody asks for the administrators' group.
import { isDeepStrictEqual } from 'node:util'
import type { CertificateSigningRequest } from '#api/generated/types.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer } from '#server/request.ts'
import { organizationsOf } from '#server/pki/certificate-request.ts'
import { denied, target } from './refusal.ts'

const RESOURCE = 'certificatesigningrequests.certificates.k8s.io'
const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client'

export function certificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    of: [`${RESOURCE}/approval`],
    async validate(request) {
      if (target(request) !== `${RESOURCE}/approval` || request.operation !== 'UPDATE') return
      const { signerName = '' } = (request.oldObject as CertificateSigningRequest | undefined)?.spec ?? {}
      if (!(await mayFor(authorizer, request, { verb: 'approve', signerName })))
        throw denied(request, `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`)
    },
  }
}

export function certificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    of: [`${RESOURCE}/status`],
    async validate(request) {
      if (target(request) !== `${RESOURCE}/status` || request.operation !== 'UPDATE') return
      const next = request.object as CertificateSigningRequest
      const previous = request.oldObject as CertificateSigningRequest
      const failures = ({ status }: CertificateSigningRequest) => status?.conditions?.filter(({ type }) => type === 'Failed') ?? []
      if (next.status?.certificate === previous.status?.certificate && isDeepStrictEqual(failures(next), failures(previous))) return
      const { signerName = '' } = previous.spec
      if (!(await mayFor(authorizer, request, { verb: 'sign', signerName })))
        throw denied(request, `user not permitted to sign requests with signerName ${JSON.stringify(signerName)}`)
    },
  }
}

export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  of: [RESOURCE],
  async validate(request) {
    if (target(request) !== RESOURCE || request.operation !== 'CREATE') return
    const { spec } = request.object as CertificateSigningRequest
    if (spec.signerName !== CLIENT_SIGNER) return
    const organizations = await organizationsOf(Buffer.from(spec.request, 'base64').toString()).catch((error: Error) => {
      throw denied(request, `failed to parse CSR: ${error.message}`)
    })
    if (organizations.includes('system:masters'))
      throw denied(request, `use of ${CLIENT_SIGNER} signer with system:masters group is not allowed`)
  },
}

/** For that signer by name, or for all of its domain. */
async function mayFor(
  authorizer: Authorizer,
  { attributes }: AdmissionRequest,
  { verb, signerName }: { verb: string; signerName: string },
): Promise<boolean> {
  const names = [signerName, `${signerName.split('/')[0]}/*`]
  const asked = { ...attributes, verb, resource: 'signers', subresource: '', namespace: '' }
  for (const name of names) if ((await authorizer.authorize({ ...asked, name })).allowed) return true
  return false
}
