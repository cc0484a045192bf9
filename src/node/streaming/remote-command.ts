// exec and attach for WebSocket clients: their channels become the SPDY streams that the runtime's streaming server understands.
import type { Clock } from '#lib/clock.ts'
import { SpdyConnection, type SpdyStream } from '#lib/spdy/connection.ts'
import { upgradeToSpdy } from '#lib/spdy/connect.ts'
import { ChannelSocket, CLOSE_CHANNEL } from './channel-socket.ts'
import { endWhenIdle } from './idle.ts'
import { refuseUpgrade, type Upgrade } from './upgrade.ts'

export interface Streams {
  stdin: boolean
  stdout: boolean
  stderr: boolean
  tty: boolean
}

const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io', 'channel.k8s.io', 'base64.channel.k8s.io', '']
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 }
const STATUS_LIMIT = 64 * 1024
const LOST =
  '{"metadata":{},"status":"Failure","message":"the connection to the container runtime was lost","reason":"InternalError","code":500}'
/** Whoever attaches while a short program ends would see nothing of what it said: told so, clients read its log instead. */
const TOO_LATE =
  '{"metadata":{},"status":"Failure","message":"the container ended before its output could be attached to","reason":"InternalError","code":500}'
const TOO_LATE_MS = 2000

export async function serveRemoteCommand(
  upgrade: Upgrade,
  { url, streams, clock, attach = false }: { url: string; streams: Streams; clock: Clock; attach?: boolean },
): Promise<void> {
  const runtime = await upgradeToSpdy(url, { protocols: ['v4.channel.k8s.io'] }).catch((error: Error) => {
    refuseUpgrade(upgrade, 500, error.message)
  })
  if (!runtime) return
  const connection = new SpdyConnection(runtime.socket, { role: 'client' })
  const client = await ChannelSocket.accept(upgrade, PROTOCOLS)
  if (!client) return connection.destroy()
  endWhenIdle(upgrade.socket, { clock })

  const open = (wanted: boolean, streamtype: string) => (wanted ? connection.open({ streamtype }) : undefined)
  const error = connection.open({ streamtype: 'error' })
  const stdin = open(streams.stdin, 'stdin')
  const stdout = open(streams.stdout, 'stdout')
  const stderr = open(streams.stderr && !streams.tty, 'stderr')
  const resize = open(streams.tty, 'resize')

  const inputs = new Map([
    [CHANNEL.stdin, stdin],
    [CHANNEL.resize, resize],
  ])
  client.receive((channel, data) => {
    if (channel === CLOSE_CHANNEL && client.protocol.startsWith('v5.')) inputs.get(data[0] ?? CLOSE_CHANNEL)?.end()
    else return write(inputs.get(channel), data)
    return undefined
  })
  // Tells the client that all is set up, before the program says anything.
  await client.send(stdout ? CHANNEL.stdout : stderr ? CHANNEL.stderr : CHANNEL.error, Buffer.alloc(0))

  void client.closed.then(() => connection.destroy())
  const began = clock.monotonic()
  const said = [pump(stdout, client, CHANNEL.stdout), pump(stderr, client, CHANNEL.stderr)]
  const [status, ...bytes] = await Promise.all([collect(error), ...said])
  const silent = stdout !== undefined && bytes.every((count) => count === 0)
  const final = attach && silent && clock.monotonic() - began < TOO_LATE_MS ? TOO_LATE : status || LOST
  if (/^v[45]\./.test(client.protocol)) await client.send(CHANNEL.error, Buffer.from(final))
  else await sendOldStatus(client, final)
  client.close()
  connection.close()
}

function write(stream: SpdyStream | undefined, data: Buffer): Promise<unknown> | undefined {
  if (!stream || stream.destroyed || stream.writableEnded || stream.write(data)) return undefined
  return new Promise((resolve) => {
    stream.once('drain', resolve)
    stream.once('close', resolve)
  })
}

/** How many bytes there were. */
async function pump(stream: SpdyStream | undefined, client: ChannelSocket, channel: number): Promise<number> {
  let count = 0
  try {
    for await (const chunk of stream ?? []) {
      count += (chunk as Buffer).length
      await client.send(channel, chunk as Buffer)
    }
  } catch {
    // A reset stream has said all it will say; the status tells how it ended.
  }
  return count
}

async function collect(stream: SpdyStream): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of stream) {
      size += (chunk as Buffer).length
      if (size <= STATUS_LIMIT) chunks.push(chunk as Buffer)
    }
  } catch {
    // As in pump: what came is what there is.
  }
  return Buffer.concat(chunks).toString()
}

/** Before v4 the error channel carried plain text, and nothing on success. */
async function sendOldStatus(client: ChannelSocket, status: string): Promise<void> {
  const { status: outcome, message } = JSON.parse(status) as { status: string; message?: string }
  if (outcome !== 'Success') await client.send(CHANNEL.error, Buffer.from(message ?? outcome))
}
