// The shape of everything the generic engine does not serve itself: reviews, bindings, evictions, tokens, and the streams to nodes.
// The engine's side has already authenticated, authorised and decoded; admission is asked where `admission` says so.
import type { IncomingMessage } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import type { RequestAttributes } from '#server/request.ts'

/** A request for JSON: decoded body in, object out. */
export interface ObjectCall {
  attributes: RequestAttributes
  query: URLSearchParams
  /** Decoded and pruned body of create and update; a copy the handler may change. */
  body?: KubeObject
  dryRun: boolean
  fieldManager: string
  warn(text: string): void
  signal: AbortSignal
}

/** Serves `kind` itself (a virtual kind) or one `subresource` of it. Answers with the object and, where not 200 or 201, the code. */
export interface ObjectEndpoint {
  kind: Kind<any>
  subresource?: string
  /** What the body is decoded as; absent: the kind's own. */
  body?: Kind<any>
  create?(call: ObjectCall): Promise<{ object: KubeObject; code?: number }>
  get?(call: ObjectCall): Promise<{ object: KubeObject; code?: number }>
}

/** A request whose bytes pass through: logs, proxies, and, where `upgrade` is set, a raw tunnel over the client's socket. */
export interface StreamCall {
  attributes: RequestAttributes
  method: string
  /** Path and query as sent. */
  url: string
  /** What follows `/proxy`, beginning with a slash, or empty. */
  rest: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  body: Readable
  signal: AbortSignal
}

export interface StreamAnswer {
  code: number
  headers: Record<string, string | string[]>
  body: Readable
}

export interface StreamEndpoint {
  kind: Kind<any>
  subresource: string
  handle(call: StreamCall): Promise<StreamAnswer>
  /** Takes over the socket of an HTTP/1.1 upgrade request. Before the first byte is written it refuses by throwing StatusError. */
  upgrade?(call: StreamCall, client: { socket: Duplex; head: Buffer }): Promise<void>
}

/** Writes past the generic update's rules (a binding sets what an update may not), still with compare-and-swap and managed fields. */
export interface ObjectWriter {
  /** Lets `change` alter a copy of what is stored and writes that; again from the start when someone else was faster. */
  update<T extends KubeObject>(
    kind: Kind<T>,
    key: ObjectKey,
    change: (object: T) => void,
    options?: { dryRun?: boolean; fieldManager?: string; subresource?: string; preconditions?: { uid?: string; resourceVersion?: string } },
  ): Promise<T>
}
