// Equality of JSON values: by content, whatever the order of keys or the prototype; an undefined member is as good as absent.

export function jsonEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  if (Array.isArray(a)) return a.length === (b as unknown[]).length && a.every((item, index) => jsonEqual(item, (b as unknown[])[index]))
  return (
    contains(a as Record<string, unknown>, b as Record<string, unknown>) &&
    contains(b as Record<string, unknown>, a as Record<string, unknown>)
  )
}

function contains(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  for (const key of Object.keys(b)) if (b[key] !== undefined && !(Object.hasOwn(a, key) && jsonEqual(a[key], b[key]))) return false
  return true
}
