// Elements of field paths, spelled as they are stored: `f:name`, `k:{"name":"web"}`, `v:"x"`, `i:0`. One spelling each, upstream's order, and how
// messages show them.
import { parseExactly } from '#lib/exact-json.ts'
import { goJson, goQuoted, goText } from '#lib/go-text.ts'
import { compareTexts } from '#lib/order.ts'

/** The order in which sets are stored and conflicts listed: fields before keys, values and indices; numbers by what they are worth. */
export function compareElements(a: string, b: string): number {
  if (a.startsWith('f:') && b.startsWith('f:')) return compareTexts(a, b)
  const [left, right] = [rank(a), rank(b)]
  if (left !== right) return left - right
  if (a === b) return 0
  const [mine, other]: unknown[] = [parseExactly(a.slice(2)), parseExactly(b.slice(2))]
  return a.startsWith('k:') ? compareKeys(mine as object, other as object) : compareValues(mine, other)
}

const rank = (element: string) => '.fkvi'.indexOf(element.charAt(0))

function compareKeys(left: object, right: object): number {
  const [mine, others] = [Object.entries(left), Object.entries(right)]
  for (const [index, [name, value]] of mine.entries()) {
    const other = others[index]
    if (!other) return 1
    const order = compareTexts(name, other[0]) || compareValues(value, other[1])
    if (order) return order
  }
  return mine.length - others.length
}

const TYPES = ['number', 'bigint', 'string', 'boolean', 'object']

function compareValues(left: unknown, right: unknown): number {
  const [mine, other] = [TYPES.indexOf(typeof left), TYPES.indexOf(typeof right)]
  if (mine !== other) return mine - other
  if (typeof left === 'object') return compareTexts(JSON.stringify(left), JSON.stringify(right))
  return typeof left === 'string' ? compareTexts(left, right as string) : Number(left) - Number(right)
}

/** Spelled the one way; undefined if it is none. */
export function canonicalElement(element: string): string | undefined {
  if (element === '.' || element.startsWith('f:')) return element
  try {
    if (element.startsWith('i:')) return /^i:\d+$/.test(element) ? element : undefined
    if (element.startsWith('v:')) return valueElement(parseExactly(element.slice(2)))
    if (element.startsWith('k:')) return keyElement(parseExactly(element.slice(2)) as Record<string, unknown>)
  } catch {
    return undefined
  }
  return undefined
}

/** The element of a set's member. */
export function valueElement(value: unknown): string {
  return `v:${goJson(value)}`
}

/** The element of a list item, named by its key fields. */
export function keyElement(keys: Record<string, unknown>): string | undefined {
  if (typeof keys !== 'object' || keys === null || Array.isArray(keys)) return undefined
  const names = Object.keys(keys)
  if (names.length === 1) return `k:${goJson(keys)}`
  return `k:{${names
    .sort()
    .map((name) => `${goJson(name)}:${goJson(keys[name])}`)
    .join(',')}}`
}

/** As clients print it: `.spec.containers[name="web"].image`. */
export function formatPath(path: readonly string[]): string {
  return path.map(formatElement).join('')
}

function formatElement(element: string): string {
  const text = element.slice(2)
  if (element.startsWith('f:')) return `.${text}`
  if (element.startsWith('i:')) return `[${text}]`
  if (element.startsWith('v:')) return `[=${formatValue(parseExactly(text))}]`
  const fields = Object.entries(parseExactly(text) as Record<string, unknown>)
  return `[${fields.map(([key, value]) => `${key}=${formatValue(value)}`).join(',')}]`
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return goQuoted(value)
  return typeof value === 'number' || typeof value === 'bigint' ? goText(value) : JSON.stringify(value)
}
