// What the pod asks for must be free on the node; which nodes are preferred says the strategy (those with more left, unless told otherwise).
import type { Node } from '#api/kinds/core/node.ts'
import { quantityValue } from '#api/quantity.ts'
import type { Delegated } from '#scheduler/devices/extended-resources.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import type { Plugin, Refusal } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { amountOf, lessThan, parseResources, podRequests } from '#scheduler/resources.ts'
import { LEAST_ALLOCATED, type ScoringStrategy } from '#scheduler/scoring-strategy.ts'

export interface NodeResourcesFitOptions {
  /** Extended resources, and groups of them (`example.com`), that someone else looks after. */
  ignoredResources?: readonly string[]
  ignoredResourceGroups?: readonly string[]
  strategy?: ScoringStrategy
}

export function nodeResourcesFit(options: NodeResourcesFitOptions = {}): Plugin {
  const { ignoredResources = [], ignoredResourceGroups = [], strategy = LEAST_ALLOCATED } = options
  const isIgnored = (name: string) => ignoredResources.includes(name) || ignoredResourceGroups.includes(name.split('/')[0]!)
  const ignored = ignoredResources.length + ignoredResourceGroups.length > 0 ? isIgnored : undefined
  return {
    name: 'NodeResourcesFit',
    filter(pod, { devices }) {
      const delegated = pod.requests.scalars && devices?.delegated(pod)
      return { check: (node) => insufficient(pod, node, { ignored, delegated }) }
    },
    score: (pod) => ({ of: (node) => strategy(pod, node) }),
    local({ requests: { milliCpu, memory, ephemeralStorage, scalars }, nonZero }) {
      const plain = `${milliCpu} ${memory} ${ephemeralStorage} ${nonZero.milliCpu} ${nonZero.memory}`
      return scalars ? `${plain} ${JSON.stringify([...scalars])}` : plain
    },
    helps(change, pod) {
      if (change.type === 'object') return change.kind === 'DeviceClass' && pod.requests.scalars !== undefined
      if (change.type === 'pod gone') return true
      if (change.type === 'own') return lessThan(podRequests(change.previous), pod).size > 0
      if (change.type === 'pod changed') return [...change.freed].some((name) => amountOf(pod.requests, name) > 0)
      if (change.type !== 'node') return false
      return mayFit(pod, change.node, ignored) && (!change.previous || hasGrown(pod, change.node, change.previous))
    },
  }
}

/** Whether an empty node like that would do. What devices may stand for is looked for elsewhere. */
function mayFit({ requests }: PodInfo, { status }: Node, ignored: ((name: string) => boolean) | undefined): boolean {
  const { milliCpu, memory, ephemeralStorage, scalars } = parseResources(status?.allocatable)
  const { scalars: wanted } = requests
  if (requests.milliCpu > milliCpu || requests.memory > memory || requests.ephemeralStorage > ephemeralStorage) return false
  return [...(wanted ?? [])].every(([name, amount]) => ignored?.(name) || !scalars?.has(name) || amount <= scalars.get(name)!)
}

/** Whether there is more of what the pod asks for, or room for more pods. */
function hasGrown({ requests }: PodInfo, { status }: Node, { status: before }: Node): boolean {
  const [now, then] = [parseResources(status?.allocatable), parseResources(before?.allocatable)]
  const names = ['cpu', 'memory', 'ephemeral-storage', ...(requests.scalars?.keys() ?? [])]
  return (
    names.some((name) => amountOf(requests, name) > 0 && amountOf(now, name) > amountOf(then, name)) ||
    quantityValue(status?.allocatable?.pods) > quantityValue(before?.allocatable?.pods)
  )
}

function insufficient(
  { requests }: PodInfo,
  { allocatable, requested, allowedPods, pods }: NodeInfo,
  { ignored, delegated }: { ignored: ((name: string) => boolean) | undefined; delegated: Delegated | undefined },
): Refusal | undefined {
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
      // What the node does not offer devices may stand for: they are looked for elsewhere.
      if (delegated?.has(name) && !allocatable.scalars?.get(name)) continue
      if (!ignored?.(name)) lacks(name, wanted, allocatable.scalars?.get(name) ?? 0, requested.scalars?.get(name) ?? 0)
    }
  }
  return reasons && (final ? { reasons, final } : { reasons })
}
