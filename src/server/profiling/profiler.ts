// What this process spends time and memory on, as V8 sees it while it is looked at. Real time, whatever time the cluster has; one look at a time.
import { Session } from 'node:inspector/promises'
import { systemClock } from '#lib/clock.ts'
import { type Frame, pprof, type Profile } from './pprof.ts'

export type Looked = 'profile' | 'heap' | 'allocs'

/** A hundred times a second, as Go looks. */
const CPU_PERIOD_US = 10_000
/** Bytes between two allocations that are looked at, as Go looks. */
const HEAP_PERIOD = 512 * 1024

/** What the types of Node do not know of V8's protocol yet. */
interface HeapNode {
  callFrame: Frame
  selfSize: number
  id: number
  children: HeapNode[]
}

interface Node {
  callFrame: Frame
  /** Of a CPU profile: how often it was met. */
  hitCount?: number | undefined
  id: number
}

/** As pprof, not compressed. Rejects when `signal` says so. */
export async function look(what: Looked, seconds: number, signal: AbortSignal): Promise<Buffer> {
  const session = new Session()
  session.connect()
  try {
    const atMs = systemClock.now()
    const began = systemClock.monotonic()
    const measured = what === 'profile' ? await time(session, seconds, signal) : await memory(session, seconds, { what, signal })
    return pprof({ ...measured, atMs, durationMs: systemClock.monotonic() - began })
  } finally {
    session.disconnect()
  }
}

type Measured = Omit<Profile, 'atMs' | 'durationMs'>

async function time(session: Session, seconds: number, signal: AbortSignal): Promise<Measured> {
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: CPU_PERIOD_US })
  await session.post('Profiler.start')
  await systemClock.sleep(seconds * 1000, signal)
  const { profile } = await session.post('Profiler.stop')
  const period = CPU_PERIOD_US * 1000
  const parents = new Map<number, Node>()
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node)
  const stacks = profile.nodes
    // Go tells of no time in which nothing was done.
    .filter(({ hitCount = 0, callFrame }) => hitCount > 0 && callFrame.functionName !== '(idle)')
    .map((node) => ({ frames: framesOf(node, parents), values: [node.hitCount!, node.hitCount! * period] }))
  const cpu = { type: 'cpu', unit: 'nanoseconds' }
  return { measures: [{ type: 'samples', unit: 'count' }, cpu], stacks, period: { ...cpu, value: period } }
}

async function memory(session: Session, seconds: number, { what, signal }: { what: Looked; signal: AbortSignal }): Promise<Measured> {
  const gone = what === 'allocs'
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: HEAP_PERIOD,
    includeObjectsCollectedByMajorGC: gone,
    includeObjectsCollectedByMinorGC: gone,
  })
  await systemClock.sleep(seconds * 1000, signal)
  const stopped = await session.post('HeapProfiler.stopSampling')
  const profile = stopped.profile as unknown as { head: HeapNode; samples: { nodeId: number }[] }
  const counts = new Map<number, number>()
  for (const { nodeId } of profile.samples) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
  const stacks: { frames: Frame[]; values: number[] }[] = []
  const left: { node: HeapNode; outer: Frame[] }[] = [{ node: profile.head, outer: [] }]
  for (let next = left.pop(); next; next = left.pop()) {
    const frames = next.node === profile.head ? [] : [frameOf(next.node), ...next.outer]
    if (next.node.selfSize > 0) stacks.push({ frames, values: [counts.get(next.node.id) ?? 0, next.node.selfSize] })
    for (const node of next.node.children) left.push({ node, outer: frames })
  }
  const kind = gone ? 'alloc' : 'inuse'
  return {
    measures: [
      { type: `${kind}_objects`, unit: 'count' },
      { type: `${kind}_space`, unit: 'bytes' },
    ],
    stacks,
    period: { type: 'space', unit: 'bytes', value: HEAP_PERIOD },
  }
}

function framesOf(node: Node, parents: ReadonlyMap<number, Node>): Frame[] {
  const frames: Frame[] = []
  // The root of all is no function.
  for (let at: Node | undefined = node; at && parents.has(at.id); at = parents.get(at.id)) frames.push(frameOf(at))
  return frames
}

const frameOf = ({ callFrame: { functionName, url, lineNumber } }: { callFrame: Frame }): Frame => ({
  functionName: functionName || '(anonymous)',
  url: url.replace('file://', ''),
  lineNumber,
})
