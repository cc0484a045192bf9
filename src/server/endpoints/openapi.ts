// /openapi/v2 and /openapi/v3: built when asked for, in slices, and kept until the set of kinds changes. A document asked for by its hash never changes.
import { OpenApi, type OpenApiDocument, v2FormatOf } from '#api/openapi/openapi.ts'
import { type Clock, formatHttpDate } from '#lib/clock.ts'
import { answer, type Call } from '#server/http/call.ts'
import { sendBytes } from '#server/http/respond.ts'
import type { Endpoint } from './endpoint.ts'
import type { ServedKinds } from './served-kinds.ts'

const V3 = '/openapi/v3'
const YEAR_MS = 365 * 24 * 3600 * 1000

export function openApiEndpoints(served: ServedKinds, { release, clock }: { release: string; clock: Clock }): Endpoint[] {
  let made: { generation: number; openapi: OpenApi } | undefined
  const openapi = () => {
    const { generation } = served
    if (made?.generation !== generation) made = { generation, openapi: new OpenApi(served.kinds(), release, served.remoteDocuments()) }
    return made.openapi
  }
  return [
    {
      path: '/openapi/v2',
      serves: (path) => path === '/openapi/v2',
      answer: async (call) => send(call, await openapi().v2(v2FormatOf(call.exchange.headers.accept))),
    },
    {
      path: V3,
      serves: (path) => path === V3 || path === `${V3}/`,
      answer: (call) => send(call, openapi().index()),
    },
    {
      serves: (path) => path.startsWith(`${V3}/`),
      async answer(call) {
        const { path, query } = call.exchange
        const root = path.slice(V3.length + 1)
        if (await served.answerRemote(call, root)) return
        const document = await openapi().v3(root)
        if (!document) return answer(call, 404, { type: 'text/plain; charset=utf-8', body: '404 page not found\n' })
        const asked = query.get('hash')
        const hash = document.etag.replaceAll('"', '')
        if (asked && asked !== hash) return answer(call, 301, { headers: { location: `${path}?hash=${hash}` } })
        if (asked) {
          call.headers['cache-control'] = 'public, immutable'
          call.headers.expires = formatHttpDate(clock.now() + YEAR_MS)
        }
        await send(call, document)
      },
    },
  ]
}

async function send(call: Call, { contentType, body, etag }: OpenApiDocument): Promise<void> {
  call.headers.etag = etag
  call.headers.vary = 'Accept'
  if (call.exchange.headers['if-none-match'] === etag) return answer(call, 304, {})
  await sendBytes(call, { status: 200, type: contentType, body })
}
