// Prefers nodes on which the pod makes what is used of cpu, memory (or the resources named) more equal than it was.
import { MAX_SCORE, type Plugin } from '#scheduler/plugin.ts'
import { amountOf, type Resources } from '#scheduler/resources.ts'

const HALF = MAX_SCORE / 2

export function nodeResourcesBalancedAllocation({ resources = ['cpu', 'memory'] }: { resources?: readonly string[] } = {}): Plugin {
  return {
    name: 'NodeResourcesBalancedAllocation',
    score({ requests }) {
      // Extended resources the pod does not ask for are not for it to balance.
      const weighed = resources.filter((name) => !name.includes('/') || amountOf(requests, name) > 0)
      if (weighed.every((name) => amountOf(requests, name) === 0)) return undefined
      return {
        of({ requested, allocatable }) {
          const before = balance(weighed, allocatable, (name) => amountOf(requested, name))
          const after = balance(weighed, allocatable, (name) => amountOf(requested, name) + amountOf(requests, name))
          return HALF + Math.floor((HALF + after - before) / 2)
        },
      }
    },
    local: ({ requests }) => resources.map((name) => amountOf(requests, name)).join(' '),
  }
}

/** 1 minus the standard deviation of the used fractions, in whole percent. */
function balance(names: readonly string[], allocatable: Resources, used: (name: string) => number): number {
  const fractions: number[] = []
  for (const name of names) {
    const capacity = amountOf(allocatable, name)
    if (capacity > 0) fractions.push(Math.min(1, used(name) / capacity))
  }
  if (fractions.length < 2) return MAX_SCORE
  if (fractions.length === 2) return Math.floor((1 - Math.abs((fractions[0]! - fractions[1]!) / 2)) * MAX_SCORE)
  const mean = fractions.reduce((sum, one) => sum + one, 0) / fractions.length
  return Math.floor((1 - Math.sqrt(fractions.reduce((sum, one) => sum + (one - mean) ** 2, 0) / fractions.length)) * MAX_SCORE)
}
