// PEM blocks in a text (RFC 7468), found as Go finds them: whatever is not a whole block is passed over. Takes time in proportion to the text,
// whatever is in it.

export interface PemBlock {
  type: string
  /** Lines of `Key: value` before the content. */
  hasHeaders: boolean
  content: Buffer
}

const BEGIN = '-----BEGIN '
const END = '\n-----END '
const DASHES = '-----'
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** What is inside the first block, if there is one. */
export function firstPemBlock(text: string): PemBlock | undefined {
  for (const block of pemBlocks(text)) return block
  return undefined
}

export function* pemBlocks(text: string): Generator<PemBlock> {
  let end = -1
  for (let at = text.indexOf(BEGIN); at >= 0; at = text.indexOf(BEGIN, at)) {
    const line = lineAt(text, at)
    const start = at
    at = line.next
    if ((start > 0 && text[start - 1] !== '\n') || !line.text.endsWith(DASHES)) continue
    // The line break before the last line may be the one after the first.
    if (end < at - 1) end = text.indexOf(END, at - 1)
    if (end < 0) return
    const type = line.text.slice(BEGIN.length, -DASHES.length)
    const last = lineAt(text, end + 1)
    if (last.text !== `-----END ${type}${DASHES}`) continue
    const block = read(type, text.slice(at, Math.max(at, end)))
    if (block) yield block
    // Of beginnings that stand one after the other, only the last can be that of the end.
    at = block ? last.next : Math.max(at, text.lastIndexOf(BEGIN, end))
  }
}

function lineAt(text: string, at: number): { text: string; next: number } {
  const end = text.indexOf('\n', at)
  return { text: text.slice(at, end < 0 ? text.length : end).trimEnd(), next: end < 0 ? text.length : end + 1 }
}

function read(type: string, inside: string): PemBlock | undefined {
  const lines = inside.split('\n')
  let headers = 0
  while (headers < lines.length && lines[headers]!.includes(':')) headers++
  const base64 = lines.slice(headers).join('').replace(/\s/g, '')
  if (!BASE64.test(base64) || base64.length % 4 !== 0) return undefined
  return { type, hasHeaders: headers > 0, content: Buffer.from(base64, 'base64') }
}
