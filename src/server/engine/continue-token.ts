// Where a paged list goes on: an opaque token naming a revision and the last key sent. Revision -1 goes on with whatever is there now.
import { posix } from 'node:path'
import { syntaxErrorOf } from '#api/codec/json-scanner.ts'
import { goKind } from '#api/patch/json-patch.ts'
import { StatusError } from '#api/status.ts'

const TOKEN_VERSION = 'meta.k8s.io/v1'
const MAX_LENGTH = 4096

export interface ContinueToken {
  revision: number
  after: string
  prefix: string
}

export function encodeContinue({ revision, after, prefix }: ContinueToken): string {
  const token = { v: TOKEN_VERSION, rv: revision, start: `${after.slice(prefix.length)}\0` }
  return Buffer.from(JSON.stringify(token)).toString('base64url')
}

export function decodeContinue(text: string, prefix: string): { revision: number; after: string } {
  if (text.length > MAX_LENGTH) throw invalid('token is too long')
  const bytes = decoded(text)
  let token: { v?: unknown; rv?: unknown; start?: unknown } | null
  try {
    token = JSON.parse(bytes.toString('utf8')) as typeof token
  } catch (error) {
    throw invalid(syntaxErrorOf(bytes) ?? (error as Error).message)
  }
  if (token !== null && (typeof token !== 'object' || Array.isArray(token)))
    throw mistyped(goKind(token), 'value of type storage.continueToken')
  const { v = '', rv = 0, start = '' } = token ?? {}
  for (const [field, value] of Object.entries({ v, start }))
    if (value !== null && typeof value !== 'string') throw mistyped(goKind(value), `struct field continueToken.${field} of type string`)
  if (rv !== null && !Number.isSafeInteger(rv))
    throw mistyped(typeof rv === 'number' ? `number ${rv}` : goKind(rv), 'struct field continueToken.rv of type int64')
  if (v !== TOKEN_VERSION) throw invalid(`server does not recognize this encoded version ${String(v ?? '')}`)
  if (!rv) throw invalid('incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  if (!start) throw invalid('encoded start key empty (version meta.k8s.io/v1)')
  const key = `${start}`.startsWith('/') ? `${start}` : `/${start}`
  if (posix.normalize(key) !== key || (key.length > 1 && key.endsWith('/'))) throw invalid(`${start}`)
  return { revision: Number(rv), after: prefix + key.slice(1).replace(/\0$/, '') }
}

/** The snapshot is gone; the token inside the refusal lets a client take the rest as it is now. */
export function expiredContinue({ after, prefix }: { after: string; prefix: string }): StatusError {
  return new StatusError(
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
    { metadata: { continue: encodeContinue({ revision: -1, after, prefix }) } },
  )
}

/** Base64 for URLs without padding, as Go reads it: line breaks count for nothing. */
function decoded(text: string): Buffer {
  const plain = text.replace(/[\r\n]/g, '')
  const illegal = text.search(/[^A-Za-z0-9_\-\r\n]/)
  if (illegal >= 0) throw invalid(`illegal base64 data at input byte ${illegal}`)
  if (plain.length % 4 === 1) throw invalid(`illegal base64 data at input byte ${text.length}`)
  return Buffer.from(plain, 'base64url')
}

function mistyped(what: string, where: string): StatusError {
  return invalid(`json: cannot unmarshal ${what} into Go ${where}`)
}

function invalid(why: string): StatusError {
  return new StatusError('BadRequest', `invalid continue token: continue key is not valid: ${why}`)
}
