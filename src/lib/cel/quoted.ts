// Text as messages quote it: what is too long to be read is cut.

const LONGEST = 500

export function quoted(text: string): string {
  return JSON.stringify(text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text)
}
