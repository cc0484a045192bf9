// Words of an expression. Positions count code points, as messages do. What no word begins with is told as an issue and left out.
import type { Issue } from './source.ts'
import { countPoints, Uint, type Value } from './values.ts'

export interface Token {
  kind: 'ident' | 'quoted-ident' | 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'operator' | 'end'
  at: number
  text: string
  value?: Value
}

const OPERATORS = ['==', '!=', '<=', '>=', '&&', '||', ...'<>=+-*/%!?:.,()[]{}']
const NUMBER = /(?:0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)|\d+[uU]?)/y
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y
const QUOTED_IDENT = /`[A-Za-z0-9_.\-/ ]+`/y
const SPACE = /(?:[\t \r\n\f]+|\/\/[^\n]*)+/y
const STRING = /([bB][rR]|[rR][bB]|[rRbB])?("""|'''|"|')/y
const SIMPLE: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  '?': '?',
}
const MAX_INT = 2n ** 63n

export function tokenize(source: string): { tokens: Token[]; issues: Issue[] } {
  const tokens: Token[] = []
  const issues: Issue[] = []
  let unit = 0
  let point = 0
  const astral = /[\ud800-\udfff]/.test(source)
  const advance = (length: number) => {
    point += astral ? countPoints(source.slice(unit, unit + length)) : length
    unit += length
  }
  const sticky = (pattern: RegExp) => {
    pattern.lastIndex = unit
    return pattern.exec(source)
  }
  const push = (kind: Token['kind'], text: string, value?: Value) => {
    tokens.push(value === undefined ? { kind, at: point, text } : { kind, at: point, text, value })
    advance(text.length)
  }
  while (unit < source.length) {
    const space = sticky(SPACE)
    if (space) {
      advance(space[0].length)
      continue
    }
    const quote = sticky(STRING)
    if (quote) {
      const end = endOfString(source, unit + quote[0].length, quote[2]!, /r/i.test(quote[1] ?? ''))
      if (end < 0) {
        const rest = restOfLine(source, unit, quote[2]!.length === 3)
        issues.push({ at: point, message: `Syntax error: token recognition error at: '${rest}'` })
        advance(rest.length)
        continue
      }
      const text = source.slice(unit, end)
      const bytes = /b/i.test(quote[1] ?? '')
      const body = text.slice(quote[0].length, -quote[2]!.length)
      push(bytes ? 'bytes' : 'string', text, unquote(body, { raw: /r/i.test(quote[1] ?? ''), bytes }) ?? invalidText(issues, point))
      continue
    }
    const word = sticky(WORD)
    if (word) {
      push('ident', word[0])
      continue
    }
    const quoted = sticky(QUOTED_IDENT)
    if (quoted) {
      push('quoted-ident', quoted[0])
      continue
    }
    const number = /[\d.]/.test(source[unit]!) ? sticky(NUMBER) : null
    if (number) {
      const [kind, value] = numberOf(number[0])
      push(kind, number[0], value)
      continue
    }
    const operator = OPERATORS.find((one) => source.startsWith(one, unit))
    if (operator && operator !== '=') {
      push('operator', operator)
      continue
    }
    const strange = String.fromCodePoint(source.codePointAt(unit)!)
    const shown = operator === '=' ? `= ` : strange
    issues.push({
      at: point,
      message: `Syntax error: token recognition error at: '${operator ? shown.slice(0, 1 + Number(source[unit + 1] === ' ')) : shown}'`,
    })
    unit += strange.length
    point++
  }
  tokens.push({ kind: 'end', at: point, text: '<EOF>' })
  return { tokens, issues }
}

function endOfString(source: string, from: number, quote: string, raw: boolean): number {
  for (let at = from; at < source.length; at++) {
    if (source.startsWith(quote, at)) return at + quote.length
    if (!raw && source[at] === '\\') at++
    else if (quote.length === 1 && (source[at] === '\n' || source[at] === '\r')) return -1
  }
  return -1
}

function restOfLine(source: string, from: number, whole: boolean): string {
  const end = whole ? -1 : source.indexOf('\n', from)
  return source.slice(from, end < 0 ? source.length : end)
}

function numberOf(text: string): [Token['kind'], Value | undefined] {
  if (/[uU]$/.test(text)) {
    const value = BigInt(text.slice(0, -1))
    return ['uint', value < 2n * MAX_INT ? new Uint(value) : undefined]
  }
  // The least int has no positive counterpart: the parser looks at it again once it has seen the minus.
  if (/^(?:0[xX][0-9a-fA-F]+|\d+)$/.test(text)) return ['int', BigInt(text)]
  return ['double', Number(text)]
}

function invalidText(issues: Issue[], at: number): Value {
  issues.push({ at, message: 'Syntax error: invalid string literal: unable to unescape string' })
  return ''
}

/** undefined for an escape nobody knows. */
function unquote(body: string, { raw, bytes }: { raw: boolean; bytes: boolean }): Value | undefined {
  const text = body.replaceAll(/\r\n?/g, '\n')
  if (raw || !text.includes('\\')) return bytes ? new TextEncoder().encode(text) : text
  const encoder = new TextEncoder()
  const octets: number[] = []
  let plain = ''
  const put = (piece: string) => {
    if (bytes) octets.push(...encoder.encode(piece))
    else plain += piece
  }
  const escape = /\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))|[^\\]+|\\/gsu
  for (const match of text.matchAll(escape)) {
    const [whole, x, upperX, u, upperU, octal, simple] = match
    if (!whole.startsWith('\\')) {
      put(whole)
      continue
    }
    const octet = x ?? upperX
    if (octet !== undefined || octal !== undefined) {
      const code = octet === undefined ? Number.parseInt(octal!, 8) : Number.parseInt(octet, 16)
      if (bytes) octets.push(code)
      else plain += String.fromCodePoint(code)
      continue
    }
    const unicode = u ?? upperU
    if (unicode !== undefined) {
      const code = Number.parseInt(unicode, 16)
      if (bytes || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined
      put(String.fromCodePoint(code))
      continue
    }
    if (simple === undefined || !Object.hasOwn(SIMPLE, simple)) return undefined
    put(SIMPLE[simple]!)
  }
  return bytes ? Uint8Array.from(octets) : plain
}
