// The cluster's DNS server: UDP and TCP on one address; names of the zone are answered from memory, everything else is forwarded to the
// node's own resolvers. Bounded: message size, TCP connections, forwarded questions in flight.
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { AUTHORITATIVE_ANSWER, type Answer, decode, encode, type Packet, RECURSION_AVAILABLE, TRUNCATED_RESPONSE } from 'dns-packet'
import type { Informers } from '#client/informer.ts'
import type { Logger } from '#lib/log.ts'
import type { Service } from '#lib/service.ts'
import type { Forwarder } from './forwarder.ts'
import { lookUp, type ServiceSource, TTL_SECONDS } from './records.ts'
import { IndexedServices } from './source.ts'

export interface DnsOptions {
  informers: Informers
  /** Where to listen; port 0 is for tests. */
  address: string
  port?: number
  /** The cluster's domain, e.g. cluster.local. */
  zone: string
  forwarder: Forwarder
  log: Logger
}

const MOST_CONNECTIONS = 512
const TCP_IDLE_MS = 10_000
const LARGEST_QUESTION = 4096
const PLAIN_UDP_SIZE = 512
const LARGEST_UDP_SIZE = 4096
const NXDOMAIN = 3
const SERVFAIL = 2
const FORMERR = 1
const NOTIMP = 4

export function createDns(options: DnsOptions): Service & { port(): number } {
  let bound = 0
  return {
    name: 'cluster dns',
    port: () => bound,
    async start() {
      await using running = new AsyncDisposableStack()
      const source = running.use(new IndexedServices(options.informers))
      await source.start()
      const resolver = new Resolver(source, options)
      const connections = new Set<Socket>()
      const tcp = createServer((socket) => {
        connections.add(socket)
        socket.once('close', () => connections.delete(socket))
        serveTcp(socket, resolver)
      })
      tcp.maxConnections = MOST_CONNECTIONS
      await listenTcp(tcp, options)
      running.defer(() => closeTcp(tcp, connections))
      bound = (tcp.address() as { port: number }).port
      const udp = createSocket('udp4')
      running.defer(() => void udp.close())
      serveUdp(udp, resolver)
      udp.bind(bound, options.address)
      await once(udp, 'listening')
      udp.unref()
      return running.move()
    },
  }
}

class Resolver {
  readonly #source: ServiceSource
  readonly #options: DnsOptions

  constructor(source: ServiceSource, options: DnsOptions) {
    this.#source = source
    this.#options = options
  }

