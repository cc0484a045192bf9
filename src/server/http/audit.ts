// Records requests as the audit policy says. Sees who asked before anyone acts as someone else, and what came of it whatever goes wrong inside.
import { StatusError } from '#api/status.ts'
import type { Auditor } from '#server/audit/auditor.ts'
import type { AuditRecord, AuditSource } from '#server/audit/audit-record.ts'
import { attributesOf } from './authorization.ts'
import type { Call, Link, Serve } from './call.ts'
import { isLongRunning } from './long-running.ts'
import { answerInternalError } from './plain-refusal.ts'

const CLOSED_EARLY = { status: 'Success', message: 'Connection closed early', code: 200 } as const
const SWITCHING_PROTOCOLS = 101

export function audit(auditor: Auditor): Link {
  return (call, next) => {
    const record = auditor.begin(attributesOf(call), sourceOf(call), call.annotations)
    if (!record) return next(call)
    call.audit = record
    return recorded(record, call, next)
  }

  async function recorded(record: AuditRecord, call: Call, next: Serve): Promise<void> {
    const { exchange } = call
    const taken = auditor.tell(record, 'RequestReceived')
    if (!(taken === true || (await taken))) return answerInternalError(call, 'failed to store audit event')
    const longRunning = isLongRunning(call)
    const started = () => {
      if (longRunning) void auditor.tell(record, 'ResponseStarted')
    }
    exchange.opened = (status) => {
      record.status ??= { code: status }
      started()
    }
    try {
      await next(call)
    } catch (error) {
      tellFailure(auditor, record, { call, error })
      throw error
    } finally {
      exchange.opened = undefined
    }
    const complete = () => void auditor.tell(record, 'ResponseComplete')
    const { socket } = (exchange.status ? undefined : exchange.upgrade) ?? {}
    if (!record.status) {
      record.status = exchange.status ? { code: exchange.status } : socket ? { code: SWITCHING_PROTOCOLS } : CLOSED_EARLY
      started()
    }
    // What speaks another protocol from here on is complete when its connection ends.
    if (socket && !socket.closed) socket.once('close', complete)
    else complete()
  }
}

function tellFailure(auditor: Auditor, record: AuditRecord, { call, error }: { call: Call; error: unknown }): void {
  if (!(error instanceof StatusError)) {
    const message = `APIServer panic'd: ${error instanceof Error ? error.message : String(error)}`
    record.status = { status: 'Failure', message, reason: 'InternalError', code: 500 }
    return void auditor.tell(record, 'Panic')
  }
  if (!call.exchange.answered) record.answered(error.toStatus())
  void auditor.tell(record, 'ResponseComplete')
}

/** Tells of those who failed to say who they are: outside of authentication. */
export function auditRefusals(auditor: Auditor): Link {
  return async (call, next) => {
    try {
      await next(call)
    } catch (error) {
      if (!call.audit && error instanceof StatusError && error.reason === 'Unauthorized') {
        const { authorization } = call.exchange.headers
        const tried = [...(authorization ? ['bearer'] : []), ...(call.exchange.peer.badCertificate ? ['x509'] : [])]
        const what = tried.length > 0 ? `attempted: ${tried.join(', ')}` : 'no credentials provided'
        auditor.refused(call.info, sourceOf(call), { message: `Authentication failed, ${what}`, annotations: call.annotations })
      }
      throw error
    }
  }
}

function sourceOf({ exchange, headers }: Call): AuditSource {
  return {
    auditId: String(headers['audit-id']),
    requestUri: exchange.url,
    sourceIPs: sourceIPs(exchange),
    userAgent: String(exchange.headers['user-agent'] ?? ''),
  }
}

/** What proxies say of where it came from, then who is at the other end of the connection. */
function sourceIPs({ headers, remoteAddress }: Call['exchange']): string[] {
  const forwarded = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => /^[\da-fA-F.:]{2,45}$/.test(one))
    .slice(0, 32)
  const real = String(headers['x-real-ip'] ?? '').trim()
  if (forwarded.length === 0 && /^[\da-fA-F.:]{2,45}$/.test(real)) forwarded.push(real)
  const remote = remoteAddress.replace(/^::ffff:/, '')
  if (remote && forwarded.at(-1) !== remote) forwarded.push(remote)
  return forwarded
}
