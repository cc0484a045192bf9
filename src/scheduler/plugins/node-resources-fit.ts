// What the pod asks for must be free on the node; nodes with more left are preferred (LeastAllocated over cpu and memory).
import { equal } from '#api/equal.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import { MAX_SCORE, type Plugin, type Refusal } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'

export const NodeResourcesFit: Plugin = {
  name: 'NodeResourcesFit',
  filter: (pod) => ({ check: (node) => insufficient(pod, node) }),
  score: ({ nonZero }) => ({
    of({ allocatable, nonZeroRequested }) {
      let weights = 0
      let sum = 0
      if (allocatable.milliCpu > 0) {
        sum += leastAllocated(nonZeroRequested.milliCpu + nonZero.milliCpu, allocatable.milliCpu)
        weights++
      }
      if (allocatable.memory > 0) {
        sum += leastAllocated(nonZeroRequested.memory + nonZero.memory, allocatable.memory)
        weights++
      }
      return weights ? Math.floor(sum / weights) : 0
    },
  }),
  local({ requests: { milliCpu, memory, ephemeralStorage, scalars }, nonZero }) {
    const plain = `${milliCpu} ${memory} ${ephemeralStorage} ${nonZero.milliCpu} ${nonZero.memory}`
    return scalars ? `${plain} ${JSON.stringify([...scalars])}` : plain
  },
  helps(change) {
    if (change.type === 'pod gone') return true
    if (change.type === 'pod changed') return !equal(change.pod.spec?.containers, change.previous.spec?.containers)
    return change.type === 'node' && !equal(change.node.status?.allocatable, change.previous?.status?.allocatable)
  },
}

function leastAllocated(requested: number, capacity: number): number {
  return requested > capacity ? 0 : Math.floor(((capacity - requested) * MAX_SCORE) / capacity)
}

function insufficient({ requests }: PodInfo, { allocatable, requested, allowedPods, pods }: NodeInfo): Refusal | undefined {
  let reasons: string[] | undefined
  let final = false
  const lacks = (name: string, wanted: number, capacity: number, used: number) => {
    if (wanted <= 0 || wanted <= capacity - used) return
    ;(reasons ??= []).push(`Insufficient ${name}`)
    if (wanted > capacity) final = true
  }
  if (pods.size + 1 > allowedPods) reasons = ['Too many pods']
  lacks('cpu', requests.milliCpu, allocatable.milliCpu, requested.milliCpu)
  lacks('memory', requests.memory, allocatable.memory, requested.memory)
  lacks('ephemeral-storage', requests.ephemeralStorage, allocatable.ephemeralStorage, requested.ephemeralStorage)
  if (requests.scalars) {
    for (const [name, wanted] of requests.scalars) {
      lacks(name, wanted, allocatable.scalars?.get(name) ?? 0, requested.scalars?.get(name) ?? 0)
    }
  }
  return reasons && (final ? { reasons, final } : { reasons })
}
