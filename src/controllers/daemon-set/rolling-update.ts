// How the pods of an older template make way: a few nodes at a time, or, with surge, with both pods on a node until the new one serves.
import { scaledValue } from '#api/int-or-string.ts'
import type { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { isAvailable } from '#controllers/pod-state.ts'
import { isUpdated } from './daemon-pods.ts'

export interface Changes {
  create: string[]
  delete: Pod[]
}

interface Place {
  node: string
  /** Whether a daemon is to run there: what is on other nodes stays until it has to make way, and is not made again. */
  wanted: boolean
  old: Pod | undefined
  next: Pod | undefined
}

export interface World {
  /** Names of the nodes where a daemon is to run. */
  wanted: readonly string[]
  byNode: ReadonlyMap<string, readonly Pod[]>
  /** Of the present template. */
  hash: string
  now: number
  /** At which of these nodes the next daemon may be made now. */
  open(nodes: readonly string[]): string[]
}

export function rollingUpdate(set: DaemonSet, world: World): Changes {
  const { wanted } = world
  const places = placesOf(set, world)
  const available = (pod: Pod | undefined) => pod !== undefined && isAvailable(pod, set.spec?.minReadySeconds ?? 0, world.now)
  const maxSurge = maxSurgeOf(set, wanted.length)
  const { open } = world
  if (maxSurge > 0) return surge(places, { maxSurge, desired: wanted.length, available, open })
  return replace(places, { maxUnavailable: maxUnavailableOf(set, wanted.length), available, open })
}

function placesOf(set: DaemonSet, { wanted, byNode, hash }: World): Place[] {
  const isWanted = new Set(wanted)
  return [...new Set([...wanted, ...byNode.keys()])].map((node) => {
    const pods = (byNode.get(node) ?? []).filter(({ metadata }) => !metadata?.deletionTimestamp)
    const next = pods.find((pod) => isUpdated(pod, set, hash))
    return { node, wanted: isWanted.has(node), old: pods.find((pod) => !isUpdated(pod, set, hash)), next }
  })
}

type IsAvailable = (pod: Pod | undefined) => boolean

/** Old pods that do not serve go first, and count like all others that are missed meanwhile. */
function replace(
  places: readonly Place[],
  { maxUnavailable, available, open }: { maxUnavailable: number; available: IsAvailable } & Pick<World, 'open'>,
): Changes {
  const broken: Pod[] = []
  const serving = new Map<string, Pod>()
  let unavailable = 0
  for (const { node, old, next } of places) {
    if (old && !next && available(old)) serving.set(node, old)
    else if (old && !next) broken.push(old)
    if ((old === undefined) === (next === undefined) || !available(old ?? next)) unavailable++
  }
  const spare = maxUnavailable - unavailable
  // Where none may come yet the old one stays, and others have their turn.
  const gone = spare > 0 ? open([...serving.keys()]).slice(0, spare) : []
  return { create: [], delete: [...broken, ...gone.map((node) => serving.get(node)!)] }
}

function surge(
  places: readonly Place[],
  { maxSurge, desired, available, open }: { maxSurge: number; desired: number; available: IsAvailable } & Pick<World, 'open'>,
): Changes {
  const changes: Changes = { create: [], delete: [] }
  const candidates: string[] = []
  const misplaced: Pod[] = []
  let surging = 0
  let serving = 0
  for (const { node, wanted, old, next } of places) {
    if (available(old ?? next)) serving++
    if (!old) continue
    if (next && available(next)) changes.delete.push(old)
    else if (next) surging++
    else if (available(old)) {
      if (wanted) candidates.push(node)
      else misplaced.push(old)
    } else if (wanted) changes.create.push(node)
    else changes.delete.push(old)
  }
  changes.create = open(changes.create)
  if (maxSurge > surging) changes.create.push(...open(candidates).slice(0, maxSurge - surging))
  // Who allows surge wants all of the time served: a daemon that moved to other nodes leaves the old ones when the new ones serve.
  changes.delete.push(...misplaced.slice(0, Math.max(0, serving - desired)))
  return changes
}

/** Only rolling updates know surge. */
export function maxSurgeOf({ spec }: DaemonSet, nodes: number): number {
  if (spec?.updateStrategy?.type === 'OnDelete') return 0
  return scaledValue(spec?.updateStrategy?.rollingUpdate?.maxSurge ?? 0, nodes, 'up')
}

function maxUnavailableOf(set: DaemonSet, nodes: number): number {
  const maximum = scaledValue(set.spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, nodes, 'up')
  return maximum === 0 && maxSurgeOf(set, nodes) === 0 ? 1 : maximum
}
