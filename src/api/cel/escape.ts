// How fields whose names are no identifiers of CEL are called in expressions, and back.

/** What no variable can be called. */
export const RESERVED_WORDS: ReadonlySet<string> = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
)
const ESCAPES: Readonly<Record<string, string>> = { __: '__underscores__', '.': '__dot__', '-': '__dash__', '/': '__slash__' }

/** undefined for a name no expression can say. */
export function escapeName(name: string): string | undefined {
  if (!/^[A-Za-z_./-][A-Za-z0-9_./-]*$/.test(name)) return undefined
  if (RESERVED_WORDS.has(name)) return `__${name}__`
  return name.replace(/__|[./-]/g, (part) => ESCAPES[part]!)
}
