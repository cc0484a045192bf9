// The arithmetic of rollouts: how many pods may be too many or too few, and how growth is shared among sets. Pure functions.
import { resolveFenceposts } from '#api/int-or-string.ts'
import type { Deployment } from '#api/kinds/apps/deployment.ts'
import type { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { compareTexts } from '#lib/order.ts'
import { DESIRED, MAX } from './annotations.ts'

export function replicasOf(set: ReplicaSet): number {
  return set.spec?.replicas ?? 1
}

export function desiredReplicas({ spec }: Deployment): number {
  return spec?.replicas ?? 1
}

export function isRollingUpdate({ spec }: Deployment): boolean {
  return (spec?.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate'
}

export function maxSurgeOf(deployment: Deployment): number {
  return isRollingUpdate(deployment) ? fenceposts(deployment).surge : 0
}

export function maxUnavailableOf(deployment: Deployment): number {
  const desired = desiredReplicas(deployment)
  if (!isRollingUpdate(deployment) || desired === 0) return 0
  return Math.min(fenceposts(deployment).unavailable, desired)
}

export function totalOf(sets: readonly (ReplicaSet | undefined)[], count: (set: ReplicaSet) => number): number {
  return sets.reduce((total, set) => total + (set ? count(set) : 0), 0)
}

export const specReplicas = (set: ReplicaSet): number => replicasOf(set)
export const actualReplicas = (set: ReplicaSet): number => set.status?.replicas ?? 0
export const availableReplicas = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0

/** How large the newest set may be now, the surge being shared with what is left of the old ones. */
export function newSetSize(deployment: Deployment, sets: readonly ReplicaSet[], newSet: { spec?: { replicas?: number } }): number {
  const desired = desiredReplicas(deployment)
  if (!isRollingUpdate(deployment)) return desired
  const current = newSet.spec?.replicas ?? 0
  const room = desired + maxSurgeOf(deployment) - totalOf(sets, specReplicas)
  return room <= 0 ? current : current + Math.min(room, desired - current)
}

/** The sizes a deployment leaves on its sets, from which proportional scaling starts next time. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const desired = desiredReplicas(deployment)
  return { [DESIRED]: String(desired), [MAX]: String(desired + maxSurgeOf(deployment)) }
}

/** How many replicas the deployment wanted when it last touched the set. */
export function desiredOf({ metadata }: ReplicaSet): number | undefined {
  return integer(metadata?.annotations?.[DESIRED])
}

/** The newest set is all there is to the deployment. */
export function isSaturated(deployment: Deployment, newSet: ReplicaSet | undefined): boolean {
  const desired = desiredReplicas(deployment)
  if (!newSet || desiredOf(newSet) !== desired) return false
  return replicasOf(newSet) === desired && availableReplicas(newSet) === desired
}

/** Sizes after `toAdd` replicas (maybe negative) are shared in proportion to the present sizes; the first set takes what rounding left. */
export function proportionalSizes(deployment: Deployment, sets: readonly ReplicaSet[]): Map<ReplicaSet, number> {
  const desired = desiredReplicas(deployment)
  const allowed = desired > 0 ? desired + maxSurgeOf(deployment) : 0
  const toAdd = allowed - totalOf(sets, specReplicas)
  const ordered = [...sets].sort(toAdd > 0 ? largerThenNewer : largerThenOlder)
  const sizes = new Map<ReplicaSet, number>()
  let added = 0
  for (const set of ordered) {
    const part = toAdd === 0 ? 0 : proportion(deployment, set, { toAdd, added })
    sizes.set(set, replicasOf(set) + part)
    added += part
  }
  const first = ordered[0]
  if (first && toAdd !== 0) sizes.set(first, Math.max(0, sizes.get(first)! + toAdd - added))
  return sizes
}

function proportion(deployment: Deployment, set: ReplicaSet, { toAdd, added }: { toAdd: number; added: number }): number {
  const size = replicasOf(set)
  if (size === 0 || toAdd === added) return 0
  const left = toAdd - added
  const fraction = fractionOf(deployment, set)
  return toAdd > 0 ? Math.min(fraction, left) : Math.max(fraction, left)
}

function fractionOf(deployment: Deployment, set: ReplicaSet): number {
  const size = replicasOf(set)
  if (desiredReplicas(deployment) === 0) return -size
  const max = desiredReplicas(deployment) + maxSurgeOf(deployment)
  const before = integer(set.metadata?.annotations?.[MAX]) || deployment.status?.replicas || 0
  if (before === 0) return 0
  return roundHalfAway((size * max) / before) - size
}

function roundHalfAway(value: number): number {
  return value < 0 ? Math.ceil(value - 0.5) : Math.floor(value + 0.5)
}

function fenceposts({ spec }: Deployment): { surge: number; unavailable: number } {
  const { maxSurge, maxUnavailable } = spec?.strategy?.rollingUpdate ?? {}
  return resolveFenceposts(maxSurge, maxUnavailable, spec?.replicas ?? 1)
}

function createdAt({ metadata }: ReplicaSet): number {
  return Date.parse(metadata?.creationTimestamp ?? '') || 0
}

export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  return createdAt(a) - createdAt(b) || compareTexts(a.metadata?.name ?? '', b.metadata?.name ?? '')
}

function largerThenNewer(a: ReplicaSet, b: ReplicaSet): number {
  return replicasOf(b) - replicasOf(a) || byAge(b, a)
}

function largerThenOlder(a: ReplicaSet, b: ReplicaSet): number {
  return replicasOf(b) - replicasOf(a) || byAge(a, b)
}

function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined
}
