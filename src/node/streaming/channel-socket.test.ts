import assert from 'node:assert/strict'
import { once } from 'node:events'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { ChannelSocket } from './channel-socket.ts'

/** A connection that takes its time, and tells what was written in one go. */
class Slow extends Duplex {
  readonly batches: Buffer[] = []

  override _read(): void {}

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.batches.push(Buffer.concat(chunks.map(({ chunk }) => Buffer.from(chunk))))
    setImmediate(done)
  }
}

async function accepted(): Promise<{ client: ChannelSocket; connection: Slow }> {
  const request = new IncomingMessage(new Socket())
  request.method = 'GET'
  request.headers = {
    upgrade: 'websocket',
    connection: 'upgrade',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'v4.channel.k8s.io',
  }
  const connection = new Slow()
  const client = await ChannelSocket.accept({ request, socket: connection, head: Buffer.alloc(0) }, ['v4.channel.k8s.io'])
  return { client: client!, connection }
}

test('ChannelSocket writes every message by itself and ends with the last', async () => {
  const { client, connection } = await accepted()
  const texts = ['one', 'two', 'three']
  const sent = texts.map((text, channel) => client.send(channel, Buffer.from(text)))
  client.close()
  await Promise.all(sent)
  await once(connection, 'finish')
  const [, ...frames] = connection.batches
  assert.deepEqual(
    frames.map((frame) => frame.toString('latin1')),
    // A final binary frame each; then the close, normal, for which no answer is awaited.
    ['\x82\x04\x00one', '\x82\x04\x01two', '\x82\x06\x02three', '\x88\x02\x03\xe8'],
  )
  connection.destroy()
  await client.closed
})
