// What the server adds to a Service as it is written: address family, cluster address, node ports. Everything taken for a write that fails is
// given back; what a service no longer uses is given back once the write holds.
import type { ServiceSpec } from '#api/generated/types.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import { Service } from '#api/kinds/core/service.ts'
import { IPAddress } from '#api/kinds/networking/ip-address.ts'
import { keyOf, type ObjectKey } from '#api/object.ts'
import { invalidError, StatusError } from '#api/status.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import { Following } from '#server/following.ts'
import type { ObjectChange, ServerContext, WriteEffect, WriteHook } from '#server/request.ts'
import type { Store } from '#store/store.ts'
import { AllocationError, ClusterAddresses } from './cluster-addresses.ts'
import { LocalPorts, type NodePorts, type PortRange } from './node-ports.ts'
import { SharedPorts } from './shared-ports.ts'

export interface AllocatorOptions {
  serviceCidr: string
  nodePorts?: PortRange
  /** The store, where other API servers work on it, too. */
  shared?: Store | undefined
  /** Tells of what a repair found. */
  events?: EventRecorder
}

const REPAIR_PERIOD_MS = 3 * 60 * 1000
const GATHERING_MS = 1000

export class ServiceAllocator implements WriteHook {
  readonly kind = Service
  readonly #context: ServerContext
  readonly #addresses: ClusterAddresses
  readonly #ports: NodePorts
  readonly #portRange: PortRange

  constructor(context: ServerContext, { serviceCidr, nodePorts = { first: 30000, last: 32767 }, shared, events }: AllocatorOptions) {
    this.#context = context
    this.#addresses = new ClusterAddresses(context, { serviceCidr, shared: shared !== undefined, events })
    this.#portRange = nodePorts
    const { random, log } = context
    this.#ports = shared ? new SharedPorts(nodePorts, { store: shared, random, log }) : new LocalPorts(nodePorts, random)
  }

