// Services and EndpointSlices as the name lookup wants them, indexed as they change.
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { SERVICE_NAME_LABEL } from '#api/well-known.ts'
import type { Informers } from '#client/informer.ts'
import { dashed, type ServiceSource } from './records.ts'

export class IndexedServices implements ServiceSource, Disposable {
  readonly #informers: Informers
  readonly #slices = new Map<string, Map<string, EndpointSlice>>()
  readonly #serviceOfAddress = new Map<string, { namespace: string; service: string }>()
  readonly #subscriptions = new DisposableStack()

  constructor(informers: Informers) {
    this.#informers = informers
  }

  async start(): Promise<void> {
    const services = this.#informers.of(Service)
    const slices = this.#informers.of(EndpointSlice)
    const namespaces = this.#informers.of(Namespace)
    this.#subscriptions.use(services.subscribe((change) => this.#serviceChanged(change)))
    this.#subscriptions.use(slices.subscribe((change) => this.#sliceChanged(change)))
    await Promise.all([services.synced(), slices.synced(), namespaces.synced()])
  }

  service(namespace: string, name: string): Service | undefined {
    return this.#informers.of(Service).get({ namespace, name })
  }

  slices(namespace: string, service: string): EndpointSlice[] {
    return [...(this.#slices.get(`${namespace}/${service}`)?.values() ?? [])]
  }

  hasNamespace(namespace: string): boolean {
    return this.#informers.of(Namespace).get({ name: namespace }) !== undefined
  }

  nameOfAddress(address: string): { namespace: string; service: string; hostname?: string } | undefined {
    const service = this.#serviceOfAddress.get(address)
    if (service) return service
    // Reverse lookups of pods are rare: a walk is cheaper than an index kept for every endpoint.
    for (const [key, slices] of this.#slices) {
      const [namespace = '', name = ''] = key.split('/')
      if (this.service(namespace, name)?.spec?.clusterIP !== 'None') continue
      for (const slice of slices.values()) {
        const endpoint = slice.endpoints?.find(({ addresses }) => addresses.includes(address))
        if (endpoint) return { namespace, service: name, hostname: endpoint.hostname ?? dashed(address) }
      }
    }
    return undefined
  }

  [Symbol.dispose](): void {
    this.#subscriptions.dispose()
  }

  #serviceChanged({ object, previous }: { object?: Service; previous?: Service }): void {
    for (const address of previous?.spec?.clusterIPs ?? []) this.#serviceOfAddress.delete(address)
    const { namespace = '', name = '' } = object?.metadata ?? {}
    for (const address of object?.spec?.clusterIPs ?? [])
      if (address !== 'None') this.#serviceOfAddress.set(address, { namespace, service: name })
  }

  #sliceChanged({ object, previous }: { object?: EndpointSlice; previous?: EndpointSlice }): void {
    const { namespace, name = '', labels } = (object ?? previous)!.metadata!
    const service = labels?.[SERVICE_NAME_LABEL]
    if (!service) return
    const key = `${namespace}/${service}`
    const own = this.#slices.get(key) ?? new Map<string, EndpointSlice>()
    if (object) own.set(name, object)
    else own.delete(name)
    if (own.size > 0) this.#slices.set(key, own)
    else this.#slices.delete(key)
  }
}
