// certificatesigningrequest-approving-controller: approves client certificates of kubelets, where their user may ask for them.
import { SubjectAccessReview } from '#api/kinds/authorization/subject-access-review.ts'
import { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself } from '#client/triggers.ts'
import { decide } from './decision.ts'
import { conditionTypes, parseRequest, refusalOf, RETRY_MS, SIGNERS } from './request.ts'

export const certificateApprovingController: Controller = {
  name: 'certificatesigningrequest-approving-controller',
  account: 'certificate-controller',
  workers: 2,
  retryMs: RETRY_MS,
  triggers: [itself(CertificateSigningRequest)],
  async reconcile(key, context) {
    const request = context.informers.of(CertificateSigningRequest).get(key)
    if (!request || request.status?.certificate || request.spec.signerName !== SIGNERS.kubeletClient) return
    const decided = conditionTypes(request)
    if (decided.has('Approved') || decided.has('Denied')) return
    const { subject } = await parseRequest(request)
    if (refusalOf(request.spec.signerName, { subject, usages: request.spec.usages ?? [] })) return
    const recognizers = [
      ...(request.spec.username === subject.commonName
        ? [{ subresource: 'selfnodeclient', message: 'Auto approving self kubelet client certificate after SubjectAccessReview.' }]
        : []),
      { subresource: 'nodeclient', message: 'Auto approving kubelet client certificate after SubjectAccessReview.' },
    ]
    for (const { subresource, message } of recognizers) {
      if (await mayAsk(request, subresource, context))
        return decide(request, { type: 'Approved', reason: 'AutoApproved', message }, context)
    }
    // They may be allowed to later.
    return { retry: true }
  },
}

async function mayAsk({ spec }: CertificateSigningRequest, subresource: string, { client }: ControllerContext): Promise<boolean> {
  const review = await client.create<SubjectAccessReview, SubjectAccessReview>(SubjectAccessReview, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: {
      user: spec.username ?? '',
      ...(spec.uid ? { uid: spec.uid } : {}),
      groups: spec.groups ?? [],
      ...(spec.extra ? { extra: spec.extra } : {}),
      resourceAttributes: {
        group: 'certificates.k8s.io',
        resource: 'certificatesigningrequests',
        verb: 'create',
        subresource,
        version: '*',
      },
    },
  })
  return review.status?.allowed === true
}
