// One request on its way through the chain, and how the chain is run: a visible list of links, each deciding whether the next one runs.
import type { UserInfo } from '#client/client.ts'
import type { AuditRecord } from '#server/audit/audit-record.ts'
import type { Resource } from '#server/registry.ts'
import type { Annotate } from '#server/request.ts'
import type { ServedExchange } from './exchange.ts'
import type { RequestInfo } from './request-info.ts'

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
  /** Whether its body is so large that others should have turns while it is worked on. */
  large?: boolean
}

export type Link = (call: Call, next: () => Promise<void>) => Promise<void>

export function runChain(links: readonly Link[], call: Call): Promise<void> {
  const run = (index: number): Promise<void> => {
    const link = links[index]
    return link ? link(call, () => run(index + 1)) : Promise.resolve()
  }
  return run(0)
}

/** Adds to the call's audit event. */
export function annotateOf(call: Call): Annotate {
  return (key, value, level) => {
    if (!level || call.audit?.keeps(level)) call.annotations.set(key, value)
  }
}

const WARNINGS_LIMIT = 4096
const WARNING_LENGTH = 256

/** Answers whole, with the headers and warnings gathered on the way. */
export function answer(call: Call, status: number, { type, body, headers }: Answer): void {
  call.exchange.send(status, { ...answerHeaders(call), ...(type ? { 'content-type': type } : {}), ...headers }, body)
}

export interface Answer {
  type?: string
  body?: Uint8Array | string
  headers?: Record<string, string>
}

export function answerHeaders(call: Call): Record<string, string | string[]> {
  if (call.warnings.size === 0) return call.headers
  let size = 0
  const warnings: string[] = []
  for (const text of call.warnings) {
    size += text.length
    if (size > WARNINGS_LIMIT) break
    warnings.push(`299 - ${quote(text.slice(0, WARNING_LENGTH * 8))}`)
  }
  return { ...call.headers, warning: warnings }
}

/** A quoted-string of RFC 7234: no control characters, quotes and backslashes escaped. */
function quote(text: string): string {
  const plain = text.replace(/\s+/g, ' ').replace(/[^\x20-\x7e]/g, '?')
  return `"${plain.replace(/["\\]/g, '\\$&')}"`
}
