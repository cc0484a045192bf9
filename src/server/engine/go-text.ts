// JSON values as Go prints them with %+v, and complaints of Go's JSON decoder as its converter of plain maps words them: strategic merge patches
// are refused with both.

const LONGEST = 10_000

/** `map[spec:map[replicas:1]]`, cut where it grows beyond use. */
export function goText(value: unknown): string {
  const text = print(value)
  return text.length > LONGEST ? text.slice(0, LONGEST) : text
}

function print(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (typeof value === 'number') return number(value)
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return `[${value.map(print).join(' ')}]`
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `map[${members.map(([name, inner]) => `${name}:${print(inner)}`).join(' ')}]`
}

/** Whole numbers are integers; others take the shorter of the two notations from 21 digits on. */
function number(value: number): string {
  if (Number.isInteger(value)) return String(value)
  return String(value).replace(/e([-+])(\d)$/, 'e$10$2')
}

const KINDS: Record<string, { kind: string; type: string }> = {
  object: { kind: 'map', type: 'map[string]interface {}' },
  array: { kind: 'slice', type: '[]interface {}' },
  string: { kind: 'string', type: 'string' },
  bool: { kind: 'bool', type: 'bool' },
  number: { kind: 'int64', type: 'int64' },
}

export function conversionError(message: string): string {
  const [, given = '', fraction = '', wanted = ''] =
    /^json: cannot unmarshal (\w+)(?: -?\d+(\.\d+)?)? into Go (?:struct field \S+|value) of type (.+)$/.exec(message) ?? []
  if (!Object.hasOwn(KINDS, given)) return message
  const { kind, type } = fraction ? { kind: 'float64', type: 'float64' } : KINDS[given]!
  if (wanted.startsWith('[]')) return `cannot restore slice from ${kind}`
  if (wanted.startsWith('map[')) return `cannot restore map from ${kind}`
  if (/^\w+\.\w+$/.test(wanted)) return `cannot restore struct from: ${kind}`
  return `cannot convert ${type} to ${wanted}`
}
