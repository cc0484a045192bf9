// Writes pod statuses to the API: only what has changed, one write at a time per pod, the newest status winning over those still waiting.
import { conditionOf } from '#api/conditions.ts'
import type { Pod as ApiPod, PodStatus } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { OWNED_CONDITIONS } from './conditions.ts'

const RETRY_MS = { first: 500, most: 10_000 }

interface Entry {
  pod: ApiPod
  wanted: PodStatus
  /** What the API is known to hold, as of which version. */
  stored: PodStatus
  version: number
  writing: Promise<void> | undefined
}

export class StatusWriter {
  readonly #client: Client
  readonly #clock: Clock
  readonly #log: Logger
  readonly #signal: AbortSignal
  readonly #entries = new Map<string, Entry>()

  constructor(options: { client: Client; clock: Clock; log: Logger; signal: AbortSignal }) {
    this.#client = options.client
    this.#clock = options.clock
    this.#log = options.log
    this.#signal = options.signal
  }

  set(pod: ApiPod, status: PodStatus): void {
    const uid = pod.metadata?.uid ?? ''
    let entry = this.#entries.get(uid)
    if (!entry)
      this.#entries.set(uid, (entry = { pod, wanted: status, stored: pod.status ?? {}, version: versionOf(pod), writing: undefined }))
    entry.pod = pod
    entry.wanted = status
    if (!entry.writing) this.#begin(uid, entry)
  }

  /** A version later than our own last write: something else may have changed the status, which is then put right. */
  observe(pod: ApiPod): void {
    const uid = pod.metadata?.uid ?? ''
    const entry = this.#entries.get(uid)
    if (!entry || entry.writing || versionOf(pod) <= entry.version) return
    entry.stored = pod.status ?? {}
    entry.version = versionOf(pod)
    // A pod someone else has declared over is for its worker to end first.
    if (pod.status?.phase !== 'Failed' && pod.status?.phase !== 'Succeeded') this.#begin(uid, entry)
  }

  /** Resolves once nothing of that pod waits to be written. */
  async flush(uid: string): Promise<void> {
    await this.#entries.get(uid)?.writing
  }

  forget(uid: string): void {
    this.#entries.delete(uid)
  }

  #begin(uid: string, entry: Entry): void {
    if (same(entry.wanted, entry.stored)) return
    entry.writing = this.#write(uid, entry).finally(() => {
      entry.writing = undefined
    })
  }

  async #write(uid: string, entry: Entry): Promise<void> {
    for (let waitMs = RETRY_MS.first; !same(entry.wanted, entry.stored); ) {
      if (this.#signal.aborted || this.#entries.get(uid) !== entry) return
      const status = entry.wanted
      try {
        const patch = { metadata: { uid }, status: difference(status, entry.stored) }
        const written = await this.#client.patch(Pod, keyOf(entry.pod), { type: 'strategic', patch }, { subresource: 'status' })
        entry.version = versionOf(written)
        entry.stored = status
        waitMs = RETRY_MS.first
      } catch (error) {
        // Gone, or another pod of that name: nobody is left to be told.
        if (hasReason(error, 'NotFound', 'Conflict')) return void (entry.stored = entry.wanted)
        if (!this.#signal.aborted) this.#log.warn('could not write a pod status', { pod: entry.pod.metadata?.name, error })
        await this.#clock.sleep(waitMs, this.#signal).catch(() => undefined)
        waitMs = Math.min(RETRY_MS.most, waitMs * 2)
      }
    }
  }
}

function versionOf({ metadata }: ApiPod): number {
  return Number(metadata?.resourceVersion ?? 0)
}

function same(wanted: PodStatus, stored: PodStatus): boolean {
  return Object.keys(difference(wanted, stored)).length === 0
}

/** A strategic merge patch: conditions of our own by type, everything else that differs as a whole, what is no more as null. */
export function difference(wanted: PodStatus, stored: PodStatus): Record<string, unknown> {
  const patch: Record<string, unknown> = {}
  const names = new Set([...Object.keys(wanted), ...Object.keys(stored).filter((name) => OWNED_FIELDS.has(name))])
  for (const name of names as Set<keyof PodStatus>) {
    if (name === 'conditions') continue
    if (!alike(wanted[name], stored[name]))
      patch[name] =
        MERGED_LISTS.has(name) && Array.isArray(wanted[name]) ? [...wanted[name], { $patch: 'replace' }] : (wanted[name] ?? null)
  }
  const changed = (wanted.conditions ?? []).filter((condition) => {
    const old = conditionOf(stored.conditions, condition.type)
    return OWNED.has(condition.type) && !alike(condition, old)
  })
  const dropped = (stored.conditions ?? []).filter(
    ({ type }) => type.startsWith('PodResize') && !wanted.conditions?.some((one) => one.type === type),
  )
  const conditions = [
    ...changed.map((condition) => {
      const old = conditionOf(stored.conditions, condition.type)
      const cleared = Object.keys(old ?? {}).filter((key) => !(key in condition))
      return { ...Object.fromEntries(cleared.map((key) => [key, null])), ...condition }
    }),
    ...dropped.map(({ type }) => ({ $patch: 'delete', type })),
  ]
  if (conditions.length > 0) patch.conditions = conditions
  return patch
}

const OWNED = new Set<string>([...OWNED_CONDITIONS, 'PodResizePending', 'PodResizeInProgress', 'DisruptionTarget'])
/** Lists a strategic patch would only add to. */
const MERGED_LISTS = new Set<string>(['podIPs', 'hostIPs'])
const OWNED_FIELDS = new Set([
  'phase',
  'reason',
  'message',
  'hostIP',
  'hostIPs',
  'podIP',
  'podIPs',
  'startTime',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
])

/** Equal, whatever the order of keys; absent, null and empty objects are one. */
function alike(left: unknown, right: unknown): boolean {
  if (left === right || (isNothing(left) && isNothing(right))) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left))
    return Array.isArray(right) && left.length === right.length && left.every((item, index) => alike(item, right[index]))
  if (Array.isArray(right)) return false
  const a = left as Record<string, unknown>
  const b = right as Record<string, unknown>
  return Object.keys(a).every((key) => alike(a[key], b[key])) && Object.keys(b).every((key) => key in a || isNothing(b[key]))
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined || (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0)
}
