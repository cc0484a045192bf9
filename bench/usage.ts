// What a server under measurement tells of itself: processor time, memory, the collector's pauses; and profiles of a stretch of its work.
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { PerformanceObserver } from 'node:perf_hooks'

/** Answers `usage`, `sample` and `peak` (the largest memory since `sample`), `profile` and `profiled NAME`; other messages are the caller's. */
export function tellUsage(other: (message: string) => Promise<void>, profileDirectory = ''): void {
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
      writeFileSync(join(profileDirectory, `${message.slice(9)}.cpuprofile`), JSON.stringify(profile))
      writeFileSync(join(profileDirectory, `${message.slice(9)}.heapprofile`), JSON.stringify(allocations))
    } else if (message === 'sample') {
      peak = 0
      sampling = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 10)
    } else if (message === 'peak') clearInterval(sampling)
    else if (message !== 'usage') await other(message)
    const { user, system } = process.cpuUsage()
    const rss = process.memoryUsage.rss()
    process.send!({ rss: Math.max(rss, message === 'peak' ? peak : 0), cpu: (user + system) / 1e6, gc: gc / 1000, worst })
    if (message === 'usage') worst = 0
  })
}
