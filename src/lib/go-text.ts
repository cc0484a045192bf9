// Text as Go writes it, for messages that are to read like upstream's.

const NAMED: Record<string, string> = {
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
    if (NAMED[character]) return NAMED[character]
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
