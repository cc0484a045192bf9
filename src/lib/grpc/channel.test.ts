import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http2, { type ServerHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock as clock } from '#lib/clock.ts'
import { GrpcChannel } from './channel.ts'
import { decodeMessage, encodeMessage } from './codec.ts'
import { GrpcError } from './grpc-error.ts'
import { frameMessage } from './message-frames.ts'
import { parseProto } from './proto-text.ts'

const schema = parseProto(`package t; message Text { string text = 1; }
service S { rpc Echo(Text) returns (Text); rpc Fail(Text) returns (Text); rpc Count(Text) returns (stream Text); rpc Hang(Text) returns (Text); rpc Talk(stream Text) returns (stream Text); }`)
const frame = (text: string) => frameMessage(encodeMessage(schema, 't.Text', { text }))

describe('GrpcChannel', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-grpc-'))
  const path = join(directory, 's.sock')
  const channel = new GrpcChannel(path, { schema, clock })
  let server: http2.Http2Server
  const sessions = new Set<http2.ServerHttp2Session>()

  before(async () => {
    server = http2.createServer()
    server.on('session', (session) => sessions.add(session))
    server.on('stream', (stream, headers) => void answer(stream, String(headers[':path'])))
    server.listen(path)
    await once(server, 'listening')
  })
  after(() => {
    channel[Symbol.dispose]()
    for (const session of sessions) session.destroy()
    server.close()
    rmSync(directory, { recursive: true })
  })

  async function answer(stream: ServerHttp2Stream, method: string) {
    stream.on('error', () => {})
    if (method === '/t.S/Hang') return
    const begin = () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    }
    if (method === '/t.S/Fail')
      return stream.respond({ ':status': 200, 'grpc-status': '5', 'grpc-message': 'no such%20th%C3%ADng' }, { endStream: true })
    begin()
    if (method === '/t.S/Count') {
      // Several messages in one piece, and one message in several.
      const all = Buffer.concat(['one', 'two', 'three'].map(frame))
      stream.write(all.subarray(0, 12))
      setImmediate(() => stream.end(all.subarray(12)))
      return
    }
    if (method === '/t.S/Talk') {
      stream.on('data', (data: Buffer) => stream.write(frame(`${String(decodeMessage(schema, 't.Text', data.subarray(5)).text)}!`)))
      stream.on('end', () => stream.end())
      return
    }
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    stream.end(Buffer.concat(chunks))
  }

  test('calls and answers, large messages too', async () => {
    assert.deepEqual({ ...(await channel.unary<object>('S.Echo', { text: 'hello' })) }, { text: 'hello' })
    const text = 'x'.repeat(8 * 1024 * 1024)
    assert.equal((await channel.unary<{ text: string }>('S.Echo', { text })).text.length, text.length)
  })

  test('gives the status of a failed call', async () => {
    await assert.rejects(channel.unary('S.Fail', {}), (error: unknown) => {
      assert.ok(error instanceof GrpcError)
      assert.deepEqual([error.codeName, error.message], ['NOT_FOUND', 'no such thíng'])
      assert.equal(error.full, 'rpc error: code = NotFound desc = no such thíng')
      return true
    })
  })

  test('streams messages however they are cut', async () => {
    const seen: string[] = []
    for await (const { text } of channel.serverStream<{ text: string }>('S.Count', {})) seen.push(text)
    assert.deepEqual(seen, ['one', 'two', 'three'])
  })

  test('exchanges message for message', async () => {
    await using call = channel.duplex<{ text: string }, { text: string }>('S.Talk')
    for (const text of ['a', 'b', 'c']) assert.equal((await call.exchange({ text })).text, `${text}!`)
  })

  test('ends at the deadline, and at once when aborted', async () => {
    await assert.rejects(channel.unary('S.Hang', {}, { deadlineMs: 5 }), { message: 'context deadline exceeded' })
    const stop = new AbortController()
    const hanging = channel.unary('S.Hang', {}, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await assert.rejects(hanging, { message: 'enough' })
  })

  test('connects again after the connection broke, and says when nobody is there', async () => {
    await channel.unary('S.Echo', {})
    const hanging = assert.rejects(
      channel.unary('S.Hang', {}),
      (error: unknown) => error instanceof GrpcError && error.codeName === 'UNAVAILABLE',
    )
    await new Promise((resolve) => setImmediate(resolve))
    for (const session of sessions) session.destroy()
    await hanging
    assert.equal((await channel.unary<{ text: string }>('S.Echo', { text: 'again' })).text, 'again')
    using nobody = new GrpcChannel(join(directory, 'none.sock'), { schema, clock })
    await assert.rejects(nobody.unary('S.Echo', {}), (error: unknown) => error instanceof GrpcError && error.codeName === 'UNAVAILABLE')
  })
})
