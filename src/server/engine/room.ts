// Whether this process has memory for another object. Objects are held in memory, with what informers make of them: a process that runs out of it ends, and
// so does every start after that. So a server that is full takes nothing new, like etcd past its quota; changes and deletions it takes, for they make room.
import { totalmem } from 'node:os'
import { getHeapStatistics, type HeapInfo } from 'node:v8'
import { StatusError } from '#api/status.ts'

/** Says what is lacking, if anything. */
export type Room = () => string | undefined

/**
 * Of what old objects may have in the heap. Garbage counts: V8 begins to collect half-way between what is left after a collection and all that there may be,
 * so that most of this is in use. Beyond it, V8 gives up a process that does little but collect.
 */
const HEAP_SHARE = 0.8
/** Thrice the room for young objects, as the launcher has it, is part of V8's limit. */
const YOUNG_BYTES = 48 * 1024 * 1024
/** The bytes of objects, and of what they replaced lately, are outside the heap: of all the memory that the process may have. */
const OUTSIDE_SHARE = 1 / 2

type Heap = Pick<HeapInfo, 'used_heap_size' | 'heap_size_limit' | 'external_memory'>

/** As the memory of this process allows; `memory`: of the machine, or what the process may have of it. */
export function processRoom({ heap = getHeapStatistics as () => Heap, memory = ownMemory() } = {}): Room {
  const outside = memory * OUTSIDE_SHARE
  return () => {
    const { used_heap_size: used, heap_size_limit: limit, external_memory: external } = heap()
    const old = limit - YOUNG_BYTES
    if (used > old * HEAP_SHARE) {
      const more = 'more are taken with NODE_OPTIONS=--max-old-space-size=MB and a new start'
      return `${megabytes(used)} of the heap are in use, of ${megabytes(old)} that there may be. Delete objects; ${more}`
    }
    if (external > outside) return `objects take ${megabytes(external)} of the ${megabytes(outside)} that they may have. Delete some`
    return undefined
  }
}

/** What the server makes for itself is not asked for: it is little, and a start needs it. */
export function refuseWithoutRoom(room: Room, { trusted, dryRun }: { trusted?: unknown; dryRun: boolean }): void {
  const lacking = trusted || dryRun ? undefined : room()
  if (lacking) throw new StatusError('', `the server is full: ${lacking}`)
}

function ownMemory(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Infinity)
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`
}
