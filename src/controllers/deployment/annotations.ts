// What a deployment writes on its replica sets: revision, history, and the sizes it wanted when it last touched them.
import type { Deployment } from '#api/kinds/apps/deployment.ts'
import { LAST_APPLIED_ANNOTATION } from '#api/well-known.ts'

export const REVISION = 'deployment.kubernetes.io/revision'
const HISTORY = 'deployment.kubernetes.io/revision-history'
/** Sizes that proportional scaling starts from. */
export const DESIRED = 'deployment.kubernetes.io/desired-replicas'
export const MAX = 'deployment.kubernetes.io/max-replicas'
export const ROLLBACK_TO = 'deprecated.deployment.rollback.to'
const HISTORY_LIMIT = 2000

/** Stay with the deployment, or are the controller's own. */
const NOT_COPIED = new Set([LAST_APPLIED_ANNOTATION, ROLLBACK_TO, REVISION, HISTORY, DESIRED, MAX])

/** Whether a deployment and its sets share the annotation. */
export const isCopied = (key: string): boolean => !NOT_COPIED.has(key)

export type Annotations = Readonly<Record<string, string>>

/** Any 64-bit integer: revisions go on from what a set that is adopted says. undefined: none that counts. */
const parsedRevision = (text: string): bigint | undefined =>
  /^[+-]?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text) ? BigInt(text) : undefined

export function revisionOf({ metadata }: { metadata?: { annotations?: Annotations } }): bigint {
  return parsedRevision(metadata?.annotations?.[REVISION] ?? '') ?? 0n
}

/** Annotations a replica set should carry as the newest one: the deployment's own, and a revision that only grows. */
export function newSetAnnotations(deployment: Deployment, current: Annotations, newRevision: bigint): Record<string, string> {
  const annotations: Record<string, string> = { ...current }
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {})) if (isCopied(key)) annotations[key] = value
  const old = current[REVISION]
  const oldRevision = parsedRevision(old ?? '0')
  if (oldRevision === undefined || oldRevision >= newRevision) return annotations
  annotations[REVISION] = String(newRevision)
  if (old) annotations[HISTORY] = appended(current[HISTORY], old)
  return annotations
}

export function sameAnnotations(a: Annotations = {}, b: Annotations = {}): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}

/** What was longest ago goes first. */
function appended(history: string | undefined, revision: string): string {
  const whole = history ? `${history},${revision}` : revision
  if (whole.length <= HISTORY_LIMIT) return whole
  return whole.slice(whole.indexOf(',', whole.length - HISTORY_LIMIT - 1) + 1)
}
