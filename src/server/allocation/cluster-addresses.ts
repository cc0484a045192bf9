// Addresses of services. The record of who holds which is the IPAddress object, whose creation decides between two claimants; memory only spares
// looking. Several ranges may be open at once (ServiceCIDR objects).
import { conditionOf } from '#api/conditions.ts'
import { IPAddress } from '#api/kinds/networking/ip-address.ts'
import { ServiceCIDR } from '#api/kinds/networking/service-cidr.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { Service } from '#api/kinds/core/service.ts'
import { hasReason, ignoreOvertaken } from '#api/status.ts'
import { ADDRESS_FAMILY_LABEL, ADDRESS_MANAGER, ADDRESS_MANAGER_LABEL } from '#api/well-known.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import { formatIpv4, parseIpv4, parseIpv4Range } from '#lib/ipv4.ts'
import { Pace } from '#lib/paced.ts'
import type { ServerContext } from '#server/request.ts'
import { type Fault, faultOfHeld, faultOfObject, isManaged } from './address-faults.ts'
import { NumberPool, reservedBand } from './number-pool.ts'

/** That are looked at in one turn of a repair. */
const ADDRESSES_PER_TURN = 500

interface ServiceRange {
  cidr: string
  /** First address that may be given out. */
  first: number
  /** How many may. */
  size: number
}

/** Why an address cannot be had, in the words of upstream's allocator. */
export class AllocationError extends Error {
  override name = 'AllocationError'
}

export interface ClusterAddressesOptions {
  serviceCidr: string
  shared: boolean
  /** Tells of what a repair found. */
  events?: EventRecorder | undefined
}

export class ClusterAddresses {
  readonly #context: ServerContext
  readonly #events: EventRecorder | undefined
  readonly #primary: ServiceRange
  /** Other API servers give out addresses, too, and take them back: what memory says of one that is taken may be old. */
  readonly #shared: boolean
  #pools = new Map<string, { range: ServiceRange; pool: NumberPool }>()

  constructor(context: ServerContext, { serviceCidr, shared, events }: ClusterAddressesOptions) {
    this.#context = context
    this.#events = events
    this.#shared = shared
    const range = serviceRange(serviceCidr)
    if (!range) throw new RangeError(`${serviceCidr} is not an IPv4 range`)
    this.#primary = range
  }

  async take(address: string, service: ObjectKey, { dryRun }: { dryRun: boolean }): Promise<void> {
    const number = parseIpv4(address)
    const place =
      number === undefined ? undefined : this.#open().find(({ range }) => number >= range.first && number < range.first + range.size)
    if (number === undefined || !place) throw new AllocationError('the provided network does not match the current range')
    const taken = () => new AllocationError('provided IP is already allocated')
    const known = () => !this.#shared || this.#context.reader.get(IPAddress, { name: address }) !== undefined
    if (dryRun) {
      if (this.#shared ? known() : place.pool.has(number - place.range.first)) throw taken()
      return
    }
    if (!place.pool.take(number - place.range.first) && known()) throw taken()
    if (await this.#record(address, service)) return
    throw taken()
  }

  async takeAny(service: ObjectKey, { dryRun }: { dryRun: boolean }): Promise<string> {
    for (const { range, pool } of this.#open()) {
      for (;;) {
        const offset = pool.takeAny()
        if (offset === undefined) break
        const address = formatIpv4(range.first + offset)
        if (dryRun) {
          pool.release(offset)
          return address
        }
        // Somebody else's object stands at that address: leave it marked as taken.
        if (await this.#record(address, service)) return address
      }
    }
    throw new AllocationError('range is full')
  }

  /** Gives an address back; its object goes in the background. */
  release(address: string): void {
    this.#forget(address)
    this.#context.writer.delete(IPAddress, { name: address }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound')) this.#context.log.warn('address object not removed', { address, error })
    })
  }

  /** Brings memory and objects in line with the services there are: `held` maps address to service, and is kept up to date meanwhile. */
  async repair(held: ReadonlyMap<string, ObjectKey>): Promise<void> {
    const { reader, clock } = this.#context
    const before = this.#known()
    for (const address of held.keys()) hold(address, before)
    const pace = new Pace(ADDRESSES_PER_TURN)
    for (const [address, service] of held) {
      await pace.after(1)
      await this.#repairHeld(address, service, before)
    }
    const known = this.#known()
    for (const object of reader.list(IPAddress)) {
      await pace.after(1)
      const name = object.metadata?.name ?? ''
      if (isTaken(name, known)) continue
      if (!isManaged(object)) hold(name, known)
      else {
        const fault = faultOfObject(object, { reader, now: clock.now() })
        this.#tell({ ...object, apiVersion: 'networking.k8s.io/v1', kind: 'IPAddress' }, fault)
        if (fault) await this.#remove(object)
      }
    }
  }

  async #repairHeld(address: string, key: ObjectKey, known: readonly KnownRange[]): Promise<void> {
    const { reader } = this.#context
    const service = reader.get(Service, key)
    const number = parseIpv4(address)
    const inRange = known.some(({ range }) => number !== undefined && number >= range.first && number < range.first + range.size)
    const fault = faultOfHeld(address, key, { reader, inRange })
    if (!service || !fault) return
    this.#tell({ apiVersion: 'v1', kind: 'Service', metadata: service.metadata! }, fault)
    if (!fault.replace) return
    const object = reader.get(IPAddress, { name: address })
    if (object) await this.#remove(object)
    await this.#record(address, key)
  }

