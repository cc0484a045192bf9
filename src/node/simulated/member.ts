// One simulated node: joins the cluster, keeps its lease and tells its conditions anew, as its annotations say.
import type { Node as ApiNode } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { KUBERNETES_VERSION } from '#api/kubernetes-version.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import { type Clock, formatTime } from '#lib/clock.ts'
import { ensureCsiNode } from '#node/csi-node.ts'
import { NodeLease } from '#node/lease.ts'
import { nodeLabels, nodeStatus } from '#node/node-status.ts'
import { nodeAddressOf, subnetOf } from './addresses.ts'
import { type NodeState, stateOf } from './node-state.ts'

export interface MemberOptions {
  client: Client
  informers: Informers
  clock: Clock
  capacity?: Record<string, string>
  labels?(ordinal: number): Record<string, string>
}

export const CAPACITY = { cpu: '32', memory: '256Gi', 'ephemeral-storage': '1Ti', pods: '110' }
/** A kubelet of whose node nothing has changed says so this often. */
const REPORT_MS = 5 * 60_000
const CONDITIONS: ReadonlySet<string> = new Set(['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'])
const INFO = {
  architecture: 'amd64',
  bootID: '',
  containerRuntimeVersion: 'simulated://1',
  kernelVersion: 'simulated',
  kubeProxyVersion: '',
  kubeletVersion: KUBERNETES_VERSION,
  machineID: '',
  operatingSystem: 'linux',
  osImage: 'Simulated',
  systemUUID: '',
}

export class Member {
  readonly name: string
  /** Of its subnet and address; set before it joins. */
  number: number
  state: NodeState = stateOf(undefined)
  /** What it publishes, as its annotation says. */
  devices = ''
  readonly #options: MemberOptions
  readonly #ordinal: number
  readonly #lease: NodeLease
  #uid: string | undefined
  /** When its conditions are told anew. */
  #reportAtMs: number

  /** `phase`, from 0 to 1: not all of a fleet report at once, though they begin together. */
  constructor(name: string, { ordinal, number, phase }: { ordinal: number; number: number; phase: number }, options: MemberOptions) {
    this.name = name
    this.number = number
    this.#options = options
    this.#ordinal = ordinal
    this.#lease = new NodeLease({ client: options.client, clock: options.clock, node: name })
    this.#reportAtMs = options.clock.monotonic() + REPORT_MS * (0.5 + phase)
  }

  get ip(): string {
    return nodeAddressOf(this.number)
  }

  get podCidr(): string {
    return subnetOf(this.number)
  }

  /** Joined, and heard of. */
  get alive(): boolean {
    return this.#uid !== undefined && !this.state.lost
  }

  get reportIsDue(): boolean {
    return this.#options.clock.monotonic() >= this.#reportAtMs
  }

  async join(): Promise<void> {
    const { client } = this.#options
    const { name } = this
    const present = await client.get(Node, { name }).catch(ignoreNotFound)
    const node = present ?? (await this.#create())
    this.#uid = node.metadata?.uid
    this.state = stateOf(node)
    if (this.state.lost) return
    if (present) await this.tellStatus(present)
    await this.#lease.renew(this.#uid)
    if (this.#uid) await ensureCsiNode(client, { name, uid: this.#uid })
  }

  /** `node`: as it is now. */
  async tellStatus(node: ApiNode): Promise<void> {
    const patch = { status: this.#status(node) }
    await this.#options.client.patch(Node, { name: this.name }, { type: 'strategic', patch }, { subresource: 'status' })
  }

  /** Its conditions stand, whoever set them. */
  async report(): Promise<void> {
    const { client, clock, informers } = this.#options
    const { name } = this
    this.#reportAtMs = clock.monotonic() + REPORT_MS
    const lastHeartbeatTime = formatTime(clock.now())
    const { conditions = [] } = informers.of(Node).get({ name })?.status ?? {}
    const own = conditions.filter(({ type }) => CONDITIONS.has(type))
    if (own.length === 0) return
    const patch = { status: { conditions: own.map(({ type }) => ({ type, lastHeartbeatTime })) } }
    await client.patch(Node, { name }, { type: 'strategic', patch }, { subresource: 'status' }).catch(ignoreNotFound)
  }

  renew(): Promise<void> {
    return this.#lease.renew(this.#uid)
  }

  #create(): Promise<ApiNode> {
    const { name, podCidr: podCIDR } = this
    const labels = {
      ...nodeLabels(name, INFO.architecture),
      'node.sampan.dev/simulated': 'true',
      ...this.#options.labels?.(this.#ordinal),
    }
    const spec = { podCIDR, podCIDRs: [podCIDR] }
    return this.#options.client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec, status: this.#status() })
  }

  #status(node?: ApiNode) {
    const { capacity = CAPACITY, clock } = this.#options
    return nodeStatus({
      name: this.name,
      addresses: [
        { type: 'InternalIP', address: this.ip },
        { type: 'Hostname', address: this.name },
      ],
      capacity,
      allocatable: capacity,
      info: INFO,
      kubeletPort: 0,
      images: [],
      pressure: this.state.pressure,
      ...(this.state.notReady ? { notReady: 'the annotation sampan.dev/node-state says so' } : {}),
      now: clock.now(),
      previous: node?.status ?? {},
    })
  }
}
