// Several byte streams in one WebSocket, as `channel.k8s.io` and its successors number them: the first byte of a message (a digit in the base64
// forms) names the channel. Sending waits for the socket; receiving stops while the receiver is full.
import type { WebSocket } from 'ws'
import { acceptWebSocket } from './websocket.ts'
import type { Upgrade } from './upgrade.ts'

/** A message on this channel half-closes the channel it names. v5 only. */
export const CLOSE_CHANNEL = 255
const BUFFERED_LIMIT = 1024 * 1024
const NORMAL_CLOSURE = 1000

export class ChannelSocket {
  /** Resolves when the socket is gone. */
  readonly closed: Promise<void>
  readonly #socket: WebSocket
  readonly #base64: boolean
  readonly protocol: string

  static async accept(upgrade: Upgrade, protocols: readonly string[]): Promise<ChannelSocket | undefined> {
    const accepted = await acceptWebSocket(upgrade, protocols)
    return accepted && new ChannelSocket(accepted.socket, accepted.protocol)
  }

  private constructor(socket: WebSocket, protocol: string) {
    this.#socket = socket
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

  /** Resolves when there is room for more. */
  async send(channel: number, data: Buffer): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    const message = this.#base64 ? `${channel}${data.toString('base64')}` : Buffer.concat([Buffer.of(channel), data])
    const sent = new Promise<void>((resolve) => {
      this.#socket.send(message, () => resolve())
    })
    if (this.#socket.bufferedAmount > BUFFERED_LIMIT) await sent
  }

  /** Without a code clients take the end for a failure. */
  close(): void {
    this.#socket.close(NORMAL_CLOSURE)
  }
}
