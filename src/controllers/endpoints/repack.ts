// Subsets of hand-written Endpoints put in order: each set of addresses is there once, with all of its ports. Pure.
import type { CoreEndpointPort, EndpointAddress, EndpointSubset } from '#api/generated/types.ts'

interface Placed {
  address: EndpointAddress
  ready: boolean
}

interface OfPort {
  port: CoreEndpointPort | undefined
  placed: Map<string, Placed>
}

/** An address that is not ready in one subset is not ready in any other of the same port. */
export function repackSubsets(subsets: readonly EndpointSubset[]): EndpointSubset[] {
  const groups = new Map<string, { ports: CoreEndpointPort[]; placed: Map<string, Placed> }>()
  for (const { port, placed } of byPort(subsets)) {
    const key = JSON.stringify([...placed].map(([id, { ready }]) => [id, ready]).toSorted(([a], [b]) => (a! < b! ? -1 : 1)))
    const group = groups.get(key) ?? { ports: [], placed }
    if (port) group.ports.push(port)
    groups.set(key, group)
  }
  return [...groups.values()].map(({ ports, placed }) => {
    const of = (ready: boolean) => [...placed.values()].filter((one) => one.ready === ready).map(({ address }) => address)
    return { ports, addresses: of(true), notReadyAddresses: of(false) }
  })
}

function byPort(subsets: readonly EndpointSubset[]): OfPort[] {
  const known = new Map<string, OfPort>()
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets) {
    for (const port of ports.length > 0 ? ports : [undefined]) {
      const key = JSON.stringify(port && [port.name ?? '', port.protocol ?? 'TCP', port.port, port.appProtocol ?? ''])
      const of = known.get(key) ?? { port, placed: new Map<string, Placed>() }
      known.set(key, of)
      for (const address of addresses) place(of, address, true)
      for (const address of notReadyAddresses) place(of, address, false)
    }
  }
  return [...known.values()].filter(({ placed }) => placed.size > 0)
}

function place({ placed }: OfPort, address: EndpointAddress, ready: boolean): void {
  const id = JSON.stringify([address.ip, address.targetRef?.uid ?? ''])
  const before = placed.get(id)
  placed.set(id, before ? { ...before, ready: before.ready && ready } : { address, ready })
}
