// Prefers nodes on which the pod makes cpu and memory used in more equal parts than they were.
import { MAX_SCORE, type Plugin } from '#scheduler/plugin.ts'
import type { Resources } from '#scheduler/resources.ts'

export const NodeResourcesBalancedAllocation: Plugin = {
  name: 'NodeResourcesBalancedAllocation',
  score({ requests }) {
    if (requests.milliCpu === 0 && requests.memory === 0) return undefined
    return {
      of({ requested, allocatable }) {
        const before = balance(requested.milliCpu, requested.memory, allocatable)
        const after = balance(requested.milliCpu + requests.milliCpu, requested.memory + requests.memory, allocatable)
        return Math.floor(((1 + after - before) / 2) * MAX_SCORE)
      },
    }
  },
  local: ({ requests: { milliCpu, memory } }) => `${milliCpu} ${memory}`,
}

/** 1 minus the standard deviation of the used fractions. */
function balance(milliCpu: number, memory: number, allocatable: Resources): number {
  if (allocatable.milliCpu === 0 || allocatable.memory === 0) return 1
  const cpuUsed = Math.min(1, milliCpu / allocatable.milliCpu)
  const memoryUsed = Math.min(1, memory / allocatable.memory)
  return 1 - Math.abs(cpuUsed - memoryUsed) / 2
}
