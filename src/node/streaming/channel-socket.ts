// Several byte streams in one WebSocket, as `channel.k8s.io` and its successors number them: the first byte of a message (a digit in the base64
// forms) names the channel. Sending waits for the socket; receiving stops while the receiver is full. Messages are written one by one and the
// connection ends with the last: clients that wait for the connection, such as Python's, do not see what came in one TLS record with another.
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { acceptWebSocket } from './websocket.ts'
import type { Upgrade } from './upgrade.ts'

/** A message on this channel half-closes the channel it names. v5 only. */
export const CLOSE_CHANNEL = 255
const NORMAL_CLOSURE = 1000

export class ChannelSocket {
  /** Resolves when the socket is gone. */
  readonly closed: Promise<void>
  readonly #socket: WebSocket
  readonly #connection: Duplex
  #sent: Promise<void> = Promise.resolve()
  readonly #base64: boolean
  readonly protocol: string

  static async accept(upgrade: Upgrade, protocols: readonly string[]): Promise<ChannelSocket | undefined> {
    const accepted = await acceptWebSocket(upgrade, protocols)
    return accepted && new ChannelSocket(accepted.socket, upgrade.socket, accepted.protocol)
  }

  private constructor(socket: WebSocket, connection: Duplex, protocol: string) {
    this.#socket = socket
    this.#connection = connection
    this.protocol = protocol
    this.#base64 = protocol.includes('base64')
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()))
  }

  /** The receiver answers with a promise when it is full; the next message waits for it. */
  receive(receiver: (channel: number, data: Buffer) => Promise<unknown> | undefined): void {
    this.#socket.on('message', (message: Buffer) => {
      if (message.length === 0) return
      const channel = this.#base64 ? message[0]! - 0x30 : message[0]!
      const rest = message.subarray(1)
      const full = receiver(channel, this.#base64 ? Buffer.from(rest.toString('latin1'), 'base64') : rest)
      if (!full) return
      this.#socket.pause()
      full.then(
        () => this.#socket.resume(),
        () => this.#socket.resume(),
      )
    })
  }

  /** Resolves when the message is written. */
  send(channel: number, data: Buffer): Promise<void> {
    const message = this.#base64 ? `${channel}${data.toString('base64')}` : Buffer.concat([Buffer.of(channel), data])
    this.#sent = this.#sent.then(() => this.#write(message))
    return this.#sent
  }

  #write(message: string | Buffer): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return Promise.resolve()
    return new Promise((resolve) => this.#socket.send(message, () => resolve()))
  }

  /** Without a code clients take the end for a failure; nobody waits for theirs. */
  close(): void {
    void this.#sent.then(() => {
      this.#socket.close(NORMAL_CLOSURE)
      this.#connection.end()
    })
  }
}
