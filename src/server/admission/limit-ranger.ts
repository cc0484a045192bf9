// Limit ranges of a namespace: defaults for containers that name none, bounds for containers, pods and claims.
import type { Container, LimitRangeItem, PersistentVolumeClaim, Pod } from '#api/generated/types.ts'
import { LimitRange } from '#api/kinds/core/limit-range.ts'
import { type Quantity, quantityOf } from '#api/quantity.ts'
import type { AdmissionPlugin, AdmissionRequest, ServerContext } from '#server/request.ts'
import { type Amounts, amounts, podUsage } from './pod-usage.ts'
import { denied, target } from './refusal.ts'

const ANNOTATION = 'kubernetes.io/limit-ranger'

export function limitRanger({ reader }: ServerContext): AdmissionPlugin {
  const itemsFor = function* ({ attributes }: AdmissionRequest, type: string): Generator<LimitRangeItem> {
    for (const { spec } of reader.list(LimitRange, attributes.namespace))
      for (const item of spec?.limits ?? []) if (item.type === type) yield item
  }
  return {
    name: 'LimitRanger',
    of: ['pods', 'pods/resize', 'persistentvolumeclaims'],
    admit(request) {
      if (target(request) !== 'pods' || request.operation !== 'CREATE') return
      const pod = request.object as Pod
      for (const item of itemsFor(request, 'Container')) setDefaults(pod, item)
    },
    validate(request) {
      const what = target(request)
      const errors: string[] = []
      if ((what === 'pods' && request.operation === 'CREATE') || (what === 'pods/resize' && request.operation === 'UPDATE')) {
        const pod = request.object as Pod
        for (const item of itemsFor(request, 'Container'))
          for (const container of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])])
            errors.push(...checkContainer(container, item))
        for (const item of itemsFor(request, 'Pod')) errors.push(...check(podUsage(pod), item))
      } else if (what === 'persistentvolumeclaims' && (request.operation === 'CREATE' || request.operation === 'UPDATE')) {
        const requests = amounts((request.object as PersistentVolumeClaim).spec?.resources?.requests)
        for (const item of itemsFor(request, 'PersistentVolumeClaim')) errors.push(...checkClaim(requests, item))
      }
      if (errors.length > 0) throw denied(request, errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`)
    },
  }
}

function setDefaults(pod: Pod, item: LimitRangeItem): void {
  const said: string[] = []
  const apply = (container: Container, what: string) => {
    for (const [list, defaults, word] of [
      ['requests', item.defaultRequest, 'request'],
      ['limits', item.default, 'limit'],
    ] as const) {
      const own = container.resources?.[list] ?? {}
      const missing = Object.keys(defaults ?? {}).filter((name) => !Object.hasOwn(own, name))
      if (missing.length === 0) continue
      const added = Object.fromEntries(missing.map((name) => [name, defaults![name]!]))
      container.resources = { ...container.resources, [list]: { ...own, ...added } }
      said.push(`${missing.sort().join(', ')} ${word} for ${what} ${container.name}`)
    }
  }
  for (const container of pod.spec?.containers ?? []) apply(container, 'container')
  for (const container of pod.spec?.initContainers ?? []) apply(container, 'init container')
  if (said.length === 0) return
  const meta = (pod.metadata ??= {})
  meta.annotations = { ...meta.annotations, [ANNOTATION]: `LimitRanger plugin set: ${said.join('; ')}` }
}

function checkContainer({ resources }: Container, item: LimitRangeItem): string[] {
  return check({ requests: amounts(resources?.requests), limits: amounts(resources?.limits) }, item)
}

/** Bounds per container or pod. The sentences are upstream's, their double spaces included. */
function check({ requests, limits }: { requests: Amounts; limits: Amounts }, item: LimitRangeItem): string[] {
  const errors: string[] = []
  for (const [name, bound, request, limit] of bounds(item.min, { requests, limits })) {
    const least = `minimum ${name} usage per ${item.type} is ${bound}`
    if (!request) errors.push(`${least}.  No request is specified`)
    else if (request.compare(bound) < 0) errors.push(`${least}, but request is ${request}`)
    else if (limit && limit.compare(bound) < 0) errors.push(`${least}, but limit is ${limit}`)
  }
  for (const [name, bound, request, limit] of bounds(item.max, { requests, limits })) {
    const most = `maximum ${name} usage per ${item.type} is ${bound}`
    if (!limit) errors.push(`${most}.  No limit is specified`)
    else if (limit.compare(bound) > 0) errors.push(`${most}, but limit is ${limit}`)
    else if (request && request.compare(bound) > 0) errors.push(`${most}, but request is ${request}`)
  }
  for (const [name, bound, request, limit] of bounds(item.maxLimitRequestRatio, { requests, limits })) {
    const ratio = `${name} max limit to request ratio per ${item.type} is ${bound}`
    if (!request || request.sign === 0) errors.push(`${ratio}, but no request is specified or request is 0`)
    else if (!limit || limit.sign === 0) errors.push(`${ratio}, but no limit is specified or limit is 0`)
    else if (limit.nanos * 1_000_000_000n > bound.nanos * request.nanos)
      errors.push(`${ratio}, but provided ratio is ${(Number(limit.nanos) / Number(request.nanos)).toFixed(6)}`)
  }
  return errors
}

function checkClaim(requests: Amounts, item: LimitRangeItem): string[] {
  const errors: string[] = []
  const none = { requests, limits: new Map() }
  for (const [name, bound, request] of bounds(item.min, none)) {
    const least = `minimum ${name} usage per ${item.type} is ${bound}`
    if (!request) errors.push(`${least}.  No request is specified`)
    else if (request.compare(bound) < 0) errors.push(`${least}, but request is ${request}`)
  }
  for (const [name, bound, request] of bounds(item.max, none)) {
    const most = `maximum ${name} usage per ${item.type} is ${bound}`
    if (!request) errors.push(`${most}.  No request is specified`)
    else if (request.compare(bound) > 0) errors.push(`${most}, but request is ${request}`)
  }
  return errors
}

type Bound = [name: string, bound: Quantity, request: Quantity | undefined, limit: Quantity | undefined]

function bounds(list: Record<string, string> | undefined, { requests, limits }: { requests: Amounts; limits: Amounts }): Bound[] {
  return Object.entries(list ?? {}).map(([name, text]) => [name, quantityOf(text), requests.get(name), limits.get(name)])
}
