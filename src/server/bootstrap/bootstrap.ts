// Brings the objects every cluster begins with into being, and back when something of them is missing. Compares in memory and writes only
// differences, so that a second start writes nothing.
import { clone } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import type { Kind } from '#api/kind.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { FlowSchema } from '#api/kinds/flowcontrol/flow-schema.ts'
import { PriorityLevelConfiguration } from '#api/kinds/flowcontrol/priority-level-configuration.ts'
import { keyOf, type KubeObject } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import { decodeInto } from '#api/schema/decode.ts'
import { SERVICE_NAME_LABEL } from '#api/well-known.ts'
import type { ServerContext } from '#server/request.ts'
import type { Desired } from './desired.ts'
import { flowControl, isLeftover } from './flow-control.ts'
import { defaultBindings, defaultRoles } from './rbac.ts'
import { ServerLease } from './server-lease.ts'
import { configMaps, namespaces, priorityClasses, services, type SystemOptions } from './system-objects.ts'

export interface BootstrapOptions extends Omit<SystemOptions, 'now' | 'servers'> {
  /** Of the machine this API server runs on. */
  hostName: string
  /** Other API servers work on the same store. */
  shared: boolean
  /** Answers nobody from outside this process: there is no server to be found by its Lease. */
  private?: boolean
}

/** As upstream looks after the API server's own service. */
const KEEP_PERIOD_MS = 10_000
/** Every so many rounds also the objects of priority and fairness: once a minute. */
const FLOW_CONTROL_ROUNDS = 6
/** Leases of servers that are gone are looked for once an hour. */
const COLLECT_ROUNDS = 360
/** What slices of further ports are called. */
const FURTHER_SLICE = /^kubernetes-\d+$/

/** How many objects were written. */
export async function bootstrap(context: ServerContext, options: BootstrapOptions, signal: AbortSignal): Promise<number> {
  const system = { ...options, servers: leaseOf(context, options).living(), now: context.clock.now() }
  const ensureAll = async (group: readonly Desired[]) => Promise.all(group.map((desired) => ensure(context, desired)))
  let written = 0
  const independent = [...priorityClasses(), ...defaultRoles(), ...defaultBindings(), ...flowControl(), ...configMaps(system)]
  for (const group of [namespaces(), independent, ...services(system).map((one) => [one])]) {
    signal.throwIfAborted()
    written += (await ensureAll(group)).filter(Boolean).length
  }
  return written + (await removeLeftovers(context, flowControl()))
}

/** Flow schemas first: they name priority levels. */
async function removeLeftovers({ reader, writer, log }: ServerContext, desired: readonly Desired[]): Promise<number> {
  let removed = 0
  for (const kind of [FlowSchema, PriorityLevelConfiguration] as readonly Kind<any>[]) {
    const defaults = desired.filter((one) => one.kind === kind)
    for (const object of Array.from(reader.list(kind) as Iterable<KubeObject>)) {
      if (!isLeftover(object, defaults)) continue
      const { name = '', uid } = object.metadata ?? {}
      await writer.delete(kind, { name }, uid === undefined ? {} : { preconditions: { uid } }).then(
        () => removed++,
        (error: unknown) => void log.debug('a default of another version is not removed', { kind: kind.kind, name, error }),
      )
    }
  }
  return removed
}