  /** Rebuilds what is taken from the services there are. Before the first write, and now and then. */
  async repair(): Promise<void> {
    const held = new Map<string, ObjectKey>()
    const ports = new Map<number, ObjectKey>()
    const tell = ({ object, previous }: ObjectChange<Service>) => {
      if (previous) for (const address of addressesOf(previous)) held.delete(address)
      if (previous) for (const port of portsOf(previous)) ports.delete(port)
      if (!object) return
      for (const address of addressesOf(object)) held.set(address, keyOf(object))
      for (const port of portsOf(object)) if (this.#inRange(port)) ports.set(port, keyOf(object))
    }
    // For as long as the repair lasts.
    using following = new Following(this.#context.reader, { kind: Service, tell, glance: true })
    await following.load()
    await this.#ports.repair(ports)
    await this.#addresses.repair(held)
  }

  /** Repairs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, reader } = this.#context
    let changed = new AbortController()
    // Whoever changes such an object is no allocator: what that broke is not left for long.
    using _ = reader.onChange(IPAddress, ({ object, previous }) => object && previous && changed.abort(), { glance: true })
    while (!signal.aborted) {
      await clock.sleep(REPAIR_PERIOD_MS, AbortSignal.any([signal, changed.signal])).catch(() => {})
      if (changed.signal.aborted) await clock.sleep(GATHERING_MS, signal).catch(() => {})
      changed = new AbortController()
      if (signal.aborted) return
      await this.repair().catch((error: unknown) => this.#context.log.warn('service allocations not repaired', { error }))
    }
  }

  async begin(next: Service | undefined, previous: Service | undefined, { dryRun }: { dryRun: boolean }): Promise<WriteEffect> {
    const taking = new Taking()
    try {
      if (next?.spec) await this.#fill(next, previous, { dryRun, taking })
    } catch (error) {
      taking.undo()
      throw error
    }
    const released = () => {
      const keptAddresses = next ? addressesOf(next) : []
      const keptPorts = next ? portsOf(next) : new Set<number>()
      for (const address of previous ? addressesOf(previous) : []) if (!keptAddresses.includes(address)) this.#addresses.release(address)
      if (!previous) return
      for (const port of portsOf(previous)) if (!keptPorts.has(port)) this.#ports.release(port, keyOf(previous))
    }
    return { undo: () => taking.undo(), ...(dryRun ? {} : { commit: released }) }
  }

  async #fill(next: Service, previous: Service | undefined, options: Filling): Promise<void> {
    const spec = next.spec!
    const errors = settleFamilies(spec)
    refuse(next, errors)
    await this.#fillAddress(next, previous, options)
    await this.#fillPorts(next, previous, options)
    await this.#fillHealthPort(next, previous, options)
  }

  async #fillAddress(next: Service, previous: Service | undefined, { dryRun, taking }: Filling): Promise<void> {
    const spec = next.spec!
    if (spec.type === 'ExternalName' || spec.clusterIPs?.[0] === 'None' || spec.clusterIP === 'None') return
    const held = previous ? addressesOf(previous) : []
    const service = keyOf(next)
    const wanted = spec.clusterIPs?.[0] ?? ''
    if (wanted && held.includes(wanted)) return
    // An address may not change while the service has one: validation says so.
    if (held.length > 0) return
    try {
      if (wanted) await this.#addresses.take(wanted, service, { dryRun })
      const address = wanted || (await this.#addresses.takeAny(service, { dryRun }))
      if (!dryRun) taking.add(() => this.#addresses.release(address))
      if (wanted) return
      spec.clusterIP = address
      spec.clusterIPs = [address]
    } catch (error) {
      if (!(error instanceof AllocationError)) throw error
      if (wanted) refuse(next, [invalid('spec.clusterIPs', spec.clusterIPs, `failed to allocate IP ${wanted}: ${error.message}`)])
      throw new StatusError('InternalError', `Internal error occurred: failed to allocate a serviceIP: ${error.message}`, { cause: error })
    }
  }

  async #fillPorts(next: Service, previous: Service | undefined, { dryRun, taking }: Filling): Promise<void> {
    const { type, ports = [], allocateLoadBalancerNodePorts } = next.spec!
    if (type !== 'NodePort' && type !== 'LoadBalancer') return
    const all = type === 'NodePort' || allocateLoadBalancerNodePorts !== false
    const held = previous ? portsOf(previous) : new Set<number>()
    const filling = { service: keyOf(next), dryRun, taking }
    const errors: FieldError[] = []
    /** Ports that serve several protocols share one node port; so what this write took may be used again. */
    const own = new Set<number>(held)
    const byPort = new Map<number, { nodePort: number; protocols: Set<string> }>()
    const assign = (number: number, port: (typeof ports)[number]) => {
      const protocol = port.protocol ?? 'TCP'
      const sharing = byPort.get(port.port)
      if (sharing?.nodePort === number) sharing.protocols.add(protocol)
      else byPort.set(port.port, { nodePort: number, protocols: new Set([protocol]) })
      own.add(number)
    }
    for (const [i, port] of ports.entries()) {
      if (!port.nodePort) continue
      const why = own.has(port.nodePort) ? undefined : await this.#takePort(port.nodePort, filling)
      if (why) errors.push(invalid(`spec.ports[${i}].nodePort`, port.nodePort, why))
      else assign(port.nodePort, port)
    }
    refuse(next, errors)
    for (const port of ports) {
      if (port.nodePort || !all) continue
      const shared = byPort.get(port.port)
      port.nodePort = shared && !shared.protocols.has(port.protocol ?? 'TCP') ? shared.nodePort : await this.#takeAnyPort(filling)
      assign(port.nodePort, port)
    }
  }

  async #fillHealthPort(next: Service, previous: Service | undefined, options: Filling): Promise<void> {
    const spec = next.spec!
    const filling = { service: keyOf(next), ...options }
    if (spec.type !== 'LoadBalancer' || spec.externalTrafficPolicy !== 'Local') return
    if (!spec.healthCheckNodePort) spec.healthCheckNodePort = await this.#takeAnyPort(filling)
    else if (spec.healthCheckNodePort !== previous?.spec?.healthCheckNodePort) {
      const why = await this.#takePort(spec.healthCheckNodePort, filling)
      if (why)
        throw new StatusError(
          'InternalError',
          `Internal error occurred: failed to allocate requested HealthCheck NodePort ${spec.healthCheckNodePort}: ${why}`,
        )
    }
  }

