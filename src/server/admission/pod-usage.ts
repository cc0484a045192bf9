// What a pod asks for as a whole: containers together, or the largest init container with the sidecars beside it, plus overhead.
import type { Container, ContainerStatus, Pod, PodStatus } from '#api/generated/types.ts'
import { Quantity, quantityOf } from '#api/quantity.ts'

export type Amounts = Map<string, Quantity>
type List = Record<string, string> | undefined

export interface PodUsage {
  requests: Amounts
  limits: Amounts
}

/** `held`: with what its node still holds for it, until a resize is through. */
export function podUsage(pod: Pod, { held = false } = {}): PodUsage {
  const status = held ? pod.status : undefined
  return { requests: total(pod.spec, 'requests', status), limits: total(pod.spec, 'limits', status) }
}

type Lists = Pick<ContainerStatus, 'resources' | 'allocatedResources'> & Pick<Container, 'resources'>

function total(spec: Pod['spec'], list: 'requests' | 'limits', status: PodStatus | undefined): Amounts {
  const statuses = new Map(
    [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].map((one) => [one.name, one] as const),
  )
  const refused = status?.conditions?.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible') ?? false
  const largest = (asked: List, given: Lists | undefined): Amounts => {
    const most = refused && given?.resources ? new Map() : amounts(asked)
    raise(most, amounts(given?.resources?.[list]))
    if (list === 'requests') raise(most, amounts(given?.allocatedResources))
    return most
  }
  const of = ({ name, resources }: Container): Amounts => largest(resources?.[list], statuses.get(name))
  const running: Amounts = new Map()
  for (const container of spec?.containers ?? []) add(running, of(container))
  const sidecars: Amounts = new Map()
  const starting: Amounts = new Map()
  for (const container of spec?.initContainers ?? []) {
    if (container.restartPolicy === 'Always') {
      add(sidecars, of(container))
      raise(starting, sidecars)
    } else {
      const moment = new Map(sidecars)
      add(moment, of(container))
      raise(starting, moment)
    }
  }
  add(running, sidecars)
  raise(running, starting)
  for (const [name, amount] of largest(spec?.resources?.[list], status)) running.set(name, amount)
  for (const [name, amount] of amounts(spec?.overhead))
    if (list === 'requests' || running.has(name)) add(running, new Map([[name, amount]]))
  return running
}

export function amounts(list: List): Amounts {
  return new Map(Object.entries(list ?? {}).map(([name, text]) => [name, quantityOf(text)]))
}

export function add(sum: Amounts, more: Amounts): void {
  for (const [name, amount] of more) sum.set(name, sum.get(name)?.add(amount) ?? amount)
}

function raise(floor: Amounts, other: Amounts): void {
  for (const [name, amount] of other) {
    const present = floor.get(name)
    if (!present || present.compare(amount) < 0) floor.set(name, amount)
  }
}
