// certificatesigningrequest-signing-controller: issues what was approved, for the four built-in signers.
import { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'
import type { Controller } from '#client/controller.ts'
import { itself } from '#client/triggers.ts'
import { decide } from './decision.ts'
import { conditionTypes, parseRequest, refusalOf, RETRY_MS, SIGNERS } from './request.ts'

/** Issues a certificate for a PEM request with the cluster's authority; refuses requests whose signature is wrong. */
export type Certify = (request: string, options: { usages: readonly string[]; lifetimeMs: number }) => Promise<string>

const YEAR_MS = 365 * 24 * 3600 * 1000

export function certificateSigningController(certify: Certify): Controller {
  const ours: readonly string[] = Object.values(SIGNERS)
  return {
    name: 'certificatesigningrequest-signing-controller',
    account: 'certificate-controller',
    workers: 2,
    retryMs: RETRY_MS,
    triggers: [itself(CertificateSigningRequest)],
    async reconcile(key, context) {
      const request = context.informers.of(CertificateSigningRequest).get(key)
      if (!request || request.status?.certificate || !ours.includes(request.spec.signerName)) return
      const decided = conditionTypes(request)
      if (!decided.has('Approved') || decided.has('Denied') || decided.has('Failed')) return
      const { pem, subject } = await parseRequest(request)
      const usages = request.spec.usages ?? []
      const refusal = refusalOf(request.spec.signerName, { subject, usages })
      if (refusal) return decide(request, { type: 'Failed', reason: 'SignerValidationFailure', message: refusal }, context)
      const asked = request.spec.expirationSeconds
      const lifetimeMs = asked === undefined ? YEAR_MS : Math.min(YEAR_MS, asked * 1000)
      const certificate = Buffer.from(await certify(pem, { usages, lifetimeMs })).toString('base64')
      await context.client.update(
        CertificateSigningRequest,
        { ...request, status: { ...request.status, certificate } },
        { subresource: 'status' },
      )
    },
  }
}
