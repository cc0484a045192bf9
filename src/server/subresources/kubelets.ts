// Where the kubelet of a node is reached, and with which credentials. Simulated nodes have none: nobody is dialled at their made-up addresses.
import { Agent, type AgentOptions } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { Node } from '#api/kinds/core/node.ts'
import { notFoundError, StatusError } from '#api/status.ts'
import type { Address } from '#lib/dial-error.ts'
import { isSimulated } from '#server/metrics-api/simulated-usage.ts'
import type { ObjectReader } from '#server/request.ts'

export interface KubeletCredentials {
  /** PEM of the authority that signed the kubelets' serving certificates. */
  authority: string
  certificate: string
  key: string
}

const DEFAULT_PORT = 10250
const PREFERRED = ['InternalIP', 'ExternalIP', 'Hostname']
const CONNECTIONS_PER_NODE = 256

export class Kubelets implements Disposable {
  readonly #reader: ObjectReader
  readonly #tls: ConnectionOptions
  readonly agent: Agent

  constructor(reader: ObjectReader, { authority, certificate, key }: KubeletCredentials) {
    this.#reader = reader
    this.#tls = { ca: authority, cert: certificate, key, minVersion: 'TLSv1.2' }
    this.agent = new Agent({ ...this.#tls, keepAlive: true, maxSockets: CONNECTIONS_PER_NODE } as AgentOptions)
  }

  get tls(): ConnectionOptions {
    return this.#tls
  }

  address(nodeName: string): Address {
    const node = this.#reader.get(Node, { name: nodeName })
    if (!node) throw notFoundError(Node, nodeName)
    this.assertReal(nodeName)
    const addresses = node.status?.addresses ?? []
    const host = PREFERRED.map((type) => addresses.find((one) => one.type === type)?.address).find(Boolean)
    if (!host)
      throw new StatusError('', `no preferred addresses found; known addresses: [${addresses.map(({ address }) => address).join(' ')}]`)
    return { host, port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || DEFAULT_PORT }
  }

  /** Throws StatusError BadRequest: nobody is at the addresses of a simulated node's pods, or somebody else is. */
  assertReal(nodeName: string | undefined): void {
    if (!this.isSimulated(nodeName)) return
    throw new StatusError(
      'BadRequest',
      `node "${nodeName}" is simulated: it runs no containers, so there is nothing to read of them or to connect to`,
    )
  }

  isSimulated(nodeName: string | undefined): boolean {
    return nodeName !== undefined && isSimulated(this.#reader.get(Node, { name: nodeName }))
  }

  [Symbol.dispose](): void {
    this.agent.destroy()
  }
}
