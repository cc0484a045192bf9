// A watch as a WebSocket, as browsers ask for it: one message per event, text for JSON, binary without a length before it for protobuf. What the
// client says is not listened to. The library is loaded with the first of them.
import { Writable } from 'node:stream'
import type { WebSocket } from 'ws'
import { SOCKET_TOKEN } from '#server/access/authenticators.ts'
import type { Exchange } from '#server/request.ts'

type Upgrade = NonNullable<Exchange['upgrade']>
type Form = 'json' | 'protobuf'

const NEWLINE = 0x0a
/** Clients have nothing to say. */
const MAX_HEARD_BYTES = 64 * 1024
const NORMAL_CLOSURE = 1000

/** The handshake of a request to watch, where the client asks for a WebSocket. */
export function watchUpgrade({ upgrade }: Exchange): Upgrade | undefined {
  return upgrade?.request.headers.upgrade?.toLowerCase() === 'websocket' ? upgrade : undefined
}

/** Takes what a watch writes, cut anywhere. Undefined where the handshake is refused, which is then answered. */
export async function openWatchSocket(exchange: Exchange, upgrade: Upgrade, form: Form): Promise<Writable | undefined> {
  const { request, socket, head } = upgrade
  // As upstream: it is browsers that come this way, and they say where from. Which place that is, is not looked at.
  if (!URL.canParse(request.headers.origin ?? '')) return void exchange.send(403, {})
  const protocols = protocolsOf(request.headers['sec-websocket-protocol'])
  if (protocols.length > 1) return void exchange.send(400, {})
  const { WebSocketServer } = await import('ws')
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_HEARD_BYTES, clientTracking: false })
  delete request.headers['sec-websocket-protocol']
  server.on('headers', (headers) => {
    for (const protocol of protocols) headers.push(`Sec-WebSocket-Protocol: ${protocol}`)
  })
  const accepted = await new Promise<WebSocket | undefined>((resolve) => {
    // A malformed handshake is answered by the library, which then ends the socket.
    socket.once('close', () => resolve(undefined))
    server.handleUpgrade(request, socket, head, resolve)
  })
  return accepted && new WatchSocket(accepted, form)
}

/** The one that carries the token is for us alone. */
function protocolsOf(offered = ''): string[] {
  const names = offered.split(',').map((name) => name.trim())
  return names.filter((name) => name !== '' && !name.startsWith(SOCKET_TOKEN))
}

class WatchSocket extends Writable {
  readonly #socket: WebSocket
  readonly #form: Form
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: WebSocket, form: Form) {
    super()
    this.#socket = socket
    this.#form = form
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    const { messages, rest } = this.#form === 'json' ? linesOf(bytes) : framesOf(bytes)
    this.#rest = rest
    if (messages.length === 0) return done()
    const last = messages.pop()!
    for (const message of messages) this.#send(message)
    this.#send(last, done)
  }

  #send(message: Buffer, done?: (error?: Error) => void): void {
    this.#socket.send(message, { binary: this.#form === 'protobuf' }, done)
  }

  override _final(done: () => void): void {
    this.#socket.close(NORMAL_CLOSURE)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error) this.#socket.terminate()
    else this.#socket.close(NORMAL_CLOSURE)
    done(error)
  }
}

interface Cut {
  messages: Buffer[]
  rest: Buffer
}

function linesOf(bytes: Buffer): Cut {
  const messages: Buffer[] = []
  let begin = 0
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, begin)) {
    messages.push(bytes.subarray(begin, end + 1))
    begin = end + 1
  }
  return { messages, rest: bytes.subarray(begin) }
}

/** Each with its length in four bytes before it. */
function framesOf(bytes: Buffer): Cut {
  const messages: Buffer[] = []
  let begin = 0
  while (bytes.length - begin >= 4) {
    const end = begin + 4 + bytes.readUInt32BE(begin)
    if (end > bytes.length) break
    messages.push(bytes.subarray(begin + 4, end))
    begin = end
  }
  return { messages, rest: bytes.subarray(begin) }
}
