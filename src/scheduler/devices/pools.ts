// Devices as their drivers publish them: slices of the newest generation make up a pool; what of it a node can use depends on the slices.
import type { Device } from '#api/generated/types.ts'
import type { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { matchesNodeSelector } from '#api/node-selector.ts'
import { quantityOf } from '#api/quantity.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import { byKey } from '#lib/order.ts'

export interface PooledDevice {
  /** `driver/pool/device` */
  readonly id: string
  readonly driver: string
  readonly pool: string
  readonly device: Device
  readonly slice: ResourceSlice
}

export interface Pool {
  readonly driver: string
  readonly name: string
  /** Not every slice of it is known, or a device comes twice: nothing is given of it. */
  readonly unsound: 'being updated' | 'invalid' | undefined
  readonly devices: readonly PooledDevice[]
  /** What the devices share: set -> counter -> nano-units. */
  readonly counters: ReadonlyMap<string, ReadonlyMap<string, bigint>>
}

export function deviceId(driver: string, pool: string, device: string): string {
  return `${driver}/${pool}/${device}`
}

export function poolsOf(slices: readonly ResourceSlice[]): Pool[] {
  const groups = new Map<string, ResourceSlice[]>()
  for (const slice of slices) {
    const { driver, pool } = slice.spec ?? {}
    if (!driver || !pool) continue
    const key = `${driver}/${pool.name}`
    const group = groups.get(key) ?? []
    const newest = group[0]?.spec!.pool.generation ?? -1
    if (pool.generation > newest) groups.set(key, [slice])
    else if (pool.generation === newest) group.push(slice)
  }
  return [...groups].sort(byKey).map(([, group]) => poolOf(group))
}

function poolOf(slices: readonly ResourceSlice[]): Pool {
  const { driver, pool } = slices[0]!.spec!
  const ordered = slices.toSorted((a, b) => (a.metadata!.name! < b.metadata!.name! ? -1 : 1))
  const devices = ordered.flatMap((slice) =>
    (slice.spec!.devices ?? []).map((device) => ({ id: deviceId(driver, pool.name, device.name), driver, pool: pool.name, device, slice })),
  )
  const counters = new Map<string, ReadonlyMap<string, bigint>>()
  for (const { spec } of ordered)
    for (const { name, counters: own } of spec!.sharedCounters ?? [])
      counters.set(name, new Map(Object.entries(own).map(([counter, { value }]) => [counter, quantityOf(value).nanos])))
  const isDouble = new Set(devices.map(({ id }) => id)).size < devices.length
  const unsound = slices.length !== pool.resourceSliceCount ? 'being updated' : isDouble ? 'invalid' : undefined
  return { driver, name: pool.name, unsound, devices, counters }
}

/** Whether pods on the node can use the device. */
export function isUsableOn({ slice: { spec }, device }: PooledDevice, node: NodeInfo): boolean {
  const { nodeName, nodeSelector, allNodes } = spec!.perDeviceNodeSelection ? device : spec!
  if (allNodes) return true
  if (nodeName) return nodeName === node.name
  return nodeSelector !== undefined && matchesNodeSelector(nodeSelector, node)
}
