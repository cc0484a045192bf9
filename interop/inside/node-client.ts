// A client of the node's HTTPS API for suites: plain requests, SPDY and WebSocket streams, with a certificate of a throw-away authority.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import https from 'node:https'
import { Duplex, Writable } from 'node:stream'
import { WritableStream } from 'node:stream/web'
import { WebSocket } from 'ws'
import { SpdyConnection } from '#lib/spdy/connection.ts'
import { systemRandom as random } from '#lib/random.ts'
import { issueAuthority, issueCertificate } from '#server/pki/issuer.ts'

export async function testCertificates() {
  const context = { now: Date.now(), random }
  const authority = await issueAuthority('test', context)
  const client = (commonName: string, organizations: string[] = []) =>
    issueCertificate({ commonName, organizations, usages: ['client auth'] }, authority, context)
  const other = await issueAuthority('other', context)
  return {
    authority,
    server: await issueCertificate({ commonName: 'node', usages: ['server auth'], addresses: ['127.0.0.1'] }, authority, context),
    apiServer: await client('kube-apiserver-kubelet-client'),
    admin: await client('somebody', ['system:masters']),
    stranger: await client('stranger'),
    forged: await issueCertificate({ commonName: 'kube-apiserver-kubelet-client', usages: ['client auth'] }, other, context),
  }
}

type Key = { certificate: string; key: string }

export class NodeClient {
  readonly #port: number
  readonly #tls: { ca: string; cert?: string; key?: string }

  constructor(port: number, authority: Key, own?: Key) {
    this.#port = port
    this.#tls = { ca: authority.certificate, ...(own ? { cert: own.certificate, key: own.key } : {}) }
  }

  async get(
    path: string,
    options: { method?: string; taken?: (text: string, stop: () => void) => void } = {},
  ): Promise<{ status: number; body: string }> {
    const request = https.request({
      host: '127.0.0.1',
      port: this.#port,
      path,
      method: options.method ?? 'GET',
      agent: false,
      ...this.#tls,
    })
    request.end()
    const [response] = await once(request, 'response')
    let body = ''
    response.setEncoding('utf8')
    try {
      for await (const text of response) {
        body += text
        options.taken?.(body, () => request.destroy())
      }
    } catch (error) {
      if (!request.destroyed) throw error
    }
    return { status: response.statusCode, body }
  }

  async spdy(path: string, protocol: string): Promise<SpdyConnection> {
    const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol }
    const request = https.request({ host: '127.0.0.1', port: this.#port, path, method: 'POST', agent: false, headers, ...this.#tls })
    request.end()
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
    request.on('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    request.on('response', async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      reject(new Error(`${response.statusCode} ${text}`))
    })
    request.on('error', reject)
    return new SpdyConnection(await promise, { role: 'client' })
  }

  /** A WebSocket of a protocol whose name `ws` does not let clients ask for, as the bytes its messages carry. */
  async tunnel(path: string, protocol: string): Promise<Duplex> {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': random.bytes(16).toString('base64'),
      'sec-websocket-protocol': protocol,
    }
    const request = https.request({ host: '127.0.0.1', port: this.#port, path, agent: false, headers, ...this.#tls })
    request.end()
    const [response, socket, head] = await once(request, 'upgrade')
    assert.equal(response.headers['sec-websocket-protocol'], protocol)
    if (head.length > 0) socket.unshift(head)
    return Duplex.from({ readable: payloads(socket), writable: Writable.fromWeb(frames(socket)) })
  }

  webSocket(path: string, protocols: string[]): WebSocket {
    return new WebSocket(`wss://127.0.0.1:${this.#port}${path}`, protocols, this.#tls)
  }
}

/** Output of every channel of a WebSocket session, until it closes. */
export async function session(socket: WebSocket, drive?: (socket: WebSocket, seen: Map<number, string>) => void) {
  const seen = new Map<number, string>()
  socket.on('message', (message: Buffer) => {
    const text = seen.get(message[0]!) ?? ''
    seen.set(message[0]!, text + message.toString('utf8', 1))
    drive?.(socket, seen)
  })
  const [code] = await once(socket, 'close')
  return { code: code as number, seen }
}

export function channel(number: number, data: string | Buffer): Buffer {
  return Buffer.concat([Buffer.of(number), Buffer.from(data as string)])
}

export async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

/** Binary messages with a mask of zeros, which leaves them as they are. */
function frames(socket: Duplex): WritableStream<Buffer> {
  return new WritableStream({
    write(bytes) {
      const header = Buffer.alloc(14)
      header.set([0x82, 0x80 | 127])
      header.writeBigUInt64BE(BigInt(bytes.length), 2)
      socket.write(Buffer.concat([header, bytes]))
    },
    close: () => void socket.end(),
  })
}

async function* payloads(socket: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held = Buffer.alloc(0)
  for await (const chunk of socket) {
    held = Buffer.concat([held, chunk])
    for (;;) {
      const short = (held[1] ?? 0) & 127
      const start = short === 127 ? 10 : short === 126 ? 4 : 2
      if (held.length < start) break
      const length = short === 127 ? Number(held.readBigUInt64BE(2)) : short === 126 ? held.readUInt16BE(2) : short
      if (held.length < start + length) break
      if ((held[0]! & 15) === 2) yield held.subarray(start, start + length)
      held = held.subarray(start + length)
    }
  }
}
