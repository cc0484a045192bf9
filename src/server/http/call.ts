// One request on its way through the chain, and how the chain is run: a visible list of links, each deciding whether the next one runs.
import type { UserInfo } from '#client/client.ts'
import type { AuditRecord } from '#server/audit/audit-record.ts'
import type { Resource } from '#server/registry.ts'
import type { Annotate, Within } from '#server/request.ts'
import type { ServedExchange } from './exchange.ts'
import type { RequestInfo } from './request-info.ts'
import { warningHeaders } from './warnings.ts'

export interface Call {
  readonly exchange: ServedExchange
  /** Set by the links named. */
  info: RequestInfo // requestInfo
  user: UserInfo // authenticate, impersonate
  /** Headers every answer to this call carries. */
  readonly headers: Record<string, string | string[]>
  readonly warnings: Set<string>
  /** Of the audit event: what admission had to say. */
  readonly annotations: Map<string, string>
  resource: Resource | undefined
  /** What is recorded of it; undefined: nothing is. */
  audit: AuditRecord | undefined // audit
  /** How long it stood in a queue, or waited for webhooks. */
  waitedMs: number
  /** How long the client waits, and whether it still does. */
  within?: Within // deadline
  /** Whether its body is so large that others should have turns while it is worked on. */
  large?: boolean
  /** What a large body holds until the call has come to its end. */
  room?: Disposable
}

export type Serve = (call: Call) => Promise<void>
export type Link = (call: Call, next: Serve) => Promise<void>

/** The links in the order they are gone through. Put together once: a request makes nothing but what its links make. */
export function chained(links: readonly Link[]): Serve {
  return links.reduceRight<Serve>(
    (next, link) => (call) => link(call, next),
    () => Promise.resolve(),
  )
}

/** Adds to the call's audit event. */
export function annotateOf(call: Call): Annotate {
  return (key, value, level) => {
    if (!level || call.audit?.keeps(level)) call.annotations.set(key, typeof value === 'string' ? value : value())
  }
}

/** Answers whole, with the headers and warnings gathered on the way. */
export function answer(call: Call, status: number, { type, body, headers }: Answer): void {
  const told = answerHeaders(call)
  if (type) told['content-type'] = type
  for (const name in headers) told[name] = headers[name]!
  call.exchange.send(status, told, body)
}

export interface Answer {
  type?: string
  body?: Uint8Array | string
  headers?: Record<string, string>
}

export function answerHeaders(call: Call): Record<string, string | string[]> {
  return call.warnings.size === 0 ? call.headers : { ...call.headers, warning: warningHeaders(call.warnings) }
}
