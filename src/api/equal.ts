// Deep equality of JSON: order of members does not matter, order of items does; an undefined member counts as absent.

export function equal(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false
    for (let i = 0; i < left.length; i++) if (!equal(left[i], right[i])) return false
    return true
  }
  if (Array.isArray(right)) return false
  const a = left as Record<string, unknown>
  const b = right as Record<string, unknown>
  let present = 0
  // Names in a loop, not a list of them: this is asked of every member of every object written.
  for (const key in a) {
    if (a[key] === undefined) continue
    present++
    if (!Object.hasOwn(b, key) || !equal(a[key], b[key])) return false
  }
  for (const key in b) if (b[key] !== undefined) present--
  return present === 0
}
