// /openapi/v2 and /openapi/v3: built when asked for, in slices, and kept until the set of kinds changes. A document asked for by its hash never changes.
import { OpenApi, type OpenApiDocument, type OpenApiFormat, V2_PROTOBUF, V3_PROTOBUF } from '#api/openapi/openapi.ts'
import { type Clock, formatHttpDate } from '#lib/clock.ts'
import { answer, type Call } from '#server/http/call.ts'
import { clauses } from '#lib/accept.ts'
import { nextTurn } from '#lib/paced.ts'
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
      async answer(call) {
        const format = formatOf(call, V2_FORMATS)
        await (format ? send(call, await openapi().v2(format)) : notAcceptable(call))
      },
    },
    {
      path: V3,
      serves: (path) => path === V3 || path === `${V3}/`,
      answer: async (call) => send(call, await openapi().index()),
    },
    {
      serves: (path) => path.startsWith(`${V3}/`),
      async answer(call) {
        const { path, query } = call.exchange
        const root = path.slice(V3.length + 1)
        if (await served.answerRemote(call, root)) return
        const format = formatOf(call, V3_FORMATS)
        const document = await openapi().v3(root, format)
        if (!document) return answer(call, 404, { type: 'text/plain; charset=utf-8', body: '404 page not found\n' })
        if (!format) return notAcceptable(call)
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

const V2_FORMATS: Readonly<Record<string, OpenApiFormat>> = { 'application/json': 'json', [V2_PROTOBUF]: 'protobuf' }
const V3_FORMATS: Readonly<Record<string, OpenApiFormat>> = { 'application/json': 'json', [V3_PROTOBUF]: 'protobuf' }

/** The first of the formats that the client would take, as it ranks them. */
function formatOf<F>({ exchange: { headers } }: Call, formats: Readonly<Record<string, F>>): F | undefined {
  for (const { type } of clauses(headers.accept || '*/*')) {
    const [family, name] = type.replace('@', '.').split('/')
    for (const [own, format] of Object.entries(formats)) {
      const [ownFamily, ownName] = own.split('/')
      if ((family === '*' || family === ownFamily) && (name === '*' || name === ownName)) return format
    }
  }
  return undefined
}

/** As upstream: without a word. */
function notAcceptable(call: Call): void {
  answer(call, 406, { headers: { vary: 'Accept' } })
}

/** A crowd that has waited for the same document goes on a few at a time. */
async function send(call: Call, { contentType, body, etag }: OpenApiDocument): Promise<void> {
  await nextTurn()
  call.headers.etag = etag
  call.headers.vary = 'Accept'
  if (call.exchange.headers['if-none-match'] === etag) return answer(call, 304, {})
  await sendBytes(call, { status: 200, type: contentType, body })
}
