// legacy-service-account-token-cleaner: tokens in Secrets that were once made by themselves and that nobody uses are first called invalid, then deleted.
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { secretsOf } from '#api/pod-secrets.ts'
import { ignoreNotFound, ignoreOvertaken } from '#api/status.ts'
import {
  SERVICE_ACCOUNT_NAME_ANNOTATION,
  SERVICE_ACCOUNT_TOKEN_TYPE,
  SERVICE_ACCOUNT_UID_ANNOTATION,
  TOKEN_INVALID_SINCE_LABEL,
  TOKEN_LAST_USED_LABEL,
} from '#api/well-known.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { mapped } from '#client/triggers.ts'

const TRACKING = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' }
const DAY_MS = 24 * 3600 * 1000
/** Unused for so long; and again as long before it goes for good. */
const PERIOD_MS = 365 * DAY_MS

/** Accounts that list Secrets of their own are looked at once a day. */
export const legacyTokenCleaner: Controller = {
  name: 'legacy-serviceaccount-token-cleaner-controller',
  account: 'legacy-service-account-token-cleaner',
  workers: 1,
  reads: [Secret, Pod],
  triggers: [
    mapped(ServiceAccount, ({ metadata, secrets }) =>
      secrets?.length ? [{ namespace: metadata!.namespace!, name: metadata!.name! }] : [],
    ),
  ],
  async reconcile(key, context) {
    const account = context.informers.of(ServiceAccount).get(key)
    if (!account?.secrets?.length) return
    const again = { requeueAfterMs: DAY_MS }
    const tracking = await context.client.get(ConfigMap, TRACKING).catch(ignoreNotFound)
    const since = Date.parse(tracking?.data?.['since'] ?? '')
    // Use was first noted some time that day: only what comes after it is known.
    if (Number.isNaN(since) || since + DAY_MS + PERIOD_MS > context.clock.now()) return again
    for (const { name } of account.secrets) if (name) await look({ namespace: key.namespace!, name }, account, context)
    return again
  },
}

async function look(key: { namespace: string; name: string }, account: ServiceAccount, context: ControllerContext): Promise<void> {
  const { client, informers, clock } = context
  const secret = informers.of(Secret).get(key)
  if (
    !secret ||
    secret.metadata?.deletionTimestamp ||
    secret.type !== SERVICE_ACCOUNT_TOKEN_TYPE ||
    secret.metadata?.annotations?.[SERVICE_ACCOUNT_NAME_ANNOTATION] !== account.metadata?.name ||
    (secret.metadata?.annotations?.[SERVICE_ACCOUNT_UID_ANNOTATION] ?? account.metadata?.uid) !== account.metadata?.uid
  )
    return
  const longAgo = clock.now() - PERIOD_MS
  const { creationTimestamp, labels = {}, uid = '', resourceVersion } = secret.metadata ?? {}
  if (!creationTimestamp || Date.parse(creationTimestamp) >= longAgo) return
  // The year's first day belongs to it.
  const recently = (date: string) => date >= dateOf(longAgo)
  const lastUsed = labels[TOKEN_LAST_USED_LABEL]
  if (lastUsed !== undefined && (!isDate(lastUsed) || recently(lastUsed))) return
  if (isUsed(key, context)) return
  const invalidSince = labels[TOKEN_INVALID_SINCE_LABEL]
  const preconditions = { uid, ...(resourceVersion ? { resourceVersion } : {}) }
  if (invalidSince === undefined || !isDate(invalidSince)) {
    const today = dateOf(clock.now())
    const patch = { metadata: { ...preconditions, labels: { [TOKEN_INVALID_SINCE_LABEL]: today } } }
    await client.patch(Secret, key, { type: 'merge', patch }).catch(ignoreOvertaken)
  } else if (!recently(invalidSince)) await client.delete(Secret, key, { preconditions }).catch(ignoreOvertaken)
}

const dateOf = (time: number): string => new Date(time).toISOString().slice(0, 10)

const isDate = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))

/** By any pod: as a volume, as variables or to pull images with. */
function isUsed({ namespace, name }: { namespace: string; name: string }, { informers }: ControllerContext): boolean {
  for (const pod of informers.of(Pod).list(namespace)) for (const secret of secretsOf(pod)) if (secret === name) return true
  return false
}
