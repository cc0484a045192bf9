// What a server under measurement does beside serving, as a cluster's would.
import { join } from 'node:path'
import { type Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { ApiServerOptions } from '#server/api-server.ts'
import { Auditor } from '#server/audit/auditor.ts'
import { auditBackend } from '#server/audit/delivery.ts'
import { AuditLog } from '#server/audit/log-file.ts'
import { AuditPolicy } from '#server/audit/policy.ts'
import { Encryption } from '#server/encryption/encryption.ts'
import { localEncryption } from '#server/encryption/local-key.ts'
import { OwnerOnlyFiles } from '#server/pki/owner-only-files.ts'
import type { Store } from '#store/store.ts'

export interface FeatureParts {
  directory: string
  store: Store
  clock: Clock
  random: Random
  log: Logger
}

const POLICY = '{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "RequestResponse"}]}'

/** `audit`: whole objects, requests wait until they are written. `encryption`: of Secrets, with a key of its own. */
export async function featuresOf(names: readonly string[], parts: FeatureParts): Promise<Pick<ApiServerOptions, 'auditor' | 'encryption'>> {
  return {
    ...(names.includes('audit') ? { auditor: auditorIn(parts) } : {}),
    ...(names.includes('encryption')
      ? { encryption: await Encryption.create(await localEncryption(new OwnerOnlyFiles(join(parts.directory, 'pki')), parts), parts) }
      : {}),
  }
}

function auditorIn({ directory, clock, log }: FeatureParts): Auditor {
  const file = new AuditLog({ path: join(directory, 'audit.log'), maxSizeMegabytes: 100, maxAgeDays: 0, maxBackups: 1 }, { clock })
  const batch = { bufferSize: 10_000, maxSize: 1, maxWaitMs: 0, atOnce: 1 }
  return new Auditor(new AuditPolicy(POLICY), { backends: [auditBackend(file, { mode: 'blocking', batch }, { clock, log })], clock })
}
