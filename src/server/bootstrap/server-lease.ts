// This API server's own Lease in kube-system, renewed while it lives, and what the Leases of others say about who else does. Others are judged by
// how long their Lease has not changed, so that clocks need not agree. Leases nobody renewed for an hour are taken away.
import { createHash } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { hasReason } from '#api/status.ts'
import { HOSTNAME_LABEL } from '#api/well-known.ts'
import { formatMicroTime } from '#lib/clock.ts'
import type { ServerContext } from '#server/request.ts'

export interface ServerAddress {
  ip: string
  port: number
}

export interface ServerLeaseOptions extends ServerAddress {
  hostName: string
  /** Other API servers work on the same store. */
  shared: boolean
}

const SERVER_LEASE_LABEL = 'apiserver.kubernetes.io/identity'
const NAMESPACE = 'kube-system'
const COMPONENT = 'kube-apiserver'
const ADDRESS = 'server.sampan.dev/address'
const DURATION_SECONDS = 3600
/** A server whose Lease did not change for so long is taken to be gone, as upstream's lease of an endpoint. */
const SILENCE_MS = 15_000

interface Seen {
  renewTime: string | undefined
  atMs: number
}

export class ServerLease {
  readonly name: string
  readonly #context: ServerContext
  readonly #options: ServerLeaseOptions
  readonly #holder: string
  readonly #seen = new Map<string, Seen>()

  constructor(context: ServerContext, options: ServerLeaseOptions) {
    this.#context = context
    this.#options = options
    this.name = serverIdentity(options.hostName, options.port)
    this.#holder = `${this.name}_${context.random.uuid()}`
  }

  async renew(): Promise<void> {
    const { reader, writer, clock } = this.#context
    const { hostName, ip, port } = this.#options
    const key = { namespace: NAMESPACE, name: this.name }
    const apply = (lease: Lease) => {
      const labels = { ...lease.metadata?.labels, [SERVER_LEASE_LABEL]: COMPONENT, [HOSTNAME_LABEL]: hostName }
      const annotations = { ...lease.metadata?.annotations, [ADDRESS]: `${ip}:${port}` }
      lease.metadata = { ...lease.metadata, labels, annotations }
      lease.spec = { holderIdentity: this.#holder, leaseDurationSeconds: DURATION_SECONDS, renewTime: formatMicroTime(clock.now()) }
    }
    if (reader.get(Lease, key)) {
      await writer.modify(Lease, key, apply).catch((error: unknown) => {
        // Deleted just now: the next round makes it anew.
        if (!hasReason(error, 'NotFound')) throw error
      })
      return
    }
    const lease: Lease = { metadata: { ...key } }
    apply(lease)
    await writer.create(Lease, lease).catch((error: unknown) => {
      if (!hasReason(error, 'AlreadyExists')) throw error
    })
  }

  /** This server and every other that gave a sign of life lately, in an order that all of them agree on. */
  living(): ServerAddress[] {
    const { ip, port, shared } = this.#options
    const found = new Map([[`${ip}:${port}`, { ip, port }]])
    if (shared) {
      for (const lease of this.#leases()) {
        const text = lease.metadata?.annotations?.[ADDRESS] ?? ''
        const address = addressOf(text)
        if (address && this.#isHeard(lease)) found.set(text, address)
      }
    }
    return [...found.values()].toSorted((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port))
  }

  /** Takes away the Leases of servers that are long gone. */
  async collect(): Promise<void> {
    const { writer, clock, log } = this.#context
    for (const { metadata, spec } of Array.from(this.#leases())) {
      const renewed = spec?.renewTime ? Date.parse(spec.renewTime) : Number.NaN
      if (metadata?.name === this.name || renewed + (spec?.leaseDurationSeconds ?? 0) * 1000 >= clock.now()) continue
      const { name = '', resourceVersion = '' } = metadata ?? {}
      await writer
        .delete(Lease, { namespace: NAMESPACE, name }, { preconditions: { resourceVersion } })
        .catch((error: unknown) => void log.debug('a server lease is not collected', { name, error }))
    }
  }

  *#leases(): Iterable<Lease> {
    for (const lease of this.#context.reader.list(Lease, NAMESPACE))
      if (lease.metadata?.labels?.[SERVER_LEASE_LABEL] === COMPONENT) yield lease
  }

  #isHeard({ metadata, spec }: Lease): boolean {
    const { clock } = this.#context
    const name = metadata?.name ?? ''
    const seen = this.#seen.get(name)
    const renewTime = spec?.renewTime
    if (seen && seen.renewTime === renewTime) return clock.monotonic() - seen.atMs < SILENCE_MS
    // Seen for the first time, only the clocks tell; every later change is a sign of life, whatever they say.
    const silentMs = seen || !renewTime ? 0 : clock.now() - Date.parse(renewTime)
    const quietMs = renewTime ? Math.max(0, silentMs) : SILENCE_MS
    this.#seen.set(name, { renewTime, atMs: clock.monotonic() - quietMs })
    return quietMs < SILENCE_MS
  }
}

/** Upstream's name of an API server, with the port besides: several may share a machine. */
function serverIdentity(hostName: string, port: number): string {
  const hash = createHash('sha256')
  for (const part of [hostName, COMPONENT, String(port)]) {
    const bytes = Buffer.from(part)
    hash.update(Buffer.from([bytes.length >> 8, bytes.length & 255])).update(bytes)
  }
  return `apiserver-${base32(hash.digest().subarray(0, 16))}`
}

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const digits = bits.match(/.{1,5}/g) ?? []
  return digits.map((five) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(five.padEnd(5, '0'), 2)]).join('')
}

/** Anyone who may write Leases may write this one: only an address passes. */
function addressOf(text: string): ServerAddress | undefined {
  const [ip = '', digits = '', ...rest] = text.split(':')
  const port = Number(digits)
  return rest.length === 0 && isIPv4(ip) && Number.isInteger(port) && port > 0 && port < 65_536 ? { ip, port } : undefined
}
