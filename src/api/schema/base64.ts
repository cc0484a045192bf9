// Standard base64 with padding, as Go reads it: line breaks are skipped, anything else out of place is refused at its position.

/** The canonical form of `text`, or the position of the byte that makes it none. */
export function canonicalBase64(text: string): string | { corruptAt: number } {
  const clean = text.includes('\n') || text.includes('\r') ? text.replace(/[\r\n]/g, '') : text
  if (clean.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(clean)) {
    // Bits beyond the last byte are ignored, so another text may say the same.
    return clean.endsWith('=') ? Buffer.from(clean, 'base64').toString('base64') : clean
  }
  return { corruptAt: corruptAt(text) }
}

function corruptAt(text: string): number {
  let digits = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === '\n' || char === '\r') continue
    if (/[A-Za-z0-9+/]/.test(char)) {
      digits++
      continue
    }
    if (char !== '=' || digits % 4 < 2) return at
    const rest = text.slice(at + 1).replace(/[\r\n]/g, '')
    if (digits % 4 === 3) return rest === '' ? text.length : at + 1
    if (rest[0] !== '=') return rest === '' ? text.length : at
    return at + 2
  }
  return text.length - (digits % 4)
}
