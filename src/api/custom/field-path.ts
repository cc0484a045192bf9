// Paths of fields as rules and selectable fields give them: `.spec.map['a key']`. Only what the schema declares can be named.
import { getOwn, isObject } from '#api/clone.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'

/** The message says what is wrong, as upstream words it. */
export class FieldPathError extends Error {
  override name = 'FieldPathError'
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '\\': '\\',
}

/** The path as errors spell it. */
export function fieldPathOf(text: string, schema: JSONSchemaProps): string {
  return resolveFieldPath(text, schema).path
}

/** Throws FieldPathError. `brackets`: whether keys in brackets are taken. */
export function resolveFieldPath(
  text: string,
  root: JSONSchemaProps,
  { brackets = true }: { brackets?: boolean } = {},
): { path: string; first: string; schema: JSONSchemaProps } {
  let schema = root
  let path = ''
  let first = ''
  const tokens = tokensOf(text)
  const next = (): string => {
    const token = tokens.shift()
    if (token === undefined) throw new FieldPathError('unexpected end of JSON path')
    return token
  }
  while (tokens.length > 0) {
    const token = next()
    if (token !== '.' && token !== '[') throw new FieldPathError(`expected [ or . but got: ${token}`)
    if (token === '[' && !brackets) throw new FieldPathError('array notation is not allowed')
    const name = token === '.' ? next() : quoted(next())
    if (token === '[') {
      const close = next()
      if (close !== ']') throw new FieldPathError(`expected ] but got ${close}`)
    }
    const { inner, named } = below(schema, name)
    path += named ? (path === '' ? name : `.${name}`) : `[${name}]`
    first ||= name
    schema = inner
  }
  return { path, first, schema }
}

function below({ properties, additionalProperties }: JSONSchemaProps, name: string): { inner: JSONSchemaProps; named: boolean } {
  const property = properties && (getOwn(properties, name) as JSONSchemaProps | undefined)
  if (property) return { inner: property, named: true }
  if (!properties && isObject(additionalProperties)) return { inner: additionalProperties as JSONSchemaProps, named: false }
  throw new FieldPathError('does not refer to a valid field')
}

function tokensOf(text: string): string[] {
  return text.match(/[.[\]]|'(?:[^'\\]|\\.)*'?|[^.[\]']+'?/gs) ?? []
}

function quoted(token: string): string {
  if (token.length < 2 || !token.startsWith("'") || !token.endsWith("'"))
    throw new FieldPathError(`expected single quoted string but got ${token}`)
  return token.slice(1, -1).replace(/\\./gs, (escape) => {
    const plain = ESCAPES[escape[1]!]
    if (plain === undefined) throw new FieldPathError(`invalid string literal: invalid escape char ${escape}`)
    return plain
  })
}
