// Deep copies and frozen copies of JSON. A member called `__proto__` stays plain data: it never becomes a prototype.

/** A deep copy of JSON; members that are undefined are left out. */
export function clone<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => clone(item)) as T
  const source = value as Record<string, unknown>
  const copy: Record<string, unknown> = {}
  for (const key in source) {
    const member = source[key]
    if (member === undefined) continue
    if (key === '__proto__') setOwn(copy, key, clone(member))
    else copy[key] = typeof member === 'object' ? clone(member) : member
  }
  return copy as T
}

/** Sets a member whatever it is called. */
export function setOwn(target: object, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true })
  else (target as Record<string, unknown>)[key] = value
}

/** Reads a member of the object itself, never of its prototype. */
export function getOwn(target: object, key: string): unknown {
  return Object.hasOwn(target, key) ? (target as Record<string, unknown>)[key] : undefined
}

/** Freezes a tree in place. What is frozen already is taken to be frozen all the way down. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  if (Array.isArray(value)) for (const item of value) deepFreeze(item)
  else for (const key in value) deepFreeze(value[key])
  return value
}

/** Freezing an object of more members takes longer than anybody should wait, and cannot be divided: such an object stays as it is. */
const MOST_FROZEN = 10_000

/** As `deepFreeze`, but for objects of very many members: all below them is frozen. */
export function freezeLarge(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  if (Array.isArray(value)) {
    for (const item of value) freezeLarge(item)
    Object.freeze(value)
    return
  }
  const names = Object.keys(value)
  for (const name of names) {
    const member = (value as Record<string, unknown>)[name]
    if (typeof member === 'object') freezeLarge(member)
  }
  if (names.length <= MOST_FROZEN) Object.freeze(value)
}

/** `freezeLarge` step by step: says what each step weighed. */
export function* freezing(value: unknown): Generator<number, void> {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  const names = Array.isArray(value) ? undefined : Object.keys(value)
  const count = (names ?? (value as unknown[])).length
  yield count + 1
  for (let i = 0; i < count; i++) {
    const member = (value as Record<string | number, unknown>)[names ? names[i]! : i]
    if (typeof member === 'object' && member !== null) yield* freezing(member)
    else if (i % MOST_FROZEN === MOST_FROZEN - 1) yield MOST_FROZEN
  }
  if (!names || count <= MOST_FROZEN) Object.freeze(value)
}

export type JsonObject = Record<string, unknown>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
