// The downward API: a pod's own fields and a container's own resources as text, for environment variables and files.
import type { Container as ContainerSpec, ObjectFieldSelector, Pod, ResourceFieldSelector } from '#api/generated/types.ts'
import { Quantity, quantityOf } from '#api/quantity.ts'
import { containersOf } from './identity.ts'

export interface PodFacts {
  podIps: readonly string[]
  hostIps: readonly string[]
}

const SUBSCRIPT = /^metadata\.(labels|annotations)\['(.+)'\]$/

/** Throws for a path that is not supported. */
export function fieldValue(pod: Pod, selector: ObjectFieldSelector, facts: PodFacts): string {
  const { metadata = {}, spec } = pod
  const path = selector.fieldPath
  const subscript = SUBSCRIPT.exec(path)
  if (subscript) {
    const map = subscript[1] === 'labels' ? metadata.labels : metadata.annotations
    return map && Object.hasOwn(map, subscript[2]!) ? map[subscript[2]!]! : ''
  }
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? ''
    case 'metadata.namespace':
      return metadata.namespace ?? ''
    case 'metadata.uid':
      return metadata.uid ?? ''
    case 'metadata.labels':
      return formatMap(metadata.labels)
    case 'metadata.annotations':
      return formatMap(metadata.annotations)
    case 'spec.nodeName':
      return spec?.nodeName ?? ''
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? ''
    case 'status.hostIP':
      return facts.hostIps[0] ?? ''
    case 'status.hostIPs':
      return facts.hostIps.join(',')
    case 'status.podIP':
      return facts.podIps[0] ?? ''
    case 'status.podIPs':
      return facts.podIps.join(',')
    default:
      throw new Error(`unsupported fieldPath: ${path}`)
  }
}

/** `container` is the one meant where the selector names none. Limits that are not set are the node's allocatable. */
export function resourceValue(
  pod: Pod,
  selector: ResourceFieldSelector,
  { container, allocatable }: { container?: ContainerSpec; allocatable: Record<string, string> },
): string {
  const named = selector.containerName ? containersOf(pod).find(({ spec }) => spec.name === selector.containerName)?.spec : container
  if (!named) throw new Error(`container ${selector.containerName ?? ''} not found`)
  const [list, ...rest] = selector.resource.split('.')
  const resource = rest.join('.')
  if (list !== 'limits' && list !== 'requests') throw new Error(`unsupported container resource : ${selector.resource}`)
  const { limits, requests } = named.resources ?? {}
  const node = resource === 'cpu' || resource === 'memory' || resource === 'ephemeral-storage' ? allocatable[resource] : undefined
  const value = quantityOf(list === 'limits' ? (limits?.[resource] ?? node) : (requests?.[resource] ?? limits?.[resource]))
  const divisor = quantityOf(selector.divisor)
  const by = divisor.sign > 0 ? divisor : Quantity.of(1)
  return String((value.nanos + by.nanos - 1n) / by.nanos)
}

function formatMap(map: Record<string, string> | undefined): string {
  return Object.keys(map ?? {})
    .sort()
    .map((key) => `${key}=${JSON.stringify(map![key])}`)
    .join('\n')
}
