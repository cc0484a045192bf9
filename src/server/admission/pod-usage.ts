// What a pod asks for as a whole: containers together, or the largest init container with the sidecars beside it, plus overhead.
import type { Container, Pod } from '#api/generated/types.ts'
import { Quantity, quantityOf } from '#api/quantity.ts'

export type Amounts = Map<string, Quantity>
type List = Record<string, string> | undefined

export interface PodUsage {
  requests: Amounts
  limits: Amounts
}

export function podUsage(pod: Pod): PodUsage {
  return { requests: total(pod, 'requests'), limits: total(pod, 'limits') }
}

function total({ spec }: Pod, list: 'requests' | 'limits'): Amounts {
  const of = (container: Container): Amounts => amounts(container.resources?.[list])
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
  for (const [name, amount] of amounts(spec?.resources?.[list])) running.set(name, amount)
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
