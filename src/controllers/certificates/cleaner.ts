// certificatesigningrequest-cleaner-controller: deletes requests that have served their purpose. Waits for each one's own time.
import { X509Certificate } from 'node:crypto'
import { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Controller } from '#client/controller.ts'
import { itself } from '#client/triggers.ts'

const DECIDED_MS = 3_600_000
const PENDING_MS = 24 * 3_600_000

export const certificateCleanerController: Controller = {
  name: 'certificatesigningrequest-cleaner-controller',
  account: 'certificate-controller',
  triggers: [itself(CertificateSigningRequest)],
  async reconcile(key, { client, informers, clock }) {
    const request = informers.of(CertificateSigningRequest).get(key)
    if (!request) return
    const waitMs = expiryOf(request) - clock.now()
    if (waitMs > 0) return waitMs === Infinity ? undefined : { requeueAfterMs: waitMs }
    const { uid } = request.metadata!
    await client.delete(CertificateSigningRequest, key, { preconditions: { uid: uid! } }).catch(ignoreNotFound)
  },
}

/** When it may go, in milliseconds since the epoch. */
export function expiryOf({ metadata, status }: CertificateSigningRequest): number {
  const conditions = status?.conditions ?? []
  const since = (type: string) => {
    const condition = conditions.find((one) => one.type === type)
    return condition && (Date.parse(condition.lastUpdateTime ?? '') || Date.parse(metadata?.creationTimestamp ?? ''))
  }
  const ends: number[] = []
  for (const type of ['Approved', 'Denied', 'Failed']) {
    const time = since(type)
    // What is approved but not yet issued is still awaited.
    if (time !== undefined && (type !== 'Approved' || status?.certificate)) ends.push(time + DECIDED_MS)
  }
  if (status?.certificate) ends.push(since('Approved') === undefined ? Infinity : notAfter(status.certificate))
  else if (conditions.length === 0) ends.push((Date.parse(metadata?.creationTimestamp ?? '') || Infinity) + PENDING_MS)
  return Math.min(...ends)
}

function notAfter(certificate: string): number {
  try {
    return Date.parse(new X509Certificate(Buffer.from(certificate, 'base64')).validTo) || Infinity
  } catch {
    return Infinity
  }
}
