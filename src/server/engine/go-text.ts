// Complaints of Go's JSON decoder as its converter of plain maps words them: strategic merge patches are refused with them.

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
