// A stranger for tests: an HTTPS server in this process with an authority of its own, answering as it is told.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { issueAuthority, issueCertificate } from '#server/pki/issuer.ts'

export interface ReceivedCall {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: string
}

/** What to answer: a value as JSON, or all by itself. */
export type Answerer = (call: ReceivedCall, response: ServerResponse) => unknown

export interface Stranger extends AsyncDisposable {
  port: number
  url: string
  caBundle: string
  calls: ReceivedCall[]
  answerer: Answerer
}

export async function startStranger(answerer: Answerer, { names = ['localhost'], host = '127.0.0.1' } = {}): Promise<Stranger> {
  const context = { now: systemClock.now(), random: systemRandom }
  const authority = await issueAuthority('authority of strangers', context)
  const spec = { commonName: 'stranger', usages: ['server auth'] as const, addresses: [...names, '127.0.0.1'] }
  const pair = await issueCertificate({ ...spec, usages: [...spec.usages] }, authority, context)
  const stranger = { calls: [] as ReceivedCall[], answerer }
  const server = createServer({ cert: pair.certificate, key: pair.key }, (request, response) => {
    void (async () => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part as Buffer)
      const call = { method: request.method!, path: request.url!, headers: request.headers, body: Buffer.concat(parts).toString() }
      stranger.calls.push(call)
      const value = await stranger.answerer(call, response)
      if (value === undefined || response.headersSent) return
      response.setHeader('content-type', 'application/json')
      response.end(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value))
    })().catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(stranger, {
    port,
    url: `https://127.0.0.1:${port}`,
    caBundle: Buffer.from(authority.certificate).toString('base64'),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}
