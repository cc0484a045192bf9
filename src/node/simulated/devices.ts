// Devices of simulated nodes: what a node's annotation says it has is published as ResourceSlices, as a driver on it would, and kept so. Allocating
// them is the scheduler's; nothing is prepared for anybody.
import type { Node as ApiNode, Device } from '#api/generated/types.ts'
import { isObject } from '#api/clone.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'

export const DEVICES = 'sampan.dev/devices'
/** On slices that were published here: the node's annotation they were made from. */
const MADE_FROM = DEVICES
const FIELD_MANAGER = 'simulated-nodes'
const MOST_IN_SLICE = { plain: 128, laden: 64 }
const MOST_DEVICES = 1024
const MOST_DRIVERS = 16

/** By driver. Throws Error that says what cannot be read. */
export function devicesIn(text: string): Map<string, Device[]> {
  const drivers = new Map<string, Device[]>()
  for (const [driver, said] of text.trimStart().startsWith('{') ? written(text) : counted(text)) {
    if (!/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(driver)) throw new Error(`${JSON.stringify(driver)} is no name of a driver`)
    if (drivers.has(driver)) throw new Error(`${driver} is named twice`)
    const devices = Array.isArray(said) ? (said as Device[]) : numbered(driver, said)
    if (devices.length > MOST_DEVICES) throw new Error(`${driver}: at most ${MOST_DEVICES} devices`)
    for (const device of devices)
      if (!isObject(device) || typeof device.name !== 'string') throw new Error(`${driver}: every device needs a name`)
    drivers.set(driver, devices)
  }
  if (drivers.size > MOST_DRIVERS) throw new Error(`at most ${MOST_DRIVERS} drivers`)
  return drivers
}

function written(text: string): [string, unknown][] {
  try {
    return Object.entries(JSON.parse(text) as object)
  } catch (error) {
    throw new Error(`not JSON: ${(error as Error).message}`, { cause: error })
  }
}

function counted(text: string): [string, unknown][] {
  const words = text.split(',').map((word) => word.trim())
  return words.flatMap((word): [string, unknown][] => {
    if (word === '') return []
    const [driver = '', count = '', ...more] = word.split('=')
    if (!/^\d{1,4}$/.test(count) || more.length > 0) throw new Error(`${JSON.stringify(word)}: say DRIVER=COUNT, as gpu.example.com=4`)
    return [[driver, Number(count)]]
  })
}

function numbered(driver: string, count: unknown): Device[] {
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > MOST_DEVICES)
    throw new Error(`${driver}: say how many devices, up to ${MOST_DEVICES}, or list them`)
  return Array.from({ length: count }, (_, index) => ({ name: `device-${index}` }))
}

/** Of the slices the node has, those that were published here. */
export function isPublished(slice: ResourceSlice, node: string): boolean {
  return slice.spec?.nodeName === node && slice.metadata?.annotations?.[MADE_FROM] !== undefined
}

interface Publishing {
  client: Client
  /** Slices that are there. */
  present: readonly ResourceSlice[]
}

/** Makes the slices of a node what its annotation says. Answers what is wrong with that; nothing changes then. */
export async function publishDevices(node: ApiNode, publishing: Publishing): Promise<string | undefined> {
  const fault = (error: unknown) => `${DEVICES}: ${(error as Error).message}`
  let drivers: ReadonlyMap<string, Device[]>
  try {
    drivers = devicesIn(node.metadata?.annotations?.[DEVICES] ?? '')
  } catch (error) {
    return fault(error)
  }
  try {
    await publish(node, drivers, publishing)
    return undefined
  } catch (error) {
    // Said where it was written; to try again as it is would not help. Anything else may pass.
    if (hasReason(error, 'Invalid', 'BadRequest')) return fault(error)
    throw error
  }
}

async function publish(node: ApiNode, drivers: ReadonlyMap<string, Device[]>, { client, present }: Publishing): Promise<void> {
  const name = node.metadata!.name!
  const text = node.metadata?.annotations?.[DEVICES] ?? ''
  const own = present.filter((slice) => isPublished(slice, name))
  const wanted = new Set<string>()
  for (const [driver, devices] of drivers) {
    const before = own.filter(({ spec }) => spec.driver === driver)
    const latest = before.reduce((most, { spec }) => Math.max(most, spec.pool.generation), 0)
    const same = before.length > 0 && before.every(({ metadata }) => metadata?.annotations?.[MADE_FROM] === text)
    const laden = devices.some(({ taints, consumesCounters }) => taints?.length || consumesCounters?.length)
    const most = laden ? MOST_IN_SLICE.laden : MOST_IN_SLICE.plain
    const count = Math.ceil(devices.length / most)
    const pool = { name, generation: same ? latest : latest + 1, resourceSliceCount: count }
    for (let index = 0; index < count; index++) {
      const slice = `${name}-${driver}-${index}`
      wanted.add(slice)
      const some = devices.slice(index * most, (index + 1) * most)
      const patch: ResourceSlice = {
        apiVersion: 'resource.k8s.io/v1',
        kind: 'ResourceSlice',
        metadata: {
          name: slice,
          annotations: { [MADE_FROM]: text },
          ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: node.metadata!.uid!, controller: true }],
        },
        spec: { driver, nodeName: name, pool, devices: some },
      }
      await client.patch(ResourceSlice, { name: slice }, { type: 'apply', patch, force: true }, { fieldManager: FIELD_MANAGER })
    }
  }
  for (const slice of own) {
    if (wanted.has(slice.metadata!.name!)) continue
    await client.delete(ResourceSlice, { name: slice.metadata!.name! }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound')) throw error
    })
  }
}
