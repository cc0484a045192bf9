// Reads a request's body whole, within bounds of size and time. An upload that breaks off is an error, never a short body.
import { StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import type { Exchange } from '#server/request.ts'

const MAX_BODY_BYTES = 3 * 1024 * 1024
const BODY_TIMEOUT_MS = 60_000

const EMPTY = Buffer.alloc(0)

export function readBody(exchange: Exchange, { clock, limit = MAX_BODY_BYTES }: { clock: Clock; limit?: number }): Promise<Buffer> {
  const { input, headers } = exchange
  const declared = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
  if (declared !== undefined && declared > limit) return Promise.reject(tooLarge(limit))
  if (input.readableEnded) return Promise.resolve(EMPTY)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = clock.after(BODY_TIMEOUT_MS, () =>
      fail(new StatusError('Timeout', 'request did not complete within the allotted timeout')),
    )
    const finish = () => {
      timer.cancel()
      input.off('data', take).off('end', end).off('aborted', broken).off('close', broken).off('error', broken)
    }
    const fail = (error: StatusError) => {
      finish()
      input.resume()
      reject(error)
    }
    const take = (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) fail(tooLarge(limit))
      else chunks.push(chunk)
    }
    const broken = () => fail(new StatusError('BadRequest', 'the request was aborted before its body was complete'))
    const end = () => {
      // An aborted HTTP/2 upload still tells "end", with a truncated body.
      if ((input as { aborted?: boolean }).aborted || (declared !== undefined && declared !== size)) return broken()
      finish()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size))
    }
    input.on('data', take).on('end', end).on('aborted', broken).on('close', broken).on('error', broken)
  })
}

function tooLarge(limit: number): StatusError {
  return new StatusError('RequestEntityTooLarge', `Request entity is too large: limit is ${limit}`)
}
