// Which pods of a set that is too large go first. Upstream's order, from the least to the most useful pod.
import { conditionOf } from '#api/conditions.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { DELETION_COST_ANNOTATION } from '#api/well-known.ts'
import { isReady } from '#controllers/pod-state.ts'

const PHASES: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 }

/** `related` are all pods of the same owner's sets: a node that carries many of them gives up one first. */
export function podsToDelete(pods: readonly Pod[], count: number, { related, now }: { related: readonly Pod[]; now: number }): Pod[] {
  if (count >= pods.length) return [...pods]
  const perNode = new Map<string, number>()
  for (const { spec } of related) if (spec?.nodeName) perNode.set(spec.nodeName, (perNode.get(spec.nodeName) ?? 0) + 1)
  const rank = ({ spec }: Pod) => perNode.get(spec?.nodeName ?? '') ?? 0
  return [...pods]
    .sort(
      (a, b) =>
        byStage(a, b) ||
        deletionCost(a) - deletionCost(b) ||
        rank(b) - rank(a) ||
        (isReady(a) && isReady(b) ? byAge(a, b, { times: [readySince(a), readySince(b)], now }) : 0) ||
        byRestarts(a, b) ||
        byAge(a, b, { times: [createdAt(a), createdAt(b)], now }),
    )
    .slice(0, count)
}

/** The order of those that do not care about costs and nodes, and take times as they are. */
export function byUsefulness(a: Pod, b: Pod): number {
  const younger = (one: string | undefined, other: string | undefined) =>
    one === other ? 0 : !one || !other ? (one ? 1 : -1) : Date.parse(other) - Date.parse(one)
  return (
    byStage(a, b) ||
    (isReady(a) && isReady(b) ? younger(readySince(a), readySince(b)) : 0) ||
    byRestarts(a, b) ||
    younger(createdAt(a), createdAt(b))
  )
}

/** Not placed, not yet running, not ready: the less of a pod there is. */
function byStage(a: Pod, b: Pod): number {
  return order(Boolean(a.spec?.nodeName), Boolean(b.spec?.nodeName)) || phase(a) - phase(b) || order(isReady(a), isReady(b))
}

function order(a: boolean, b: boolean): number {
  return Number(a) - Number(b)
}

function phase({ status }: Pod): number {
  return PHASES[status?.phase ?? ''] ?? 0
}

function deletionCost({ metadata }: Pod): number {
  const text = metadata?.annotations?.[DELETION_COST_ANNOTATION]
  return text !== undefined && /^-?(0|[1-9][0-9]*)$/.test(text) ? Number(text) : 0
}

function readySince(pod: Pod): string | undefined {
  return conditionOf(pod.status?.conditions, 'Ready')?.lastTransitionTime ?? undefined
}

function createdAt({ metadata }: Pod): string | undefined {
  return metadata?.creationTimestamp ?? undefined
}

/** Who starts again and again goes first; sidecars are asked where the others agree. */
function byRestarts(a: Pod, b: Pod): number {
  const most = (pod: Pod, sidecars: boolean) => {
    const always = new Set(
      (pod.spec?.initContainers ?? []).flatMap(({ name, restartPolicy }) => (restartPolicy === 'Always' ? [name] : [])),
    )
    const statuses = sidecars
      ? (pod.status?.initContainerStatuses ?? []).filter(({ name }) => always.has(name))
      : (pod.status?.containerStatuses ?? [])
    return Math.max(0, ...statuses.map(({ restartCount }) => restartCount))
  }
  return most(b, false) - most(a, false) || most(b, true) - most(a, true)
}

/** The younger goes first, but ages within one power of two count as equal: then the UID decides, and so chance spreads deletions. */
function byAge(a: Pod, b: Pod, { times: [one, other], now }: { times: [string | undefined, string | undefined]; now: number }): number {
  if (one === other) return 0
  if (!one || !other) return one ? 1 : -1
  return (
    magnitude(now - Date.parse(one)) - magnitude(now - Date.parse(other)) || ((a.metadata?.uid ?? '') < (b.metadata?.uid ?? '') ? -1 : 1)
  )
}

/** Ages are measured in nanoseconds: that decides where the powers of two lie. */
function magnitude(ageMs: number): number {
  return ageMs <= 0 ? -1 : Math.floor(Math.log2(ageMs * 1e6))
}
