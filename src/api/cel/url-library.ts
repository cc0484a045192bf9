// URLs in expressions, read as Go's ParseRequestURI reads them: absolute, or an absolute path. Nothing is normalised.
import { costOfText, declare, type Declaration } from '#lib/cel/functions.ts'
import { quoted } from '#lib/cel/quoted.ts'
import { Entries, Failure, Foreign, Items } from '#lib/cel/values.ts'

const URL_TYPE = 'kubernetes.URL'

interface Parts {
  scheme: string
  host: string
  path: string
  query: string
  /** What follows the scheme, where it has neither host nor path. */
  opaque?: string
}

class UrlValue extends Foreign {
  readonly typeName = URL_TYPE
  readonly parts: Parts

  constructor(parts: Parts) {
    super()
    this.parts = parts
  }

  override equals({ parts }: UrlValue): boolean {
    const { scheme, host, path, query, opaque } = this.parts
    return opaque === parts.opaque && scheme === parts.scheme && host === parts.host && path === parts.path && query === parts.query
  }
}

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s
const HOST = /^(?:\[[0-9A-Fa-f:.]+(?:%25[^\]]*)?\]|[^\s:[\]\\^`{|}<>"]*)(?::\d*)?$/

const CONVERTING = 'URL parse error during conversion from string: '

/** What is wrong with a text that is to be a URI, if anything. */
export function uriMessages(text: string): string[] {
  const parsed = parse(text)
  return parsed instanceof Failure ? [parsed.message.slice(CONVERTING.length)] : []
}

function parse(text: string): UrlValue | Failure {
  const wrong = (why: string) => new Failure(`${CONVERTING}parse ${quoted(text)}: ${why}`)
  if (text === '') return wrong('empty url')
  if (text === '*') return new UrlValue({ scheme: '', host: '', path: '*', query: '' })
  if (text.startsWith(':')) return wrong('missing protocol scheme')
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit < 0x20 || unit === 0x7f) return wrong('net/url: invalid control character in URL')
  }
  const [, scheme = '', after = ''] = SCHEME.exec(text) ?? []
  const rest = scheme ? after : text
  const question = rest.indexOf('?')
  const beforeQuery = question < 0 ? rest : rest.slice(0, question)
  const query = question < 0 ? '' : rest.slice(question + 1)
  if (!rest.startsWith('/')) {
    if (!scheme) return wrong('invalid URI for request')
    // Without a root it is nothing but a text to this kind of URL, as `mailto:` is.
    return new UrlValue({ scheme: scheme.toLowerCase(), host: '', path: '', query, opaque: beforeQuery })
  }
  let host = ''
  let path = beforeQuery
  if (scheme && beforeQuery.startsWith('//')) {
    const slash = beforeQuery.indexOf('/', 2)
    const authority = beforeQuery.slice(2, slash < 0 ? undefined : slash)
    host = authority.slice(authority.lastIndexOf('@') + 1)
    path = slash < 0 ? '' : beforeQuery.slice(slash)
    if (!HOST.test(host)) return wrong('invalid character in host name')
  }
  const bad = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(path)
  if (bad) return wrong(`invalid URL escape ${JSON.stringify(bad[0])}`)
  return new UrlValue({ scheme: scheme.toLowerCase(), host, path: escaped(path), query })
}

/** As Go writes a path again: what may stand in one stays. */
function escaped(path: string): string {
  if (/^[A-Za-z0-9\-._~$&+,/:;=@!'()*%[\]]*$/.test(path)) return path
  return encodeURI(path.toWellFormed()).replaceAll('%25', '%').replaceAll('#', '%23').replaceAll('?', '%3F')
}

const hostname = (host: string): string => host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
const port = (host: string): string => /:(\d*)$/.exec(host)?.[1] ?? ''

function queryOf(query: string): Entries {
  const found = new Map<string, string[]>()
  for (const [key, value] of new URLSearchParams(query)) {
    const values = found.get(key)
    if (values) values.push(value)
    else found.set(key, [value])
  }
  const entries = new Entries()
  for (const [key, values] of found) entries.add(key, new Items(values))
  return entries
}

export const urlFunctions = (): Declaration[] => [
  declare(
    `url(string): ${URL_TYPE}`,
    (_, text) => parse(text),
    costOfText,
    () => 25,
  ),
  declare(
    'isURL(string): bool',
    (_, text) => !(parse(text) instanceof Failure),
    costOfText,
    () => 25,
  ),
  declare(`${URL_TYPE}~getScheme(): string`, (_, { parts }: UrlValue) => parts.scheme),
  declare(`${URL_TYPE}~getHost(): string`, (_, { parts }: UrlValue) => parts.host),
  declare(`${URL_TYPE}~getHostname(): string`, (_, { parts }: UrlValue) => hostname(parts.host)),
  declare(`${URL_TYPE}~getPort(): string`, (_, { parts }: UrlValue) => port(parts.host)),
  declare(`${URL_TYPE}~getEscapedPath(): string`, (_, { parts }: UrlValue) => parts.path),
  declare(
    `${URL_TYPE}~getQuery(): map<string, list<string>>`,
    (_, { parts }: UrlValue) => queryOf(parts.query),
    () => 1,
    ({ parts }: UrlValue) => 30 + parts.query.length * 4,
  ),
]
