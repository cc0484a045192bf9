// Warning headers as they are sent: each told once, and no more of them than a client's headers may be long.

const MOST_CHARACTERS = 4096
const MOST_OF_ONE = 256

/** What does not fit whole is cut, each to its beginning; what does not fit even so is left out. */
export function warningHeaders(texts: Iterable<string>): string[] {
  const plain = Array.from(texts, (text) => [...onOneLine(text)]).filter((text) => text.length > 0)
  const total = plain.reduce((sum, text) => sum + text.length, 0)
  const fitting = total <= MOST_CHARACTERS ? plain : cut(plain)
  return fitting.map((text) => `299 - "${bytesOf(text.join('')).replace(/["\\]/g, '\\$&')}"`)
}

function cut(texts: readonly string[][]): string[][] {
  const kept: string[][] = []
  let written = 0
  for (const text of texts) {
    if (written >= MOST_CHARACTERS) break
    kept.push(text.slice(0, MOST_OF_ONE))
    written += kept.at(-1)!.length
  }
  return kept
}

/** A header holds no control characters, of whatever a webhook may have sent. */
const onOneLine = (text: string) => text.toWellFormed().replace(/\p{Cc}/gu, ' ')

/** Headers are written byte by byte: UTF-8 goes out as it is. */
const bytesOf = (text: string) => Buffer.from(text).toString('latin1')
