import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { after, before, describe, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { SpdyConnection, type SpdyStream } from './connection.ts'
import { headerDictionary } from './dictionary.ts'
import { controlFrame, dataHeader, numbers, readFrames } from './frames.ts'
import { HeaderReader, HeaderWriter } from './header-block.ts'

/** Both ends of a TCP connection. */
async function pair(server: net.Server): Promise<[client: net.Socket, server: net.Socket]> {
  const { port } = server.address() as net.AddressInfo
  const client = net.connect(port, '127.0.0.1')
  const [[peer]] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
  return [client, peer as net.Socket]
}

async function text(stream: SpdyStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

describe('SpdyConnection', () => {
  let listener: net.Server
  before(async () => {
    listener = net.createServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
  })
  after(() => void listener.close())

  test('carries headers, data both ways and half-closes', async () => {
    const [a, b] = await pair(listener)
    const seen: Record<string, string>[] = []
    const server = new SpdyConnection(b, {
      role: 'server',
      async onStream(stream) {
        seen.push({ ...stream.headers })
        stream.end(`echo ${await text(stream)}`)
      },
    })
    const client = new SpdyConnection(a, { role: 'client' })
    const streams = ['one', 'two', 'three'].map((name) => client.open({ StreamType: name }))
    for (const [index, stream] of streams.entries()) stream.end(`hello ${index}`)
    assert.deepEqual(await Promise.all(streams.map(text)), ['echo hello 0', 'echo hello 1', 'echo hello 2'])
    assert.deepEqual(seen, [{ streamtype: 'one' }, { streamtype: 'two' }, { streamtype: 'three' }])
    client.close()
    await Promise.all([client.closed, server.closed])
  })

  for (const last of ['a half-close', 'a reset'])
    test(`keeps what a slow reader has not read yet when the connection ends after ${last}`, async () => {
      const [a, b] = await pair(listener)
      const client = new SpdyConnection(a, { role: 'client' })
      const stream = client.open({ streamtype: 'data' })
      const sent = 40 * 1024
      b.write(Buffer.concat([dataHeader(1, sent, last === 'a half-close'), Buffer.alloc(sent, 'x')]))
      if (last === 'a reset') b.write(controlFrame(3, 0, numbers(1, 5)))
      b.end()
      await client.closed
      assert.equal((await text(stream)).length, sent)
    })

  test('stops the sender when nobody reads, and loses nothing', async () => {
    const [a, b] = await pair(listener)
    const accepted = Promise.withResolvers<SpdyStream>()
    const server = new SpdyConnection(b, { role: 'server', onStream: accepted.resolve })
    const client = new SpdyConnection(a, { role: 'client' })
    const stream = client.open({ streamtype: 'data' })
    const chunk = Buffer.alloc(1024 * 1024, 'x')
    const chunks = 64
    let written = 0
    const writing = (async () => {
      for (let i = 0; i < chunks; i++) {
        if (!stream.write(chunk)) await once(stream, 'drain')
        written++
      }
      stream.end()
    })()
    const peer = await accepted.promise
    // The socket buffers fill and writing stands still: the count is the same over many turns.
    for (let still = 0, last = -1; still < 20; ) {
      await new Promise((resolve) => setImmediate(resolve))
      still = written === last && a.writableNeedDrain ? still + 1 : 0
      last = written
    }
    assert.ok(written < chunks, `${written} of ${chunks} chunks were taken with nobody reading`)
    let size = 0
    for await (const piece of peer) size += (piece as Buffer).length
    await writing
    assert.equal(size, chunks * chunk.length)
    client.destroy()
    await Promise.all([client.closed, server.closed])
  })

  test('tells its streams when the socket is lost', async () => {
    const [a, b] = await pair(listener)
    const client = new SpdyConnection(a, { role: 'client' })
    const stream = client.open({ streamtype: 'data' })
    const lost = assert.rejects(once(stream, 'close'), /lost/)
    b.destroy()
    await Promise.all([client.closed, lost])
    assert.equal(stream.destroyed, true)
  })

  test('refuses streams where none are expected', async () => {
    const [a, b] = await pair(listener)
    const server = new SpdyConnection(b, { role: 'server' })
    const client = new SpdyConnection(a, { role: 'client' })
    const stream = client.open({ streamtype: 'data' })
    assert.equal(await text(stream), '')
    assert.equal(stream.write('into the void'), true)
    client.destroy()
    await Promise.all([client.closed, server.closed])
  })

  test('ends on a frame of another version', async () => {
    const [a, b] = await pair(listener)
    const client = new SpdyConnection(a, { role: 'client' })
    b.on('error', () => {})
    b.write(Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0]))
    await client.closed
    assert.equal(a.destroyed, true)
  })
})

test('readFrames gives the same frames however the bytes are cut', async () => {
  const wire = Buffer.concat([controlFrame(6, 0, numbers(7)), dataHeader(1, 5, false), Buffer.from('hello'), dataHeader(1, 0, true)])
  for (let size = 1; size <= wire.length; size++) {
    const pieces = async function* () {
      for (let at = 0; at < wire.length; at += size) yield wire.subarray(at, at + size)
    }
    let data = ''
    let pings = 0
    let fin = false
    for await (const frame of readFrames(pieces())) {
      if (frame.kind === 'control') pings += frame.payload.readUInt32BE(0)
      else {
        data += frame.chunk.toString()
        fin = frame.fin
      }
    }
    assert.deepEqual({ data, pings, fin }, { data: 'hello', pings: 7, fin: true }, `pieces of ${size}`)
  }
})

describe('HeaderReader', () => {
  test('reads what HeaderWriter writes, block after block', async () => {
    const writer = new HeaderWriter()
    const reader = new HeaderReader()
    for (const headers of [{ streamtype: 'error' }, { streamtype: 'data', port: '80', requestid: '1' }, {}]) {
      assert.deepEqual({ ...(await reader.decode(writer.encode(headers))) }, headers)
    }
  })

  test('knows the dictionary of the specification', () => {
    const dictionary = headerDictionary()
    assert.equal(dictionary.length, 1423)
    assert.equal(deflateSync('', { dictionary }).subarray(2, 6).toString('hex'), 'e3c6a7c2')
  })

  test('refuses headers that unpack beyond the limit', async () => {
    const bomb = deflateSync(Buffer.concat([numbers(1, 4), Buffer.from('name'), numbers(10_000_000), Buffer.alloc(10_000_000)]), {
      dictionary: headerDictionary(),
    })
    await assert.rejects(new HeaderReader().decode(bomb), /longer than/)
  })

  test('refuses what is not compressed', async () => {
    await assert.rejects(new HeaderReader().decode(Buffer.from('nonsense')), /header|data/)
  })
})
