// Calls to those who help to decide who may come in: issuers and webhooks of the operator's choice.
import type { Outgoing } from '#server/outgoing/outgoing.ts'

export interface OutgoingCall {
  url: string
  method: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: string
  /** PEM; absent: the authorities everyone trusts. */
  ca?: string
  certificate?: string
  key?: string
  timeoutMs: number
}

export interface CallAnswer {
  status: number
  body: Buffer
}

/** Throws an Error that says what failed. */
export type Calls = (call: OutgoingCall) => Promise<CallAnswer>

const MAX_BYTES = 1024 * 1024

export function callsThrough(outgoing: Outgoing): Calls {
  return ({ url, ca, certificate, key, ...request }) => {
    const { origin, pathname, searchParams } = new URL(url)
    return outgoing.send(
      { url: origin, ...(ca ? { caBundle: Buffer.from(ca).toString('base64') } : {}) },
      {
        ...request,
        path: pathname,
        query: searchParams,
        ...(certificate && key ? { credentials: { certificate, key } } : {}),
        maxBytes: MAX_BYTES,
      },
    )
  }
}
