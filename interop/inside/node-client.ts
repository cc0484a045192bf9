// A client of the node's HTTPS API for suites: plain requests, SPDY and WebSocket streams, with a certificate of a throw-away authority.
import { once } from 'node:events'
import https from 'node:https'
import type { Duplex } from 'node:stream'
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
