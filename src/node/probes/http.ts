// HTTP probes: a GET whose status from 200 to 399 is success. Redirects on the same host are followed; certificates are not looked at.
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { HTTPGetAction } from '#api/generated/types.ts'
import { dialError, hostPort } from '#lib/dial-error.ts'
import { http } from '#lib/node-http.ts'
import { bounded, type Outcome, portOf, type ProbeTarget } from './outcome.ts'

const USER_AGENT = 'kube-probe/1.36'
const REDIRECTS = 10
const BODY_LIMIT = 10 * 1024

export async function httpProbe(action: HTTPGetAction, target: ProbeTarget): Promise<Outcome> {
  const address = { host: action.host || target.podIp, port: portOf(action.port, target) }
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const path = action.path ?? ''
  const url = new URL(`${scheme}://${hostPort(address)}`)
  const question = path.indexOf('?')
  const spelled = `${scheme}://${hostPort(address)}${path.startsWith('/') ? path : `/${path}`}`
  url.pathname = question < 0 ? path : path.slice(0, question)
  url.search = question < 0 ? '' : path.slice(question)
  const headers = headersOf(action)
  try {
    let current = url
    for (let redirects = 0; ; redirects++) {
      const { status, location, body } = await get(current, { headers, signal: target.signal })
      if (status >= 300 && status < 400 && location) {
        const next = new URL(location, current)
        if (next.hostname !== url.hostname) return { result: 'warning', output: `Probe terminated redirects, Response body: ${body}` }
        if (redirects >= REDIRECTS) return { result: 'failure', output: `Get "${spelled}": stopped after ${REDIRECTS} redirects` }
        current = next
        continue
      }
      if (status >= 200 && status < 400) return { result: 'success', output: body }
      return { result: 'failure', output: `HTTP probe failed with statuscode: ${status}` }
    }
  } catch (error) {
    if (target.signal.aborted) {
      return { result: 'failure', output: `Get "${spelled}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)` }
    }
    return { result: 'failure', output: `Get "${spelled}": ${dialError(error, address)}` }
  }
}

interface Answer {
  status: number
  location: string | undefined
  body: string
}

function get(url: URL, { headers, signal }: { headers: Record<string, string | string[]>; signal: AbortSignal }): Promise<Answer> {
  const send = url.protocol === 'https:' ? httpsRequest : http.request
  return new Promise((resolve, reject) => {
    const request = send(url, { headers, signal, agent: false, rejectUnauthorized: false }, (response) => {
      bodyOf(response).then((body) => resolve({ status: response.statusCode ?? 0, location: response.headers.location, body }), reject)
    })
    request.on('error', reject)
    request.end()
  })
}

/** What is longer than the limit is not read. */
async function bodyOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response) {
    text += (chunk as Buffer).toString()
    if (text.length > BODY_LIMIT) break
  }
  return bounded(text)
}

function headersOf({ httpHeaders = [] }: HTTPGetAction): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'user-agent': USER_AGENT, accept: '*/*', connection: 'close' }
  const own = new Map<string, string[]>()
  for (const { name, value } of httpHeaders) {
    const key = name.toLowerCase()
    own.set(key, [...(own.get(key) ?? []), value])
  }
  for (const [name, values] of own) headers[name] = values.length === 1 ? values[0]! : values
  if (headers.accept === '') delete headers.accept
  return headers
}
