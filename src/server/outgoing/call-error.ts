// Why a call to a stranger failed, in the words of Go's client: people search for these sentences.
import { isObject } from '#api/clone.ts'
import { unexpectedAnswer } from '#api/unexpected-answer.ts'
import { type Address, dialError } from '#lib/dial-error.ts'

export interface CallErrorOptions extends ErrorOptions {
  /** The HTTP status, where there was an answer. */
  status?: number
  timedOut?: boolean
  /** The configuration is at fault: nobody was called. */
  setup?: boolean
}

export class CallError extends Error {
  readonly status: number | undefined
  readonly timedOut: boolean
  readonly setup: boolean

  constructor(message: string, { status, timedOut = false, setup = false, ...options }: CallErrorOptions = {}) {
    super(message, options)
    this.status = status
    this.timedOut = timedOut
    this.setup = setup
  }
}

const UNKNOWN_AUTHORITY = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
])

/** What happened below HTTP. */
export function connectionError(error: unknown, address: Address): string {
  const { code = '', message, cert, host } = error as NodeJS.ErrnoException & { cert?: { subjectaltname?: string }; host?: string }
  const certificate = (why: string) => `tls: failed to verify certificate: x509: ${why}`
  if (UNKNOWN_AUTHORITY.has(code)) return certificate('certificate signed by unknown authority')
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return certificate('certificate has expired or is not yet valid')
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = (cert?.subjectaltname ?? '').replaceAll(/(?:DNS|IP Address):/g, '')
    if (!names) return certificate(`certificate is not valid for any names, but wanted to match ${host ?? address.host}`)
    return certificate(`certificate is valid for ${names}, not ${host ?? address.host}`)
  }
  if (/wrong version number|packet length too long|http request/.test(message)) return 'http: server gave HTTP response to HTTPS client'
  if (/alert (bad certificate|certificate required|unknown ca)/.test(message))
    return `remote error: tls: ${/alert ([a-z ]+)/.exec(message)![1]!.trim()}`
  if (code.startsWith('HPE_')) return `net/http: HTTP/1.x transport connection broken: ${message}`
  if (code === 'ECONNRESET' && message === 'socket hang up') return 'EOF'
  if (code === 'ECONNRESET') return 'read: connection reset by peer'
  return dialError(error, address)
}

const MAX_QUOTED = 2048

/** An answer that is none: its own words where it is a Status, else what its code means. */
export function statusError(status: number, body: Buffer): CallError {
  const text = body.subarray(0, MAX_QUOTED).toString('utf8').trim()
  const own = text.startsWith('{') ? statusMessage(body) : undefined
  return new CallError(own ?? unexpectedAnswer(status, text), { status })
}

function statusMessage(body: Buffer): string | undefined {
  if (body.length > MAX_QUOTED * 8) return undefined
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return isObject(value) && value['kind'] === 'Status' && value['status'] === 'Failure' && typeof value['message'] === 'string'
      ? value['message']
      : undefined
  } catch {
    return undefined
  }
}