  /** Why not, or undefined. */
  async #takePort(port: number, { service, dryRun, taking }: Filling & { service: ObjectKey }): Promise<string | undefined> {
    const { first, last } = this.#portRange
    if (!this.#inRange(port)) return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`
    if (!(await this.#ports.take(port, { service, dryRun }))) return 'provided port is already allocated'
    if (!dryRun) taking.add(() => this.#ports.release(port, service))
    return undefined
  }

  async #takeAnyPort({ service, dryRun, taking }: Filling & { service: ObjectKey }): Promise<number> {
    const port = await this.#ports.takeAny({ service, dryRun })
    if (port === undefined) throw new StatusError('InternalError', 'Internal error occurred: failed to allocate a nodePort: range is full')
    if (!dryRun) taking.add(() => this.#ports.release(port, service))
    return port
  }

  #inRange(port: number): boolean {
    return port >= this.#portRange.first && port <= this.#portRange.last
  }
}

interface Filling {
  dryRun: boolean
  taking: Taking
}

class Taking {
  #undo: (() => void)[] = []

  add(undo: () => void): void {
    this.#undo.push(undo)
  }

  undo(): void {
    for (const one of this.#undo.splice(0).reverse()) one()
  }
}

/** This cluster has one family. What needs two is refused by name; what merely prefers two gets one. */
function settleFamilies(spec: ServiceSpec): FieldError[] {
  if (spec.type === 'ExternalName') return []
  const errors: FieldError[] = []
  const headlessWithoutSelector = spec.clusterIPs?.[0] === 'None' && Object.keys(spec.selector ?? {}).length === 0
  if (headlessWithoutSelector) {
    // Whoever writes its endpoints decides their family.
    spec.ipFamilyPolicy ??= spec.ipFamilies?.length === 1 ? 'SingleStack' : 'RequireDualStack'
    if (!spec.ipFamilies?.length) spec.ipFamilies = ['IPv4']
    if (spec.ipFamilyPolicy !== 'SingleStack' && spec.ipFamilies.length === 1)
      spec.ipFamilies = [...spec.ipFamilies, spec.ipFamilies[0] === 'IPv4' ? 'IPv6' : 'IPv4']
    return errors
  }
  spec.ipFamilyPolicy ??= 'SingleStack'
  const wrong = spec.ipFamilies?.findIndex((family) => family === 'IPv6') ?? -1
  if (spec.ipFamilyPolicy === 'RequireDualStack')
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services'))
  else if (wrong >= 0) errors.push(invalid(`spec.ipFamilies[${wrong}]`, 'IPv6', 'not configured on this cluster'))
  if (!spec.ipFamilies?.length) spec.ipFamilies = ['IPv4']
  return errors
}

function addressesOf({ spec }: Service): string[] {
  if (spec?.type === 'ExternalName') return []
  const addresses = spec?.clusterIPs?.length ? spec.clusterIPs : spec?.clusterIP ? [spec.clusterIP] : []
  return addresses.filter((address) => address !== '' && address !== 'None')
}

function portsOf({ spec }: Service): Set<number> {
  const numbers = [...(spec?.ports ?? []).map(({ nodePort }) => nodePort), spec?.healthCheckNodePort]
  return new Set(numbers.filter((number): number is number => !!number))
}

function refuse(service: Service, errors: FieldError[]): void {
  if (errors.length > 0) throw invalidError(Service, service.metadata?.name ?? '', errors)
}
