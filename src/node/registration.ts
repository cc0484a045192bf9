// Keeps the node's object in the API: made or adopted at start, its status looked at every ten seconds and written when it has changed or
// five minutes have passed, its lease renewed. A node that stops leaves its object behind: the cluster notices by the lease.
import { conditionOf } from '#api/conditions.ts'
import type { Node as ApiNode, NodeStatus, Taint } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Service } from '#lib/service.ts'
import { ensureCsiNode } from './csi-node.ts'
import { LEASE_PERIOD_MS, NodeLease } from './lease.ts'
import { statusChanged } from './node-status.ts'

const STATUS_PERIOD_MS = 10_000
const REPORT_PERIOD_MS = 5 * 60_000
const RETRY_MS = 200

export interface RegistrationOptions {
  name: string
  client: Client
  clock: Clock
  log: Logger
  events: EventRecorder
  labels: Record<string, string>
  annotations?: Record<string, string>
  taints?: readonly Taint[]
  podCidr?: string
  status(previous: NodeStatus): Promise<NodeStatus>
}

export interface Registration extends Service {
  /** The node as last written or read. */
  node(): ApiNode | undefined
  /** Looks again now. */
  refresh(): Promise<void>
}

export function createRegistration(options: RegistrationOptions): Registration {
  return new NodeRegistration(options)
}

class NodeRegistration implements Registration {
  readonly name: string
  readonly #options: RegistrationOptions
  readonly #lease: NodeLease
  #current: ApiNode | undefined
  #reportedAt = -Infinity
  #looking: Promise<void> | undefined

  constructor(options: RegistrationOptions) {
    const { name, client, clock } = options
    this.name = `node ${name}`
    this.#options = options
    this.#lease = new NodeLease({ client, clock, node: name })
  }

  node(): ApiNode | undefined {
    return this.#current
  }

  refresh(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async start(signal: AbortSignal): Promise<AsyncDisposable> {
    const { name, events, clock } = this.#options
    events.event(reference(name), 'Normal', 'Starting', 'Starting kubelet.')
    await this.#register(signal)
    const renew = () => this.#attempt('renew the lease', () => this.#lease.renew(this.#current?.metadata?.uid))
    renew()
    using starting = new DisposableStack()
    starting.use(clock.every(STATUS_PERIOD_MS, () => this.#attempt('update the node status', () => this.refresh())))
    starting.use(clock.every(LEASE_PERIOD_MS, renew))
    const running = starting.move()
    return { [Symbol.asyncDispose]: async () => running.dispose() }
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { name, log, clock } = this.#options
    for (;;) {
      try {
        return await this.refresh()
      } catch (error) {
        signal.throwIfAborted()
        log.warn('could not register the node', { node: name, error })
        await clock.sleep(RETRY_MS, signal)
      }
    }
  }

  async #look(): Promise<void> {
    const { name, client, clock } = this.#options
    if (!this.#current) {
      this.#current = await register(this.#options)
      const { uid = '' } = this.#current.metadata ?? {}
      this.#attempt('make the CSI node', () => ensureCsiNode(client, { name, uid }))
    }
    const previous = this.#current.status ?? {}
    const status = await this.#options.status(previous)
    if (!statusChanged(status, previous) && clock.monotonic() - this.#reportedAt < REPORT_PERIOD_MS) return
    const patch = { status: withReplacedAddresses(status) }
    try {
      this.#current = await client.patch(Node, { name }, { type: 'strategic', patch }, { subresource: 'status' })
    } catch (error) {
      // Deleted behind our back: made anew at the next look.
      if (hasReason(error, 'NotFound')) this.#current = undefined
      throw error
    }
    this.#reportedAt = clock.monotonic()
    announce(this.#options, { previous, next: status })
  }

  #attempt(what: string, work: () => Promise<void>): void {
    const { name, log } = this.#options
    void work().catch((error: unknown) => log.warn(`could not ${what}`, { node: name, error }))
  }
}

/** Makes the node's object, or takes over the one that is there. */
async function register({ name, client, labels, annotations, taints, podCidr }: RegistrationOptions): Promise<ApiNode> {
  const existing = await client.get(Node, { name }).catch(ignoreNotFound)
  const cidr = podCidr && !existing?.spec?.podCIDR ? { podCIDR: podCidr, podCIDRs: [podCidr] } : {}
  if (existing) {
    const missing = Object.entries(labels).some(([key, value]) => existing.metadata?.labels?.[key] !== value)
    if (!missing && Object.keys(cidr).length === 0) return existing
    return client.patch(Node, { name }, { type: 'strategic', patch: { metadata: { labels }, ...(cidr.podCIDR ? { spec: cidr } : {}) } })
  }
  return client.create(Node, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels, ...(annotations ? { annotations } : {}) },
    spec: { ...cidr, ...(taints && taints.length > 0 ? { taints: [...taints] } : {}) },
  })
}

/** Addresses merge by type in a strategic patch, which cannot drop one: all are replaced. */
function withReplacedAddresses(status: NodeStatus): Record<string, unknown> {
  return { ...status, addresses: [...(status.addresses ?? []), { $patch: 'replace' }] }
}

const CHANGES: Record<string, [whenTrue: string, whenFalse: string]> = {
  MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
  DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
  PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
  Ready: ['NodeReady', 'NodeNotReady'],
}

function announce({ events, name }: RegistrationOptions, { previous, next }: { previous: NodeStatus; next: NodeStatus }): void {
  for (const { type, status } of next.conditions ?? []) {
    if (conditionOf(previous.conditions, type)?.status === status) continue
    const reason = CHANGES[type]?.[status === 'True' ? 0 : 1]
    if (reason) events.event(reference(name), 'Normal', reason, `Node ${name} status is now: ${reason}`)
  }
}

/** Events about nodes carry the name as uid, as the kubelet's do. */
function reference(name: string): ApiNode {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name } }
}
