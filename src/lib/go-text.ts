// Text as Go writes it, for messages that are to read like upstream's.
import { byKey } from './order.ts'

/** What stands for a character between quotation marks. */
export const GO_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** As `%q`: between quotation marks, with what cannot be printed spelled out. */
export function goQuoted(text: string): string {
  const spelled = (character: string) => {
    const code = character.codePointAt(0)!
    if (GO_ESCAPES[character]) return GO_ESCAPES[character]
    const hex = (digits: number) => code.toString(16).padStart(digits, '0')
    return code < 0x80 ? `\\x${hex(2)}` : code < 0x1_0000 ? `\\u${hex(4)}` : `\\U${hex(8)}`
  }
  return `"${text.toWellFormed().replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, spelled)}"`
}

/** As Go's encoder: what HTML would read is escaped. */
export function goJson(value: unknown, indent?: number): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value ?? null, null, indent).replace(/[<>&\u2028\u2029]/g, escaped)
}

const LONGEST = 10_000

/** A JSON value as `%v`: `map[spec:map[replicas:1]]`, cut where it grows beyond use. */
export function goText(value: unknown): string {
  return cut(value, {
    text: (text) => text,
    nothing: '<nil>',
    list: (items) => `[${items.join(' ')}]`,
    map: (members) => `map[${members.join(' ')}]`,
  })
}

/** A JSON value as `%#v`, in Go's own syntax. */
export function goValue(value: unknown): string {
  return cut(value, {
    text: goQuoted,
    nothing: 'interface {}(nil)',
    list: (items) => `[]interface {}{${items.join(', ')}}`,
    map: (members) => `map[string]interface {}{${members.join(', ')}}`,
  })
}

/** The type of a JSON value as `%T`. */
export function goType(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'object') return Array.isArray(value) ? '[]interface {}' : 'map[string]interface {}'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

interface Form {
  text(text: string): string
  nothing: string
  list(items: string[]): string
  map(members: string[]): string
}

function cut(value: unknown, form: Form): string {
  const printed = print(value, form)
  return printed.length > LONGEST ? printed.slice(0, LONGEST) : printed
}

function print(value: unknown, form: Form): string {
  if (value === null || value === undefined) return form.nothing
  if (typeof value === 'number') return number(value)
  if (typeof value === 'string') return form.text(value)
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return form.list(value.map((item) => print(item, form)))
  const members = Object.entries(value).toSorted(byKey)
  return form.map(members.map(([name, inner]) => `${form.text(name)}:${print(inner, form)}`))
}

/** Whole numbers are integers. */
function number(value: number): string {
  return Number.isInteger(value) ? String(value) : goFloat(value)
}

/** As `%g` and `%v`, with as many digits as it takes; from a million on, and below a ten-thousandth, with an exponent of two digits at least. */
export function goFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const magnitude = Math.abs(value)
  if (magnitude === 0 || (magnitude >= 1e-4 && magnitude < 1e6)) return Object.is(value, -0) ? '-0' : String(value)
  return value.toExponential().replace(/e([-+])(\d)$/, 'e$10$2')
}
