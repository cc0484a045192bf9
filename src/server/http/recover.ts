// The outermost link: whatever goes wrong becomes an answer. Nothing thrown while serving one request reaches the process.
import { type Status, StatusError } from '#api/status.ts'
import type { Logger } from '#lib/log.ts'
import { answer, type Call, type Link } from './call.ts'

export function recover({ log }: { log: Logger }): Link {
  return async (call, next) => {
    try {
      await next()
    } catch (error) {
      const refusal = error instanceof StatusError ? error : internalError(error)
      if (refusal !== error) log.error('request failed', { method: call.exchange.method, path: call.exchange.path, error })
      if (call.exchange.answered) call.exchange.abort()
      else answerStatus(call, refusal.toStatus())
    }
  }
}

export function answerStatus(call: Call, status: Status): void {
  const code = status.code ?? (status.status === 'Failure' ? 500 : 200)
  const retry = status.details?.retryAfterSeconds
  answer(call, code, {
    type: 'application/json',
    body: `${JSON.stringify(status)}\n`,
    headers: retry === undefined ? {} : { 'retry-after': String(retry) },
  })
}

function internalError(error: unknown): StatusError {
  const text = error instanceof Error ? error.message : String(error)
  return new StatusError('InternalError', `Internal error occurred: ${text}`, { details: { causes: [{ message: text }] }, cause: error })
}
