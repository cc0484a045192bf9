// Pages seen through a proxy path: their absolute links and redirects are led back through it.
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import type { Backend } from './forward-http.ts'

export interface ProxyLinks {
  /** `/api/v1/namespaces/x/services/web/proxy`. */
  prefix: string
  backend: Backend
}

/** A page larger than this passes unchanged. */
const LARGEST_PAGE = 4 * 1024 * 1024
const LINK =
  /(<[a-z][^<>]*?\s(?:action|background|cite|classid|codebase|data|formaction|href|icon|longdesc|manifest|poster|profile|src|usemap)\s*=\s*)("[^"]*"|'[^']*')/gi

/** The answer's body, rewritten where it is HTML; `headers` are those sent on and are changed to fit. */
export function rewriteLinks(answer: IncomingMessage, headers: OutgoingHttpHeaders, links: ProxyLinks): Readable {
  const { location } = answer.headers
  if (location !== undefined) headers['location'] = throughProxy(location, links)
  const html = /^text\/html\b/i.test(answer.headers['content-type'] ?? '')
  const length = Number(answer.headers['content-length'] ?? 0)
  if (!html || answer.headers['content-encoding'] || length > LARGEST_PAGE) return answer
  delete headers['content-length']
  return Readable.from(rewritten(answer, links), { objectMode: false })
}

async function* rewritten(answer: AsyncIterable<Buffer>, links: ProxyLinks): AsyncGenerator<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of answer) {
    if (size > LARGEST_PAGE) {
      yield part
      continue
    }
    parts.push(part)
    size += part.length
    if (size > LARGEST_PAGE) yield* parts.splice(0)
  }
  if (parts.length === 0) return
  // latin1 keeps every byte as it is, whatever the page's encoding; links are ASCII.
  const page = Buffer.concat(parts).toString('latin1')
  const quoted = (text: string) => text[0] + throughProxy(text.slice(1, -1), links) + text[0]
  yield Buffer.from(
    page.replace(LINK, (_, before: string, link: string) => before + quoted(link)),
    'latin1',
  )
}

/** Links to the backend's own host, or absolute paths, get the proxy's path before them; all others stay. */
function throughProxy(link: string, { prefix, backend }: ProxyLinks): string {
  if (link.startsWith('/') && !link.startsWith('//')) return link.startsWith(`${prefix}/`) ? link : prefix + link
  const origin = `${backend.scheme}://${backend.host}:${backend.port}`
  const short = `${backend.scheme}://${backend.host}`
  for (const own of [origin, short]) if (link === own || link.startsWith(`${own}/`)) return prefix + (link.slice(own.length) || '/')
  return link
}
