// A gRPC client over a unix socket or TCP, on node:http2: unary calls and streams in every direction. One connection, opened on first use and
// again after it broke, to the next address where there are several; an idle one does not keep the process alive. No compression.
import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import type { Clock } from '#lib/clock.ts'
import { decodeMessage, encodeMessage } from './codec.ts'
import { GrpcError, grpcCode } from './grpc-error.ts'
import { MessageReader, frameMessage } from './message-frames.ts'
import type { ProtoMethod, ProtoSchema } from './proto-text.ts'

export interface CallOptions {
  /** 0: no deadline. */
  deadlineMs?: number
  signal?: AbortSignal
  metadata?: Record<string, string>
}

/** Answers one message per message sent. */
export interface DuplexCall<Request, Response> extends AsyncDisposable {
  exchange(request: Request): Promise<Response>
}

/** Both sides send when they like. */
export interface StreamCall<Request, Response> extends Disposable {
  send(request: Request): void
  /** undefined at the orderly end. */
  next(): Promise<Response | undefined>
}

/** Where to connect: a unix socket's path, or addresses tried in turn. */
export type GrpcTarget = string | { addresses: readonly { host: string; port: number }[]; tls?: tls.SecureContextOptions }

const WINDOW_BYTES = 4 * 1024 * 1024

export class GrpcChannel implements Disposable {
  readonly #target: GrpcTarget
  #attempts = 0
  readonly #schema: ProtoSchema
  readonly #clock: Clock
  #session: http2.ClientHttp2Session | undefined
  #active = 0

  constructor(target: GrpcTarget, { schema, clock }: { schema: ProtoSchema; clock: Clock }) {
    this.#target = target
    this.#schema = schema
    this.#clock = clock
  }

  async unary<Response>(name: string, request: object, options: CallOptions = {}): Promise<Response> {
    const method = this.#method(name)
    using call = this.#open(method, options)
    call.stream.end(frameMessage(encodeMessage(this.#schema, method.request, request)))
    const message = await call.reader.next()
    if (message === undefined) throw new GrpcError(grpcCode('INTERNAL'), `${name} ended without an answer`)
    // The status comes after the message: a failed call may have sent one all the same.
    await call.reader.next()
    return decodeMessage(this.#schema, method.response, message) as Response
  }

  async *serverStream<Response>(name: string, request: object, options: CallOptions = {}): AsyncGenerator<Response, void> {
    const method = this.#method(name)
    using call = this.#open(method, options)
    call.stream.end(frameMessage(encodeMessage(this.#schema, method.request, request)))
    for (let message = await call.reader.next(); message !== undefined; message = await call.reader.next()) {
      yield decodeMessage(this.#schema, method.response, message) as Response
    }
  }

  duplex<Request extends object, Response>(name: string, options: CallOptions = {}): DuplexCall<Request, Response> {
    const method = this.#method(name)
    const call = this.#open(method, options)
    return {
      exchange: async (request) => {
        call.stream.write(frameMessage(encodeMessage(this.#schema, method.request, request)))
        const message = await call.reader.next()
        if (message === undefined) throw new GrpcError(grpcCode('INTERNAL'), `${name} ended without an answer`)
        return decodeMessage(this.#schema, method.response, message) as Response
      },
      [Symbol.asyncDispose]: async () => {
        call.stream.end()
        call[Symbol.dispose]()
      },
    }
  }

  stream<Request extends object, Response>(name: string, options: CallOptions = {}): StreamCall<Request, Response> {
    const method = this.#method(name)
    const call = this.#open(method, options)
    return {
      send: (request) => void call.stream.write(frameMessage(encodeMessage(this.#schema, method.request, request))),
      next: async () => {
        const message = await call.reader.next()
        return message && (decodeMessage(this.#schema, method.response, message) as Response)
      },
      [Symbol.dispose]: () => call[Symbol.dispose](),
    }
  }

  [Symbol.dispose](): void {
    this.#session?.destroy()
    this.#session = undefined
  }

  #method(name: string): ProtoMethod {
    const method = this.#schema.methods.get(name)
    if (!method) throw new TypeError(`no method ${name} in this schema`)
    return method
  }

  #open(method: ProtoMethod, { deadlineMs = 0, signal, metadata }: CallOptions) {
    signal?.throwIfAborted()
    const session = this.#connect()
    const headers: http2.OutgoingHttpHeaders = {
      ...metadata,
      ':method': 'POST',
      ':path': method.path,
      ':authority': 'localhost',
      'content-type': 'application/grpc',
      te: 'trailers',
    }
    if (deadlineMs > 0) headers['grpc-timeout'] = `${Math.ceil(deadlineMs)}m`
    const stream = session.request(headers)
    const reader = new MessageReader(stream, () => session.destroyed)
    if (this.#active++ === 0) session.ref()
    const timer =
      deadlineMs > 0
        ? this.#clock.after(deadlineMs, () => reader.fail(new GrpcError(grpcCode('DEADLINE_EXCEEDED'), 'context deadline exceeded')))
        : undefined
    const abort = () => reader.fail(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    return {
      stream,
      reader,
      [Symbol.dispose]: () => {
        timer?.cancel()
        signal?.removeEventListener('abort', abort)
        if (!stream.closed) stream.close(http2.constants.NGHTTP2_CANCEL)
        if (--this.#active === 0 && !session.destroyed) session.unref()
      },
    }
  }

  #connect(): http2.ClientHttp2Session {
    if (this.#session && !this.#session.destroyed && !this.#session.closed) return this.#session
    const session = http2.connect('http://localhost', {
      createConnection: () => this.#dial(),
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
      maxSessionMemory: 64,
    })
    // Also one that was given up meanwhile connects.
    session.on('connect', () => session.destroyed || session.setLocalWindowSize(WINDOW_BYTES))
    // Every open stream reports the failure to its caller; here it only must not be thrown.
    session.on('error', () => {})
    session.on('goaway', () => session.close())
    this.#session = session
    return session
  }

  #dial(): net.Socket {
    if (typeof this.#target === 'string') return net.connect(this.#target)
    const { addresses, tls: secure } = this.#target
    const { host, port } = addresses[this.#attempts++ % addresses.length]!
    const socket = secure
      ? tls.connect({ ...secure, host, port, ALPNProtocols: ['h2'], ...(net.isIP(host) ? {} : { servername: host }) })
      : net.connect({ host, port })
    socket.setNoDelay(true)
    return socket
  }
}
