// Requests and limits of a pod as a whole, and that its containers fit into them.
import { type FieldError, forbidden, invalid } from '#api/field-error.ts'
import type { Container, PodSpec } from '#api/generated/types.ts'
import { isQuantity, Quantity, quantityOf } from '#api/quantity.ts'
import { each } from './checks.ts'
import { isHugePages, validateRequirements } from './resources.ts'

type Amounts = Map<string, Quantity>

export function validatePodResources(spec: PodSpec, path: string): FieldError[] {
  const { resources } = spec
  if (!resources) return []
  if (spec.os?.name === 'windows') return [forbidden(path, 'may not be set for a windows pod')]
  const errors: FieldError[] = []
  if (resources.claims) errors.push(forbidden(`${path}.claims`, 'claims may not be set for Resources at pod-level'))
  errors.push(...validateRequirements(resources, path, { ofPod: true }))
  const { requests = {}, limits = {} } = resources
  for (const [name, sum] of together(spec, 'requests')) {
    if (!isQuantity(requests[name]) || sum.compare(quantityOf(requests[name])) <= 0) continue
    const message = `must be greater than or equal to aggregate container requests of ${sum}`
    errors.push(invalid(`${path}.requests[${name}]`, quantityOf(requests[name]).toString(), message))
  }
  for (const [name, sum] of together(spec, 'limits')) {
    if (!isHugePages(name) || !isQuantity(limits[name]) || sum.compare(quantityOf(limits[name])) <= 0) continue
    const message = `must be greater than or equal to aggregate container limits of ${sum}`
    errors.push(invalid(`${path}.limits[${name}]`, quantityOf(limits[name]).toString(), message))
  }
  each(spec.containers, `${path}.containers`, (container, at) => {
    for (const [name, amount] of Object.entries(container.resources?.limits ?? {})) {
      const limit = limits[name]
      if (!isQuantity(amount) || !isQuantity(limit) || quantityOf(amount).compare(quantityOf(limit)) <= 0) continue
      const message = `must be less than or equal to pod limits of ${quantityOf(limit)}`
      errors.push(invalid(`${at}[${name}].limits`, quantityOf(amount).toString(), message))
    }
  })
  return errors
}

/** What the containers need at the same time: all of them, or a plain init container beside the sidecars before it. */
function together(spec: PodSpec, amounts: 'requests' | 'limits'): Amounts {
  const sum: Amounts = new Map()
  const add = (to: Amounts, { resources }: Container) => {
    for (const [name, amount] of Object.entries(resources?.[amounts] ?? {}))
      if (isQuantity(amount)) to.set(name, (to.get(name) ?? Quantity.of(0)).add(quantityOf(amount)))
  }
  for (const container of spec.containers ?? []) add(sum, container)
  const [sidecars, peak]: [Amounts, Amounts] = [new Map(), new Map()]
  for (const container of spec.initContainers ?? []) {
    const needed = new Map(sidecars)
    add(needed, container)
    if (container.restartPolicy === 'Always') {
      add(sidecars, container)
      add(sum, container)
    }
    for (const [name, amount] of needed) if (!peak.has(name) || peak.get(name)!.compare(amount) < 0) peak.set(name, amount)
  }
  for (const [name, amount] of peak) if (!sum.has(name) || sum.get(name)!.compare(amount) < 0) sum.set(name, amount)
  return sum
}
