// Which pods of a set that is too large go first. Upstream's order, from the least to the most useful pod.
import type { Pod } from '#api/kinds/core/pod.ts'
import { isReady, podCondition } from '#controllers/pod-state.ts'

const PHASES: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 }
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost'

/** `related` are all pods of the same owner's sets: a node that carries many of them gives up one first. */
export function podsToDelete(pods: readonly Pod[], count: number, { related, now }: { related: readonly Pod[]; now: number }): Pod[] {
  if (count >= pods.length) return [...pods]
  const perNode = new Map<string, number>()
  for (const { spec } of related) if (spec?.nodeName) perNode.set(spec.nodeName, (perNode.get(spec.nodeName) ?? 0) + 1)
  const rank = ({ spec }: Pod) => perNode.get(spec?.nodeName ?? '') ?? 0
  return [...pods]
    .sort(
      (a, b) =>
        order(Boolean(a.spec?.nodeName), Boolean(b.spec?.nodeName)) ||
        phase(a) - phase(b) ||
        order(isReady(a), isReady(b)) ||
        deletionCost(a) - deletionCost(b) ||
        rank(b) - rank(a) ||
        (isReady(a) ? younger(readySince(a), readySince(b), now) : 0) ||
        restarts(b) - restarts(a) ||
        younger(a.metadata?.creationTimestamp ?? undefined, b.metadata?.creationTimestamp ?? undefined, now) ||
        (a.metadata?.uid ?? '').localeCompare(b.metadata?.uid ?? ''),
    )
    .slice(0, count)
}

function order(a: boolean, b: boolean): number {
  return Number(a) - Number(b)
}

function phase({ status }: Pod): number {
  return PHASES[status?.phase ?? ''] ?? 0
}

function deletionCost({ metadata }: Pod): number {
  const text = metadata?.annotations?.[DELETION_COST]
  return text !== undefined && /^-?(0|[1-9][0-9]*)$/.test(text) ? Number(text) : 0
}

function readySince(pod: Pod): string | undefined {
  return podCondition(pod, 'Ready')?.lastTransitionTime
}

function restarts({ status }: Pod): number {
  return Math.max(0, ...(status?.containerStatuses ?? []).map(({ restartCount }) => restartCount))
}

/** The younger goes first, but ages within one power of two count as equal, so that chance spreads deletions. */
function younger(a: string | undefined, b: string | undefined, now: number): number {
  if (a === b) return 0
  if (!a || !b) return a ? 1 : -1
  return magnitude(now - Date.parse(a)) - magnitude(now - Date.parse(b))
}

function magnitude(ageMs: number): number {
  return Math.floor(Math.log2(Math.max(1, ageMs)))
}
