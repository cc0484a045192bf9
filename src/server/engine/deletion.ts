// When an object may go: grace periods, finalizers, and what deletion does with dependents. Rules only; delete.ts acts on them.
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from '#api/well-known.ts'
import { formatTime } from '#lib/clock.ts'
import type { Mutable } from './engine.ts'

export interface DeletionOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  preconditions?: { uid?: string; resourceVersion?: string }
}

/** Namespaces hold finalizers of their own, in their spec. */
export function pendingFinalizers({ kind, group }: Kind, object: KubeObject): string[] {
  const own = object.metadata?.finalizers ?? []
  if (kind !== 'Namespace' || group !== '') return own
  return [...own, ...(((object as Mutable).spec as { finalizers?: string[] } | undefined)?.finalizers ?? [])]
}

/** An update that takes the last finalizer of a deleted object deletes it. */
export function isReadyToGo(kind: Kind, next: KubeObject, present: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = present.metadata!
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && pendingFinalizers(kind, next).length === 0
}

/** Seconds to wait before a delete takes effect; 0: at once; undefined: it is under way already and this request changes nothing. */
export function graceFor(kind: Kind, object: KubeObject, asked: number | undefined): number | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds } = object.metadata!
  const seconds = kind.gracePeriodSeconds?.(object, asked)
  if (seconds === undefined) return 0
  if (deletionTimestamp !== undefined) {
    if (deletionGracePeriodSeconds === undefined) return 0
    // A grace period may only be shortened.
    return asked !== undefined && asked < deletionGracePeriodSeconds ? Math.max(asked, 0) : undefined
  }
  return seconds
}

/** Finalizers once the wanted propagation is written down in them. */
export function finalizersFor(kind: Kind, object: KubeObject, policy: DeletionOptions['propagationPolicy']): string[] {
  const present = object.metadata?.finalizers ?? []
  if (kind.plural === 'events') return present
  const implied = present.includes(ORPHAN_FINALIZER)
    ? 'Orphan'
    : present.includes(FOREGROUND_FINALIZER)
      ? 'Foreground'
      : kind.defaultPropagation
  const wanted = policy ?? implied
  const rest = present.filter((one) => one !== ORPHAN_FINALIZER && one !== FOREGROUND_FINALIZER)
  if (wanted === 'Orphan') return [...rest, ORPHAN_FINALIZER]
  if (wanted === 'Foreground') return [...rest, FOREGROUND_FINALIZER]
  return rest
}

const LONGEST_SECONDS = 9_223_372_036

/** As Go reckons: in 64 bits of nanoseconds, of which what is too much is lost. Any number of 64 bits, a BigInt among them. */
function durationMs(seconds: number): number {
  if (Math.abs(Number(seconds)) <= LONGEST_SECONDS) return seconds * 1000
  return Number(BigInt.asIntN(64, BigInt(seconds) * 1_000_000_000n) / 1_000_000n)
}

/** Marks `object` as being deleted in `graceSeconds`. */
export function markDeleted(kind: Kind, object: Mutable, { nowMs, graceSeconds }: { nowMs: number; graceSeconds: number }): void {
  const meta = object.metadata!
  if (meta.deletionTimestamp === undefined) {
    meta.deletionTimestamp = formatTime(nowMs + durationMs(graceSeconds))
    if ((meta.generation ?? 0) > 0) meta.generation = meta.generation! + 1
  } else if (meta.deletionGracePeriodSeconds !== undefined) {
    const asked = Date.parse(meta.deletionTimestamp) - durationMs(meta.deletionGracePeriodSeconds)
    meta.deletionTimestamp = formatTime(asked + durationMs(graceSeconds))
  }
  if (kind.kind === 'Namespace' && kind.group === '') {
    object.status = { ...(object.status as object | undefined), phase: 'Terminating' }
    return
  }
  meta.deletionGracePeriodSeconds = graceSeconds
}
