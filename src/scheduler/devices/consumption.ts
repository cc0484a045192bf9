// What allocated devices take: themselves, shares of their capacity, and counters they have in common with others of their pool.
import type { CapacityRequirements, Device, DeviceCapacity } from '#api/generated/types.ts'
import { quantityOf } from '#api/quantity.ts'
import type { Pool, PooledDevice } from './pools.ts'

/** Of one share of a device: capacity -> nano-units. */
export type Share = ReadonlyMap<string, bigint>

export class Consumption {
  readonly #devices = new Map<string, number>()
  readonly #shares = new Map<string, Map<string, bigint>>()

  change(id: string, share: Share | undefined, by: 1 | -1): void {
    this.#devices.set(id, (this.#devices.get(id) ?? 0) + by)
    if (!share) return
    const sums = this.#shares.get(id) ?? new Map<string, bigint>()
    for (const [name, amount] of share) sums.set(name, (sums.get(name) ?? 0n) + BigInt(by) * amount)
    this.#shares.set(id, sums)
  }

  has(id: string): boolean {
    return (this.#devices.get(id) ?? 0) > 0
  }

  /** Whether the device can also give this share. */
  canShare({ id, device }: PooledDevice, share: Share): boolean {
    const taken = this.#shares.get(id)
    for (const [name, amount] of share)
      if (amount + (taken?.get(name) ?? 0n) > quantityOf(device.capacity?.[name]?.value).nanos) return false
    return true
  }

  /** Whether the counters that the pool's devices draw on last for this one as well. */
  hasCounters({ device }: PooledDevice, pool: Pool): boolean {
    if (!device.consumesCounters?.length) return true
    return device.consumesCounters.every(({ counterSet, counters }) =>
      Object.entries(counters).every(([name, { value }]) => {
        const taken = pool.devices.reduce((sum, other) => (this.has(other.id) ? sum + drawn(other.device, counterSet, name) : sum), 0n)
        return taken + quantityOf(value).nanos <= (pool.counters.get(counterSet)?.get(name) ?? 0n)
      }),
    )
  }
}

function drawn({ consumesCounters = [] }: Device, set: string, counter: string): bigint {
  const counters = consumesCounters.find(({ counterSet }) => counterSet === set)?.counters ?? {}
  return Object.hasOwn(counters, counter) ? quantityOf(counters[counter]!.value).nanos : 0n
}

/** What a request would get of a device that several may share; undefined where the device cannot give that. */
export function shareOf({ capacity = {} }: Device, asked: CapacityRequirements | undefined): Map<string, bigint> | undefined {
  const share = new Map<string, bigint>()
  for (const [name, own] of Object.entries(capacity)) {
    const amount = granted(own, asked?.requests?.[name])
    if (amount === undefined) return undefined
    share.set(name, amount)
  }
  return hasCapacity({ capacity }, asked) ? share : undefined
}

/** Whether the device has what is asked for at all. */
export function hasCapacity({ capacity = {} }: Pick<Device, 'capacity'>, asked: CapacityRequirements | undefined): boolean {
  return Object.entries(asked?.requests ?? {}).every(
    ([name, amount]) => Object.hasOwn(capacity, name) && quantityOf(amount).compare(quantityOf(capacity[name]!.value)) <= 0,
  )
}

/** As much as is asked for, rounded up to what the device's policy allows. */
function granted({ value, requestPolicy }: DeviceCapacity, asked: string | undefined): bigint | undefined {
  const whole = quantityOf(value).nanos
  if (!requestPolicy) return asked === undefined ? whole : quantityOf(asked).nanos
  const { default: fallback, validRange, validValues } = requestPolicy
  const wanted = quantityOf(asked ?? fallback ?? value).nanos
  if (asked === undefined) return wanted
  if (validRange) {
    const [min, step] = [quantityOf(validRange.min).nanos, quantityOf(validRange.step).nanos]
    const over = wanted > min ? wanted - min : 0n
    const rounded = min + (step > 0n ? ((over + step - 1n) / step) * step : over)
    return validRange.max !== undefined && rounded > quantityOf(validRange.max).nanos ? undefined : rounded
  }
  if (!validValues?.length) return wanted
  return validValues
    .map((one) => quantityOf(one).nanos)
    .sort((a, b) => (a < b ? -1 : 1))
    .find((one) => one >= wanted)
}
