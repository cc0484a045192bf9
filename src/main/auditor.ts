// What is recorded of requests, as the command line asks for it: the policy and where its events go.
import type { AuditChoice } from '#cli/audit-flags.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import { type AuditBackend, Auditor } from '#server/audit/auditor.ts'
import { auditBackend } from '#server/audit/delivery.ts'
import { AuditLog } from '#server/audit/log-file.ts'
import { AuditPolicy } from '#server/audit/policy.ts'
import { parsed, toldBeside } from './flag-values.ts'

/** Throws UsageError. */
export async function auditorOf(
  { policyFile, log: file, webhook }: AuditChoice,
  { clock, random, log }: { clock: Clock; random: Random; log: Logger },
): Promise<Auditor> {
  const policy = await parsed('--audit-policy-file', policyFile, (text) => new AuditPolicy(text))
  const backends: AuditBackend[] = []
  if (file) backends.push(auditBackend(new AuditLog(file, { clock }), file.delivery, { clock, log }))
  if (webhook) {
    const { configFile, initialBackoffMs, delivery } = webhook
    const [{ auditWebhook }, { readWebhookKubeconfig }] = await Promise.all([
      import('#server/audit/webhook.ts'),
      import('#server/access/webhooks/kubeconfig.ts'),
    ])
    const place = await toldBeside('--audit-webhook-config-file', configFile, () => readWebhookKubeconfig(configFile))
    // A stranger lives in real time, whatever time the cluster keeps.
    const real = { clock: systemClock, random, log }
    backends.push(auditBackend(auditWebhook({ place, initialBackoffMs }, real), delivery, real))
  }
  return new Auditor(policy, { backends, clock })
}
