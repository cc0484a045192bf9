// One call of an extender: JSON there and back over HTTP or HTTPS, bounded in time and in the size of the answer. Redirects are not followed.
import type { IncomingMessage } from 'node:http'
import { dialError } from '#lib/dial-error.ts'
import { http } from '#lib/node-http.ts'
import type { ExtenderOptions } from './extender-options.ts'

const LATE = 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
const LATE_BODY = 'context deadline exceeded (Client.Timeout or context cancellation while reading body)'
const MAX_ANSWER_BYTES = 32 * 1024 * 1024

export async function callExtender(
  { url, timeoutMs, tls }: Pick<ExtenderOptions, 'url' | 'timeoutMs' | 'tls'>,
  verb: string,
  { args, signal }: { args: unknown; signal: AbortSignal },
): Promise<unknown> {
  const address = `${url}/${verb}`
  const body = Buffer.from(JSON.stringify(args))
  const timeout = AbortSignal.timeout(timeoutMs)
  const options = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': body.length },
    signal: AbortSignal.any([signal, timeout]),
  }
  const secure = address.startsWith('https:')
  const request = secure ? (await import('node:https')).request(address, { ...options, ...tls }) : http.request(address, options)
  let answer: IncomingMessage | undefined
  try {
    answer = await new Promise<IncomingMessage>((resolve, reject) => request.on('response', resolve).on('error', reject).end(body))
    const bytes = await bounded(answer)
    if (answer.statusCode !== 200) throw new Error(`failed ${verb} with extender at URL ${address}, code ${answer.statusCode}`)
    return JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    if (answer && !timeout.aborted) throw error
    throw new Error(answer ? LATE_BODY : `Post ${JSON.stringify(address)}: ${timeout.aborted ? LATE : why(error, address)}`, {
      cause: error,
    })
  } finally {
    request.destroy()
  }
}

function why(error: unknown, address: string): string {
  const { syscall, message } = error as NodeJS.ErrnoException
  const { hostname, port, protocol } = new URL(address)
  const to = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) }
  return syscall === 'connect' || syscall === 'getaddrinfo' ? dialError(error, to) : message
}

async function bounded(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MAX_ANSWER_BYTES) throw new Error(`the answer of the extender is larger than ${MAX_ANSWER_BYTES} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}
