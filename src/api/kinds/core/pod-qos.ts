// The quality-of-service class of a pod: computed once, on create, from cpu and memory of its containers or of the pod itself.
import type { PodSpec, ResourceRequirements } from '#api/generated/types.ts'
import { quantityOf } from '#api/quantity.ts'

const COUNTED = ['cpu', 'memory'] as const

export function qosClassOf(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const own = spec.resources
  const podLevel = COUNTED.some((name) => positive(own?.requests?.[name]) || positive(own?.limits?.[name]))
  const all: (ResourceRequirements | undefined)[] = podLevel
    ? [own]
    : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ resources }) => resources)
  let any = false
  let guaranteed = true
  for (const resources of all) {
    for (const name of COUNTED) {
      const [request, limit] = [resources?.requests?.[name], resources?.limits?.[name]]
      if (positive(request) || positive(limit)) any = true
      if (!positive(limit) || quantityOf(request ?? limit).compare(quantityOf(limit)) !== 0) guaranteed = false
    }
  }
  return any ? (guaranteed ? 'Guaranteed' : 'Burstable') : 'BestEffort'
}

const positive = (text: string | undefined) => quantityOf(text).sign > 0
