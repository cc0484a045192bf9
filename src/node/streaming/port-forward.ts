// Port forwarding for WebSocket clients, in both forms: the tunnel that carries SPDY inside binary messages, and the older two channels per port.
import type { Clock } from '#lib/clock.ts'
import { SpdyConnection, type SpdyStream } from '#lib/spdy/connection.ts'
import { upgradeToSpdy } from '#lib/spdy/connect.ts'
import { ChannelSocket } from './channel-socket.ts'
import { endWhenIdle } from './idle.ts'
import { refuseUpgrade, type Upgrade } from './upgrade.ts'
import { acceptWebSocket } from './websocket.ts'

const TUNNEL_PROTOCOL = 'SPDY/3.1+portforward.k8s.io'
const SPDY_PROTOCOL = 'portforward.k8s.io'
const CHANNEL_PROTOCOLS = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', 'portforward.k8s.io', '']
const NORMAL_CLOSURE = 1000
const BUFFERED_LIMIT = 1024 * 1024

interface Target {
  url: string
  clock: Clock
}

export async function servePortForward(upgrade: Upgrade, { url, ports, clock }: Target & { ports: readonly number[] }): Promise<void> {
  const offered = (upgrade.request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  const runtime = await upgradeToSpdy(url, { protocols: [SPDY_PROTOCOL] }).catch((error: Error) => {
    refuseUpgrade(upgrade, 500, error.message)
  })
  if (!runtime) return
  endWhenIdle(upgrade.socket, { clock })
  if (offered.includes(TUNNEL_PROTOCOL)) await tunnel(upgrade, runtime.socket)
  else await channels(upgrade, { connection: new SpdyConnection(runtime.socket, { role: 'client' }), ports })
}

async function tunnel(upgrade: Upgrade, runtime: import('node:stream').Duplex): Promise<void> {
  const accepted = await acceptWebSocket(upgrade, [TUNNEL_PROTOCOL])
  runtime.on('error', () => {})
  if (!accepted) return void runtime.destroy()
  const { socket } = accepted
  socket.on('message', (message: Buffer) => {
    if (runtime.writable && !runtime.write(message)) socket.pause()
  })
  runtime.on('drain', () => socket.resume())
  socket.on('close', () => runtime.destroy())
  runtime.on('data', (chunk: Buffer) => {
    if (socket.readyState !== socket.OPEN) return
    socket.send(chunk, () => runtime.resume())
    if (socket.bufferedAmount > BUFFERED_LIMIT) runtime.pause()
  })
  runtime.on('close', () => socket.close(NORMAL_CLOSURE))
}

async function channels(upgrade: Upgrade, { connection, ports }: { connection: SpdyConnection; ports: readonly number[] }): Promise<void> {
  if (ports.length === 0) {
    connection.destroy()
    return refuseUpgrade(upgrade, 400, 'query parameter "port" is required')
  }
  const client = await ChannelSocket.accept(upgrade, CHANNEL_PROTOCOLS)
  if (!client) return connection.destroy()
  void client.closed.then(() => connection.destroy())

  const data: SpdyStream[] = []
  const pumps: Promise<void>[] = []
  for (const [index, port] of ports.entries()) {
    const headers = { port: String(port), requestid: String(index) }
    const error = connection.open({ streamtype: 'error', ...headers })
    error.end()
    data.push(connection.open({ streamtype: 'data', ...headers }))
    const number = Buffer.alloc(2)
    number.writeUInt16LE(port)
    await client.send(index * 2, number)
    await client.send(index * 2 + 1, number)
    pumps.push(pump(data[index]!, client, index * 2), pump(error, client, index * 2 + 1))
  }
  client.receive((channel, bytes) => {
    const stream = channel % 2 === 0 ? data[channel / 2] : undefined
    if (!stream || stream.destroyed || stream.write(bytes)) return undefined
    return new Promise((resolve) => {
      stream.once('drain', resolve)
      stream.once('close', resolve)
    })
  })
  await Promise.all(pumps)
  client.close()
  connection.close()
}

async function pump(stream: SpdyStream, client: ChannelSocket, channel: number): Promise<void> {
  try {
    for await (const chunk of stream) await client.send(channel, chunk as Buffer)
  } catch {
    // A reset stream is a port that was closed.
  }
}
