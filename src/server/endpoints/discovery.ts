// /api and /apis and below: which resources there are. Documents are kept until the set of kinds changes; clients that have them get 304.
import { Discovery } from '#api/discovery/discovery.ts'
import { notAllowed } from '#server/engine/subresource.ts'
import { answer, type Call } from '#server/http/call.ts'
import { messageNamed } from '#api/codec/protobuf-tables.ts'
import { type Format, negotiate } from '#server/http/negotiate.ts'
import { encode } from '#server/http/encode.ts'
import { sendBytes, wantsPretty } from '#server/http/respond.ts'
import type { Endpoint } from './endpoint.ts'
import type { ServedKinds } from './served-kinds.ts'

export function discoveryEndpoint(
  served: ServedKinds,
  { serverAddress }: { serverAddress(): string },
): Endpoint & { discovery(): Discovery } {
  let made: { generation: number; discovery: Discovery } | undefined
  const discovery = () => {
    const { generation } = served
    if (made?.generation !== generation) made = { generation, discovery: new Discovery(served.kinds(), served.order()) }
    return made.discovery
  }
  /** Upstream serves these by routes, which are for GET alone; the others by handlers that do not look. */
  const isRouted = (path: string) => {
    const [root, group, version] = path.split('/').filter(Boolean)
    return root === 'api' || (version !== undefined && served.kinds().some((kind) => kind.group === group && !kind.madeOf))
  }
  return {
    discovery,
    serves: (path) => /^\/apis?(\/|$)/.test(path) && discovery().document(path, { serverAddress: serverAddress() }) !== undefined,
    async answer(call: Call) {
      const { headers, path, method } = call.exchange
      if (method !== 'GET' && isRouted(path)) throw notAllowed()
      const document = discovery().document(path, { accept: headers.accept, serverAddress: serverAddress() })!
      if (document.contentType === 'application/json') {
        const { format } = negotiate(headers.accept, { formats: FORMATS })
        if (format !== 'json') return sendBytes(call, { status: 200, ...otherForm(document.body, format) })
      }
      if (headers['if-none-match'] === document.etag) return answer(call, 304, { headers: { etag: document.etag, vary: 'Accept' } })
      call.headers.etag = document.etag
      call.headers.vary = 'Accept'
      const body = wantsPretty(call) ? JSON.stringify(JSON.parse(document.body.toString()), null, 2) : document.body
      await sendBytes(call, { status: 200, type: document.contentType, body })
    },
  }
}

const FORMATS = ['json', 'yaml', 'protobuf'] as const

/** Plain documents come in any form; few ask, so none is kept. */
function otherForm(body: Buffer, format: Format): { type: string; body: string | Uint8Array } {
  const document = JSON.parse(body.toString()) as { kind: string }
  return encode(document, { format, message: messageNamed(`meta.v1.${document.kind}`) })
}
