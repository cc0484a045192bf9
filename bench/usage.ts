// What a server under measurement tells of itself: processor time, memory, the collector's pauses; and profiles of a stretch of its work.
import { readFileSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { callsOf } from './longest-turn.ts'

/**
 * Answers `usage`, `sample` and `peak` (the largest memory since `sample`), `profile` and `profiled NAME`; other messages are the caller's. After `loop`
 * usage tells of the loop's stalls too: to look a thousand times a second costs a fiftieth of a core, which belongs into no other figure.
 */
export interface Usage {
  /** Seconds of processor time, all threads. */
  cpu: number
  /** Resident bytes; those of them that are not pages of files. */
  rss: number
  anonymous: number
  /** Seconds in the collector, by the wall clock. */
  gc: number
  /** Longest pause of the collector and, after `loop`, longest stall of the loop since the last `usage`, in ms. */
  worst: number
  stall: number
  /** Most processor time the main thread took in one turn of the loop, in ms: a stall on a machine with nothing else to do. */
  turn: number
}

export function tellUsage(
  other: (message: string) => Promise<void>,
  { profiles = '', loop = false }: { profiles?: string; loop?: boolean } = {},
): void {
  let gc = 0
  let worst = 0
  let peak = 0
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      gc += duration
      worst = Math.max(worst, duration)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  let sampling: NodeJS.Timeout | undefined
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let turn = 0
  /** The longest turn so far, and that of what was last told. */
  let longest = { from: 0, to: 0 }
  let told = longest
  const watchLoop = () => {
    delay.enable()
    let cpu = process.threadCpuUsage()
    let from = process.hrtime.bigint()
    setInterval(() => {
      const { user, system } = process.threadCpuUsage(cpu)
      const to = process.hrtime.bigint()
      if (turn < (user + system) / 1000) {
        turn = (user + system) / 1000
        longest = { from: Number(from) / 1000, to: Number(to) / 1000 }
      }
      from = to
      cpu = process.threadCpuUsage()
    }, 1).unref()
  }
  if (loop) watchLoop()
  const session = new Session()
  process.on('message', async (message: string) => {
    if (message === 'profile') {
      session.connect()
      await session.post('Profiler.enable')
      await session.post('Profiler.setSamplingInterval', { interval: 200 })
      await session.post('Profiler.start')
      const all = { includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true }
      await session.post('HeapProfiler.startSampling', { samplingInterval: 64 * 1024, ...all })
    } else if (message.startsWith('profiled ')) {
      const { profile } = await session.post('Profiler.stop')
      const { profile: allocations } = await session.post('HeapProfiler.stopSampling')
      session.disconnect()
      writeFileSync(join(profiles, `${message.slice(9)}.cpuprofile`), JSON.stringify(profile))
      writeFileSync(join(profiles, `${message.slice(9)}.turn.txt`), callsOf(profile, told))
      writeFileSync(join(profiles, `${message.slice(9)}.heapprofile`), JSON.stringify(allocations))
    } else if (message === 'sample') {
      peak = 0
      sampling = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 10)
    } else if (message === 'peak') clearInterval(sampling)
    else if (message === 'loop') watchLoop()
    else if (message !== 'usage') await other(message)
    const { user, system } = process.cpuUsage()
    const rss = process.memoryUsage.rss()
    const usage: Usage = {
      rss: Math.max(rss, message === 'peak' ? peak : 0),
      anonymous: Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024,
      cpu: (user + system) / 1e6,
      gc: gc / 1000,
      worst,
      stall: delay.max / 1e6,
      turn,
    }
    process.send!(usage)
    if (message !== 'usage') return
    worst = 0
    told = longest
    turn = 0
    delay.reset()
  })
}
