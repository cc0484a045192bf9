// The outermost link: whatever goes wrong becomes an answer. Nothing thrown while serving one request reaches the process.
import { type Status, StatusError } from '#api/status.ts'
import type { Logger } from '#lib/log.ts'
import { messageNamed } from '#api/codec/protobuf-tables.ts'
import { answer, type Call, type Link } from './call.ts'
import { type Format, negotiate } from './negotiate.ts'
import { encode } from './encode.ts'
import { wantsPretty } from './respond.ts'

export function recover({ log }: { log: Logger }): Link {
  return async (call, next) => {
    try {
      await next(call)
    } catch (error) {
      const refusal = error instanceof StatusError ? error : internalError(error)
      if (refusal !== error) log.error('request failed', { method: call.exchange.method, path: call.exchange.path, error })
      if (call.exchange.answered) call.exchange.abort()
      else answerStatus(call, refusal.toStatus())
    }
  }
}

/** In the form the client takes, JSON where it takes none of ours. */
export function answerStatus(call: Call, status: Status): void {
  if (call.audit && !call.audit.status) call.audit.answered(status)
  const code = status.code ?? (status.status === 'Failure' ? 500 : 200)
  const retry = status.details?.retryAfterSeconds
  const format = formatOf(call)
  const message = format === 'protobuf' ? messageNamed('meta.v1.Status') : undefined
  const { type, body } = encode(status, { format, pretty: wantsPretty(call), message })
  answer(call, code, { type, body, headers: retry === undefined ? {} : { 'retry-after': String(retry) } })
}

function formatOf({ exchange }: Call): Format {
  const { accept } = exchange.headers
  if (!accept || accept === 'application/json') return 'json'
  try {
    return negotiate(accept, { transforms: true, formats: ['json', 'yaml', 'protobuf'] }).format
  } catch {
    return 'json'
  }
}

function internalError(error: unknown): StatusError {
  const text = error instanceof Error ? error.message : String(error)
  return new StatusError('InternalError', `Internal error occurred: ${text}`, { details: { causes: [{ message: text }] }, cause: error })
}