/** Brings back what clients may take away but the cluster cannot do without: its namespaces, where the API server and DNS are found, whom extension servers believe. */
export async function keep(context: ServerContext, options: BootstrapOptions, signal: AbortSignal): Promise<void> {
  const lease = leaseOf(context, options)
  const { log } = context
  const renew = async () => {
    if (!options.private) await lease.renew().catch((error: unknown) => log.warn('the lease of this server is not renewed', { error }))
  }
  await renew()
  const [always, flow] = [namespaces(), flowControl()]
  const read = configMaps({ ...options, servers: [], now: context.clock.now() })
  using changes = new Changes(context.reader)
  /** What was found right is right until something of its kind changes: then it had changed so often. */
  const right = new WeakMap<Desired, number>()
  let system = { servers: '', desired: [] as Desired[] }
  /** The same as long as the same servers live. */
  const systemServices = () => {
    const living = lease.living()
    const servers = JSON.stringify(living)
    if (servers !== system.servers) system = { servers, desired: services({ ...options, servers: living, now: context.clock.now() }) }
    return system.desired
  }
  for (let round = 1; !signal.aborted; round++) {
    await context.clock.sleep(KEEP_PERIOD_MS, signal).catch(() => {})
    if (signal.aborted) return
    await renew()
    if (round % COLLECT_ROUNDS === 0) await lease.collect()
    const wanted = systemServices()
    for (const desired of [...always, ...wanted, ...read, ...(round % FLOW_CONTROL_ROUNDS === 0 ? flow : [])]) {
      if (signal.aborted) return
      const changed = changes.of(desired.kind)
      if (right.get(desired) === changed) continue
      const written = await ensure(context, desired).catch((error: unknown) => {
        log.warn('a system object is not restored', { kind: desired.kind.kind, name: desired.object.metadata?.name, error })
        return true
      })
      if (!written) right.set(desired, changed)
    }
    if (round % FLOW_CONTROL_ROUNDS === 0) await removeLeftovers(context, flow)
    if (options.shared) await removeSlices(context, wanted)
  }
}

/** How often objects of a kind have changed since somebody first asked. */
class Changes {
  readonly #reader: ServerContext['reader']
  readonly #counts = new Map<Kind<any>, number>()
  readonly #following: Disposable[] = []

  constructor(reader: ServerContext['reader']) {
    this.#reader = reader
  }

  of(kind: Kind<any>): number {
    const count = this.#counts.get(kind)
    if (count !== undefined) return count
    this.#counts.set(kind, 0)
    this.#following.push(this.#reader.onChange(kind, () => void this.#counts.set(kind, this.#counts.get(kind)! + 1)))
    return 0
  }

  [Symbol.dispose](): void {
    for (const one of this.#following) one[Symbol.dispose]()
  }
}

function leaseOf(context: ServerContext, { hostName, shared, advertiseAddress: ip, port }: BootstrapOptions): ServerLease {
  return new ServerLease(context, { hostName, shared, ip, port })
}

/** Slices of ports no living server has. */
async function removeSlices({ reader, writer, log }: ServerContext, wanted: readonly Desired[]): Promise<void> {
  const names = new Set(wanted.filter(({ kind }) => kind === EndpointSlice).map(({ object }) => object.metadata?.name))
  for (const { metadata } of Array.from(reader.list(EndpointSlice, 'default'))) {
    const { name = '', labels } = metadata ?? {}
    if (names.has(name) || !FURTHER_SLICE.test(name) || labels?.[SERVICE_NAME_LABEL] !== 'kubernetes') continue
    await writer
      .delete(EndpointSlice, { namespace: 'default', name })
      .catch((error: unknown) => void log.debug('the slice of a server that is gone is not removed', { name, error }))
  }
}

async function ensure(
  { reader, writer, clock }: ServerContext,
  { kind, object, reconcile, isReplaced, status }: Desired,
): Promise<boolean> {
  const key = keyOf(object)
  let present = reader.get(kind, key)
  if (present && isReplaced?.(present, object)) {
    const { uid } = present.metadata ?? {}
    await writer.delete(kind, key, uid === undefined ? {} : { preconditions: { uid } }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound')) throw error
    })
    present = undefined
  }
  if (!present) {
    try {
      await writer.create(kind, clone(object))
      if (status) await writer.modify(kind, key, (created) => status(created, clock.now()), { subresource: 'status' })
      return true
    } catch (error) {
      if (hasReason(error, 'AlreadyExists')) return false
      throw error
    }
  }
  if (!reconcile) return false
  const wanted = clone(present)
  reconcile(wanted, object)
  if (equal(wanted, present)) return false
  // Zeros and nulls that go or come as it is kept are no difference.
  decodeInto(wanted, kind.schema)
  if (equal(wanted, present)) return false
  await writer.modify(kind, key, (current) => reconcile(current, object))
  return true
}
