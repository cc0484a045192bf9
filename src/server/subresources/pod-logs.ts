// GET pods/NAME/log: the kubelet's answer, streamed.
import { pipeline } from 'node:stream/promises'
import { type FieldError, forbidden, invalid, notSupported } from '#api/field-error.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { invalidError, StatusError } from '#api/status.ts'
import { hostPort } from '#lib/dial-error.ts'
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
    async connect({ key }, exchange) {
      const { query, signal } = exchange
      const pod = podOf(reader, key)
      const errors = checkOptions(query)
      if (errors.length > 0) throw invalidError({ group: '', kind: 'PodLogOptions' }, key.name, errors)
      const container = containerOf(pod, query.get('container') ?? '')
      const nodeName = pod.spec?.nodeName
      // Not scheduled yet: nothing has been said.
      if (!nodeName) return exchange.send(200, { 'content-type': 'text/plain' }, '')
      const address = kubelets.address(nodeName)
      const path = `/containerLogs/${key.namespace}/${key.name}/${container}${forwardedQuery(query)}`
      const backend = { scheme: 'https', ...address, agent: kubelets.agent, tls: kubelets.tls } as const
      const answer = await forward(backend, { method: 'GET', path, headers: { accept: '*/*' }, signal }).catch((error: unknown) => {
        throw new StatusError('', `Get "https://${hostPort(address)}${path}": ${connectionError(error, address)}`, { cause: error })
      })
      const code = answer.statusCode ?? 500
      if (code < 200 || code > 206) throw refusalOf(code, (await textOf(answer, LONGEST_ERROR)).trim(), key.name)
      const { 'content-type': type = 'text/plain' } = returnedHeaders(answer.headers)
      await pipeline(answer, exchange.open(200, { 'content-type': type })).catch(ignoreLeaving)
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
const FORWARDED = [...FLAGS, ...NUMBERS, 'sinceTime']

function forwardedQuery(query: URLSearchParams): string {
  const kept = new URLSearchParams()
  for (const name of FORWARDED) {
    const value = query.get(name)
    if (value && !(FLAGS.includes(name) && !isTrue(value))) kept.set(name, FLAGS.includes(name) ? 'true' : value)
  }
  return kept.size > 0 ? `?${kept}` : ''
}

/** Go's strconv.ParseBool as query parameters are decoded: anything that is not false. */
export const isTrue = (value: string | null): boolean => value !== null && value !== 'false' && value !== '0'

function checkOptions(query: URLSearchParams): FieldError[] {
  const errors: FieldError[] = []
  for (const name of NUMBERS) {
    const text = query.get(name)
    if (!text) continue
    if (!/^-?\d{1,18}$/.test(text)) throw new StatusError('BadRequest', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
    const least = name === 'tailLines' ? 0 : 1
    if (Number(text) < least) errors.push(invalid(name, Number(text), `must be greater than ${least === 0 ? 'or equal to 0' : '0'}`))
  }
  const sinceTime = query.get('sinceTime')
  if (sinceTime && query.get('sinceSeconds'))
    errors.push(forbidden('sinceTime', 'at most one of `sinceTime` or `sinceSeconds` may be specified'))
  if (sinceTime && Number.isNaN(Date.parse(sinceTime)))
    throw new StatusError(
      'BadRequest',
      `parsing time ${JSON.stringify(sinceTime)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(sinceTime)} as "2006"`,
    )
  const stream = query.get('stream')
  if (stream && stream !== 'All') errors.push(notSupported('stream', stream, ['All']))
  return errors
}

/** The client left, or the node did: the answer is broken off either way. */
export function ignoreLeaving(error: unknown): void {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ABORT_ERR' && code !== 'ECONNRESET' && code !== 'EPIPE') throw error
}
