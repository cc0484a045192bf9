// GET pods/NAME/log: the kubelet's answer, streamed.
import { pipeline } from 'node:stream/promises'
import { type FieldError, forbidden, invalid } from '#api/field-error.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { invalidError, StatusError } from '#api/status.ts'
import { hostPort } from '#lib/dial-error.ts'
import { parseInt64 } from '#server/http/parameters.ts'
import { isSet } from '#server/http/request-info.ts'
import { connectionError } from '#server/outgoing/call-error.ts'
import type { ObjectReader, SubresourceHandler } from '#server/request.ts'
import { forward, returnedHeaders, textOf } from './forward-http.ts'
import type { Kubelets } from './kubelets.ts'
import { containerOf, podOf } from './pod-container.ts'

const LONGEST_ERROR = 2000

export function podLogs(reader: ObjectReader, kubelets: Kubelets): SubresourceHandler {
  return {
    kind: Pod,
    subresource: 'log',
    async connect({ key, headers }, exchange) {
      const { query, signal } = exchange
      const errors = checkOptions(query)
      if (errors.length > 0) throw invalidError({ group: '', kind: 'PodLogOptions' }, key.name, errors)
      const pod = podOf(reader, key)
      const container = containerOf(pod, query.get('container') ?? '')
      const nodeName = pod.spec?.nodeName
      // Not scheduled yet: nothing has been said.
      if (!nodeName) return exchange.send(200, { ...headers, 'content-type': 'text/plain' }, '')
      const address = kubelets.address(nodeName)
      const path = `/containerLogs/${key.namespace}/${key.name}/${container}${forwardedQuery(query)}`
      const tls = isSet(query.get('insecureSkipTLSVerifyBackend'))
        ? { tls: { ...kubelets.tls, rejectUnauthorized: false } }
        : { agent: kubelets.agent, tls: kubelets.tls }
      const backend = { scheme: 'https', ...address, ...tls } as const
      const answer = await forward(backend, { method: 'GET', path, headers: { accept: '*/*' }, signal }).catch((error: unknown) => {
        throw new StatusError('', `Get "https://${hostPort(address)}${path}": ${connectionError(error, address)}`, { cause: error })
      })
      const code = answer.statusCode ?? 500
      if (code < 200 || code > 206) throw refusalOf(code, (await textOf(answer, LONGEST_ERROR)).trim(), key.name)
      const { 'content-type': type = 'text/plain' } = returnedHeaders(answer.headers)
      await pipeline(answer, exchange.open(200, { ...headers, 'content-type': type })).catch(ignoreLeaving)
    },
  }
}

function refusalOf(code: number, text: string, name: string): StatusError {
  if (code === 400) return new StatusError('BadRequest', text)
  if (code === 404)
    return new StatusError('NotFound', `the server could not find the requested resource ( pods/log ${name})`, {
      details: { name, kind: 'pods/log', causes: [{ reason: 'UnexpectedServerResponse', message: text }] },
    })
  return new StatusError('InternalError', `Internal error occurred: ${text}`)
}

const FLAGS = ['follow', 'previous', 'timestamps']
const NUMBERS = ['tailLines', 'limitBytes', 'sinceSeconds']

function forwardedQuery(query: URLSearchParams): string {
  const kept = new URLSearchParams()
  for (const name of FLAGS) if (isSet(query.get(name))) kept.set(name, 'true')
  for (const name of [...NUMBERS, 'sinceTime']) {
    const value = query.get(name)
    if (value) kept.set(name, value)
  }
  return kept.size > 0 ? `?${kept}` : ''
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}([.,]\d+)?(Z|[+-]\d{2}:\d{2})$/

function checkOptions(query: URLSearchParams): FieldError[] {
  const errors: FieldError[] = []
  const numbers = new Map(NUMBERS.map((name) => [name, parseInt64(query.get(name))]))
  const sinceTime = query.get('sinceTime')
  if (sinceTime && (!RFC3339.test(sinceTime) || Number.isNaN(Date.parse(sinceTime.replace(',', '.')))))
    throw new StatusError(
      'BadRequest',
      `parsing time ${JSON.stringify(sinceTime)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(sinceTime)} as "2006"`,
    )
  for (const [name, number] of numbers) {
    const least = name === 'tailLines' ? 0n : 1n
    if (number === undefined || number >= least || (name === 'sinceSeconds' && sinceTime !== null)) continue
    errors.push(invalid(name, Number(number), `must be greater than ${least === 0n ? 'or equal to 0' : '0'}`))
  }
  if (sinceTime !== null && numbers.get('sinceSeconds') !== undefined)
    errors.push(forbidden('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'))
  // Choosing one of the streams is behind a gate that is off.
  if (query.has('stream')) errors.push(forbidden('stream', 'may not be specified'))
  return errors
}

/** The client left, or the node did: the answer is broken off either way. */
export function ignoreLeaving(error: unknown): void {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ABORT_ERR' && code !== 'ECONNRESET' && code !== 'EPIPE') throw error
}
