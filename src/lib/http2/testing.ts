// For tests: a server's connection over a pair of streams, and what it serves.
import { type Duplex, duplexPair } from 'node:stream'
import { type Clock, systemClock } from '#lib/clock.ts'
import { SharedTurns } from '#lib/shared-turns.ts'
import { ServerConnection } from './server-connection.ts'
import type { ServerStream } from './server-stream.ts'

/** A turn of the event loop. */
export const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A server that answers with what it was sent, or `?size=N` bytes. */
export async function echo(stream: ServerStream): Promise<void> {
  const size = new URL(stream.head.path, 'http://x').searchParams.get('size')
  if (size !== null) {
    const target = stream.open(200, { 'content-type': 'text/plain' })
    for (let left = Number(size); left > 0 && !target.destroyed; left -= 50_000) {
      const piece = Buffer.alloc(Math.min(left, 50_000), 'x')
      await new Promise<void>((resolve) => target.write(piece, () => resolve()))
    }
    target.end()
    return
  }
  const whole = stream.takeWhole()
  const chunks: Buffer[] = []
  if (!whole) for await (const chunk of stream.input) chunks.push(chunk as Buffer)
  stream.respond(200, { 'x-method': stream.head.method, 'x-whole': String(whole !== undefined) }, whole ?? Buffer.concat(chunks))
}

export function serve(
  handle: (stream: ServerStream) => unknown = echo,
  clock: Clock = systemClock,
): {
  near: Duplex
  far: Duplex
  served: ServerStream[]
  connection: ServerConnection
} {
  const [near, far] = duplexPair()
  const served: ServerStream[] = []
  const connection = new ServerConnection(far, {
    clock,
    turns: new SharedTurns(1000),
    serve(stream) {
      served.push(stream)
      void (async () => handle(stream))().catch(() => {})
    },
  })
  return { near, far, served, connection }
}
