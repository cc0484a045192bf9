// A verdict on a certificate signing request, added to its conditions.
import { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'
import type { ControllerContext } from '#client/controller.ts'
import { formatTime } from '#lib/clock.ts'

export interface Decision {
  type: 'Approved' | 'Failed'
  reason: string
  message: string
}

export async function decide(request: CertificateSigningRequest, decision: Decision, { client, clock }: ControllerContext): Promise<void> {
  const time = formatTime(clock.now())
  const condition = { ...decision, status: 'True', lastUpdateTime: time, lastTransitionTime: time }
  const status = { ...request.status, conditions: [...(request.status?.conditions ?? []), condition] }
  const subresource = decision.type === 'Approved' ? 'approval' : 'status'
  await client.update(CertificateSigningRequest, { ...request, status }, { subresource })
}
