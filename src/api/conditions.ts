// Lists of status conditions, replaced by type without touching what was lent.

interface Condition {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string | null
}

export function conditionOf<C extends { type?: string }>(conditions: readonly C[] | null | undefined, type: string): C | undefined {
  return conditions?.find((condition) => condition.type === type)
}

/** The list with `next` in it. Same status and reason: unchanged. Same status: it keeps the time of its last transition. */
export function withCondition<C extends Condition>(conditions: readonly C[] | null | undefined, next: C): C[] {
  const current = conditionOf(conditions, next.type)
  if (current && current.status === next.status && current.reason === next.reason) return [...conditions!]
  const kept =
    current?.status === next.status && current.lastTransitionTime ? { ...next, lastTransitionTime: current.lastTransitionTime } : next
  return [...withoutCondition(conditions, next.type), kept]
}

/** The list with `next` in its place, message and all: only the time of the last transition is kept while the status stays. */
export function withStatusCondition<C extends Condition>(conditions: readonly C[] | null | undefined, next: C): C[] {
  const current = conditionOf(conditions, next.type)
  if (!current) return [...(conditions ?? []), next]
  const since = current.status === next.status ? current.lastTransitionTime : undefined
  return conditions!.map((one) => (one === current ? { ...next, ...(since ? { lastTransitionTime: since } : {}) } : one))
}

export function withoutCondition<C extends { type: string }>(conditions: readonly C[] | null | undefined, type: string): C[] {
  return (conditions ?? []).filter((condition) => condition.type !== type)
}

export function isConditionTrue(conditions: readonly { type: string; status: string }[] | null | undefined, type: string): boolean {
  return conditionOf(conditions, type)?.status === 'True'
}
