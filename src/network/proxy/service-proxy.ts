// Keeps the node's rules in step with Services, EndpointSlices and the host ports of this node's pods. Changes are gathered for a moment and
// applied in one transaction; only what changed is computed anew.
import { isFinished } from '#api/finished-pod.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service as ServiceKind } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { keyOf, keyText } from '#api/object.ts'
import { SERVICE_NAME_LABEL } from '#api/well-known.ts'
import type { Informers } from '#client/informer.ts'
import type { Clock, Timer } from '#lib/clock.ts'
import type { Commands } from '#lib/commands.ts'
import type { Logger } from '#lib/log.ts'
import type { Service } from '#lib/service.ts'
import { type ProxiedPort, proxiedPorts } from './model.ts'
import { NftTable, type TableNetwork } from './nft.ts'
import { type HostPort, ruleSetOf } from './rules.ts'
import { staleHostPortFlows, staleServiceFlows, type UdpFlow } from './udp-flows.ts'

export interface ServiceProxyOptions {
  nodeName: string
  informers: Informers
  commands: Commands
  clock: Clock
  log: Logger
  network: TableNetwork
}

/** Long enough to gather a burst, short enough not to be felt. */
const GATHER_MS = 10
const RETRY_MS = 1000

export function createServiceProxy(options: ServiceProxyOptions): Service {
  return {
    name: 'service proxy',
    async start() {
      const proxy = new ServiceProxy(options)
      await proxy.start()
      return { [Symbol.asyncDispose]: () => proxy.stop() }
    },
  }
}

class ServiceProxy {
  readonly #options: ServiceProxyOptions
  readonly #table: NftTable
  readonly #subscriptions = new DisposableStack()
  /** Slices by `namespace/service`, and the ports computed from them. */
  readonly #slices = new Map<string, Map<string, EndpointSlice>>()
  readonly #ports = new Map<string, ProxiedPort[]>()
  readonly #hostPorts = new Map<string, HostPort[]>()
  readonly #stale = new Map<string, UdpFlow>()
  #timer: Timer | undefined
  #syncing: Promise<void> | undefined
  #dirty = false
  #stopped = false

  constructor(options: ServiceProxyOptions) {
    this.#options = options
    this.#table = new NftTable(options.commands, options.network)
  }

  async start(): Promise<void> {
    const { informers } = this.#options
    const services = informers.of(ServiceKind)
    const slices = informers.of(EndpointSlice)
    const pods = informers.of(Pod)
    this.#subscriptions.use(services.subscribe(({ object, previous }) => this.#serviceChanged(keyText(keyOf((object ?? previous)!)))))
    this.#subscriptions.use(slices.subscribe((change) => this.#sliceChanged(change)))
    this.#subscriptions.use(pods.subscribe((change) => this.#podChanged(change)))
    await Promise.all([this.#table.create(), services.synced(), slices.synced(), pods.synced()])
    // What an earlier life of this process set up still goes where it should.
    this.#stale.clear()
    await this.#sync()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#subscriptions.dispose()
    this.#timer?.cancel()
    await this.#syncing
    await this.#table.remove()
  }

  #serviceChanged(key: string): void {
    const service = this.#options.informers.of(ServiceKind).get(splitKey(key))
    const ports = service ? proxiedPorts(service, [...(this.#slices.get(key)?.values() ?? [])], this.#options.nodeName) : []
    this.#forget(staleServiceFlows(this.#ports.get(key) ?? [], ports))
    if (ports.length > 0) this.#ports.set(key, ports)
    else this.#ports.delete(key)
    this.#schedule()
  }

  #sliceChanged({ object, previous }: { object?: EndpointSlice; previous?: EndpointSlice }): void {
    const slice = (object ?? previous)!
    const name = slice.metadata?.labels?.[SERVICE_NAME_LABEL]
    if (!name) return
    const key = `${slice.metadata?.namespace}/${name}`
    const own = this.#slices.get(key) ?? new Map<string, EndpointSlice>()
    if (object) own.set(slice.metadata!.name!, object)
    else own.delete(slice.metadata!.name!)
    if (own.size > 0) this.#slices.set(key, own)
    else this.#slices.delete(key)
    this.#serviceChanged(key)
  }

  #podChanged({ object, previous }: { object?: Pod; previous?: Pod }): void {
    const pod = (object ?? previous)!
    if (pod.spec?.nodeName !== this.#options.nodeName) return
    const uid = pod.metadata!.uid!
    const wanted = object ? hostPortsOf(object) : []
    if (wanted.length === 0 && !this.#hostPorts.has(uid)) return
    this.#forget(staleHostPortFlows(this.#hostPorts.get(uid) ?? [], wanted))
    if (wanted.length > 0) this.#hostPorts.set(uid, wanted)
    else this.#hostPorts.delete(uid)
    this.#schedule()
  }

  #schedule(delayMs = GATHER_MS): void {
    this.#dirty = true
    if (this.#timer || this.#syncing || this.#stopped) return
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined
      void this.#sync()
    })
  }

  #sync(): Promise<void> {
    this.#syncing ??= this.#apply().finally(() => {
      this.#syncing = undefined
      if (this.#dirty) this.#schedule()
    })
    return this.#syncing
  }

  async #apply(): Promise<void> {
    this.#dirty = false
    const stale = new Map(this.#stale)
    this.#stale.clear()
    try {
      await this.#table.apply(
        ruleSetOf([...this.#ports.values()].flat(), [...this.#hostPorts.values()].flat(), this.#options.network.podCidr),
      )
      await this.#forgetFlows(stale)
    } catch (error) {
      this.#options.log.error('service rules were not applied; trying again', { error })
      for (const [text, flow] of stale) this.#stale.set(text, flow)
      await this.#options.clock.sleep(RETRY_MS)
      this.#dirty = true
    }
  }

  #forget(flows: readonly UdpFlow[]): void {
    for (const flow of flows) this.#stale.set(flow.join(' '), flow)
  }

  /** Only after the rules have changed: a packet in between would bring the flow back. */
  async #forgetFlows(flows: ReadonlyMap<string, UdpFlow>): Promise<void> {
    for (const flow of flows.values()) {
      await this.#options.commands.run(['conntrack', '--delete', '--proto', 'udp', ...flow]).catch((error: unknown) => {
        this.#options.log.warn('stale UDP connections were not cleared', { error })
      })
    }
  }
}

function hostPortsOf(pod: Pod): HostPort[] {
  const ip = pod.status?.podIP
  if (!ip || pod.spec?.hostNetwork || isFinished(pod)) return []
  return [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].flatMap(({ ports }) =>
    (ports ?? []).flatMap(({ hostPort, hostIP, containerPort, protocol = 'TCP' }) =>
      hostPort
        ? [
            {
              protocol: protocol.toLowerCase() as HostPort['protocol'],
              hostPort,
              ...(hostIP ? { hostIp: hostIP } : {}),
              ip,
              port: containerPort,
            },
          ]
        : [],
    ),
  )
}

function splitKey(key: string): { namespace: string; name: string } {
  const [namespace = '', name = ''] = key.split('/')
  return { namespace, name }
}