  /** Unless it is another by now: several servers may repair at once, and know of each other's work only later. */
  async #remove({ metadata }: IPAddress): Promise<void> {
    const { name = '', uid = '', resourceVersion = '' } = metadata ?? {}
    await this.#context.writer.delete(IPAddress, { name }, { preconditions: { uid, resourceVersion } }).catch(ignoreOvertaken)
  }

  #tell(about: KubeObject, { reason, message }: Fault = {}): void {
    const action = about.kind === 'Service' ? 'ClusterIPAllocation' : 'IPAddressAllocation'
    if (reason && message) this.#events?.event(about, 'Warning', reason, message, { action })
  }

  /** Ranges from which addresses are given. */
  #open(): KnownRange[] {
    return this.#known().filter(({ open }) => open)
  }

  /** All that are declared, and the configured one, which is open before it is. A range is open while anybody who declares it is ready and stays. */
  #known(): KnownRange[] {
    const primary = this.#primary.cidr
    const ranges = new Map([[primary, this.#primary]])
    const open = new Map<string, boolean>()
    for (const { metadata, spec, status } of this.#context.reader.list(ServiceCIDR)) {
      const ready = (conditionOf(status?.conditions, 'Ready')?.status ?? 'True') === 'True'
      for (const cidr of spec?.cidrs ?? []) {
        const range = ranges.get(cidr) ?? serviceRange(cidr)
        if (!range) continue
        ranges.set(cidr, range)
        open.set(cidr, open.get(cidr) === true || (ready && !metadata?.deletionTimestamp))
      }
    }
    return Array.from(ranges.values(), (range) => ({ range, pool: this.#poolOf(range), open: open.get(range.cidr) ?? true }))
  }

  #poolOf(range: ServiceRange): NumberPool {
    let entry = this.#pools.get(range.cidr)
    if (!entry) {
      const reserved = reservedBand(range.size, { least: 16, most: 256, divisor: 16 })
      entry = { range, pool: new NumberPool({ size: range.size, reserved, random: this.#context.random }) }
      this.#pools.set(range.cidr, entry)
    }
    return entry.pool
  }

  #forget(address: string): void {
    const number = parseIpv4(address)
    if (number !== undefined) for (const { range, pool } of this.#pools.values()) pool.release(number - range.first)
  }

  /** False when another holds the address. */
  async #record(address: string, { namespace = '', name }: ObjectKey): Promise<boolean> {
    try {
      await this.#context.writer.create(IPAddress, {
        metadata: { name: address, labels: { [ADDRESS_FAMILY_LABEL]: 'IPv4', [ADDRESS_MANAGER_LABEL]: ADDRESS_MANAGER } },
        spec: { parentRef: { group: '', resource: 'services', namespace, name } },
      })
      return true
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) {
        this.#forget(address)
        throw error
      }
      const parent = this.#context.reader.get(IPAddress, { name: address })?.spec?.parentRef
      return parent?.resource === 'services' && parent.name === name && parent.namespace === namespace
    }
  }
}

interface KnownRange {
  range: ServiceRange
  pool: NumberPool
  open: boolean
}

function hold(address: string, known: readonly KnownRange[]): void {
  const number = parseIpv4(address)
  if (number === undefined) return
  for (const { range, pool } of known) if (number >= range.first && number < range.first + range.size) pool.take(number - range.first)
}

/** By a service there is, or by one just being written. */
function isTaken(address: string, known: readonly KnownRange[]): boolean {
  const number = parseIpv4(address)
  return number !== undefined && known.some(({ range, pool }) => pool.has(number - range.first))
}

/** Network and broadcast address are never given out. */
function serviceRange(cidr: string): ServiceRange | undefined {
  const range = parseIpv4Range(cidr)
  return range && { cidr, first: range.first + 1, size: Math.max(0, range.size - 2) }
}
