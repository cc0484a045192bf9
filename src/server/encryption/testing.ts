// A KMS v2 plugin for tests, on a unix socket: it says what it is told to say, and may be away.
import { mkdtempSync, rmSync } from 'node:fs'
import http2, { type Http2Session, type ServerHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeMessage, encodeMessage } from '#lib/grpc/codec.ts'
import { frameMessage } from '#lib/grpc/message-frames.ts'
import { KMS_SCHEMA } from './kms-envelope.ts'

const PREFIX_BYTES = 5

export class TestPlugin implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sampan-kms-'))
  readonly socket = join(this.#directory, 'kms.sock')
  /** Methods, in the order in which they were called. */
  readonly asked: string[] = []
  status = { version: 'v2', healthz: 'ok', keyId: '1' }
  /** What it encrypts with; by default the key of its status. */
  encryptsWith: string | undefined
  annotations: Record<string, Uint8Array> = { 'v.kms.example': Buffer.from('1') }
  /** Further bytes of what it encrypts. */
  padding = 0
  /** Calls are not answered. */
  hangs = false
  #server: http2.Http2Server | undefined
  readonly #sessions = new Set<Http2Session>()

  async start(): Promise<this> {
    const server = http2.createServer()
    server.on('session', (session) => this.#sessions.add(session))
    server.on('stream', (stream, headers) => this.#serve(stream, String(headers[':path']).split('/').at(-1)!))
    await new Promise<void>((resolve) => server.listen(this.socket, resolve))
    this.#server = server
    return this
  }

  async stop(): Promise<void> {
    for (const session of this.#sessions) session.destroy()
    this.#sessions.clear()
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)))
    this.#server = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.#directory, { recursive: true })
  }

  #serve(stream: ServerHttp2Stream, method: string): void {
    this.asked.push(method)
    const chunks: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      if (this.hangs) return
      const request = decodeMessage(KMS_SCHEMA, `v2.${method}Request`, Buffer.concat(chunks).subarray(PREFIX_BYTES))
      const body = encodeMessage(KMS_SCHEMA, `v2.${method}Response`, this.#answer(method, request))
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(frameMessage(body))
    })
  }

  #answer(method: string, request: Record<string, unknown>): object {
    if (method === 'Status') return this.status
    if (method === 'Decrypt') return { plaintext: flipped(request.ciphertext as Uint8Array) }
    const ciphertext = Buffer.concat([flipped(request.plaintext as Uint8Array), Buffer.alloc(this.padding)])
    return { ciphertext, keyId: this.encryptsWith ?? this.status.keyId, annotations: this.annotations }
  }
}

const flipped = (bytes: Uint8Array) => Buffer.from(bytes).map((byte) => byte ^ 0x5a)