  /** The answer's bytes, or undefined for what deserves none. */
  async answer(message: Buffer, limit: number): Promise<Buffer | undefined> {
    let query: Packet
    try {
      query = decode(message)
    } catch {
      return message.length >= 2 ? encode({ type: 'response', id: message.readUInt16BE(0), flags: FORMERR, questions: [] }) : undefined
    }
    if (query.type !== 'query') return undefined
    const question = query.questions?.[0]
    if (!question || query.questions!.length !== 1) return encode(respond(query, { flags: FORMERR }))
    if ((query as { opcode?: string }).opcode !== 'QUERY') return encode(respond(query, { flags: NOTIMP }))
    const name = question.name.toLowerCase().replace(/\.$/, '')
    const { zone, forwarder } = this.#options
    const inZone = name === zone || name.endsWith(`.${zone}`)
    const reverseOfOurs = name.endsWith('.in-addr.arpa') && lookUp(this.#source, { name, type: 'PTR', zone }).exists
    if (!inZone && !reverseOfOurs) {
      return (await forwarder.forward(message)) ?? encode(respond(query, { flags: SERVFAIL | RECURSION_AVAILABLE }))
    }
    const { exists, answers, additionals } = lookUp(this.#source, { name, type: question.type, zone })
    const spelled = (records: Answer[]) => records.map((record) => (record.name === name ? { ...record, name: question.name } : record))
    const alias = answers.find(({ type }) => type === 'CNAME')
    const chased = alias && question.type !== 'CNAME' ? await this.#chase(String((alias as { data: unknown }).data), question.type) : []
    const packet = respond(query, {
      flags: AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | (exists ? 0 : NXDOMAIN),
      answers: [...spelled(answers), ...chased],
      additionals,
      ...(answers.length === 0 ? { authorities: [soa(zone)] } : {}),
    })
    return fit(packet, limit)
  }

  /** What an external name leads to, so that clients that ask once get an address. */
  async #chase(target: string, type: string): Promise<Answer[]> {
    const name = target.toLowerCase()
    const { zone, forwarder } = this.#options
    if (name.endsWith(`.${zone}`)) return lookUp(this.#source, { name, type, zone }).answers
    const reply = await forwarder.forward(
      encode({ type: 'query', id: 1, flags: 256, questions: [{ type: type as 'A', name: target, class: 'IN' }] }),
    )
    if (!reply) return []
    try {
      return decode(reply).answers ?? []
    } catch {
      return []
    }
  }
}

function respond(query: Packet, fields: Partial<Packet>): Packet {
  return {
    type: 'response',
    id: query.id ?? 0,
    questions: query.questions ?? [],
    ...fields,
    flags: (fields.flags ?? 0) | ((query.flags ?? 0) & 0x0100),
  }
}

function soa(zone: string): Answer {
  return {
    name: zone,
    type: 'SOA',
    ttl: TTL_SECONDS,
    data: {
      mname: `ns.dns.${zone}`,
      rname: `hostmaster.${zone}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL_SECONDS,
    },
  }
}

/** Leaves out the additional records first, then the answers with the truncation flag, when the client cannot take so much. */
function fit(packet: Packet, limit: number): Buffer {
  const whole = encode(packet)
  if (whole.length <= limit) return whole
  const { additionals: _, ...bare } = packet
  const short = encode(bare)
  if (short.length <= limit) return short
  return encode({ ...bare, answers: [], flags: (packet.flags ?? 0) | TRUNCATED_RESPONSE })
}

function serveUdp(socket: UdpSocket, resolver: Resolver): void {
  socket.on('message', (message, peer) => {
    if (message.length > LARGEST_QUESTION) return
    void resolver
      .answer(message, udpLimit(message))
      .then((answer) => answer && socket.send(answer, peer.port, peer.address))
      .catch(() => {}) // A question that cannot be answered gets no answer; the client asks again.
  })
  socket.on('error', () => {})
}

/** What the client says it can take (EDNS), within reason. */
function udpLimit(message: Buffer): number {
  try {
    const opt = decode(message).additionals?.find(({ type }) => type === 'OPT') as { udpPayloadSize?: number } | undefined
    return Math.min(Math.max(opt?.udpPayloadSize ?? PLAIN_UDP_SIZE, PLAIN_UDP_SIZE), LARGEST_UDP_SIZE)
  } catch {
    return PLAIN_UDP_SIZE
  }
}

function serveTcp(socket: Socket, resolver: Resolver): void {
  let received = Buffer.alloc(0)
  socket.setTimeout(TCP_IDLE_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const length = received.readUInt16BE(0)
      if (length > LARGEST_QUESTION) return void socket.destroy()
      const message = Buffer.from(received.subarray(2, 2 + length))
      received = received.subarray(2 + length)
      void resolver
        .answer(message, 65_535)
        .then((answer) => answer && !socket.destroyed && socket.write(framed(answer)))
        .catch(() => socket.destroy())
    }
    if (received.length > LARGEST_QUESTION + 2) socket.destroy()
  })
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(2 + message.length)
  frame.writeUInt16BE(message.length, 0)
  message.copy(frame, 2)
  return frame
}

async function listenTcp(server: Server, { address, port = 53 }: DnsOptions): Promise<void> {
  server.listen(port, address)
  await once(server, 'listening')
  server.unref()
}

async function closeTcp(server: Server, connections: ReadonlySet<Socket>): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  for (const socket of connections) socket.destroy()
  await closed
}
