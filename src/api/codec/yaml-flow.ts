// Lists and maps in brackets may go on, and close, no further in than what they belong to: go-yaml reads them so, js-yaml as YAML has it, indented. The
// lines of such a one are moved to the right, which changes nothing of what they say.

/** `text` with the brackets that are open at `position` moved so far in that they may stand there; undefined: none are. */
export function indentFlow(text: string, position: number): string | undefined {
  const start = text.lastIndexOf('\n', position - 1) + 1
  const open = openBrackets(text.slice(0, start))
  const outermost = open[0]
  if (outermost === undefined) return undefined
  const margin = ' '.repeat(Math.min(MOST, outermost - text.lastIndexOf('\n', outermost)))
  const end = closing(text, start, open.length)
  // A document ends there, whatever is open.
  if (/^(?:---|\.\.\.)(?:\s|$)/m.test(text.slice(start, end))) return undefined
  return text.slice(0, start) + text.slice(start, end).replace(/^(?=[^\n])/gm, margin) + text.slice(end)
}

/** Further in than that nobody writes. */
const MOST = 200

/** What may open or close something, or hide what does. */
const TOKENS = /(?<=^|\s)#[^\n]*|"(?:[^"\\]|\\.)*("?)|'(?:[^']|'')*('?)|[[\]{}]/gs
const BEGINS = /(?:^|[\n:,[{-])[ \t]*$/

/** Where the brackets are that are not closed. */
function openBrackets(text: string): number[] {
  const open: number[] = []
  for (const { 0: found, index } of text.matchAll(TOKENS)) {
    if (found === ']' || found === '}') open.pop()
    else if ((found === '[' || found === '{') && (open.length > 0 || BEGINS.test(text.slice(Math.max(0, index - 80), index))))
      open.push(index)
  }
  return open
}

/** Behind the bracket that closes the last of so many. */
function closing(text: string, from: number, depth: number): number {
  let left = depth
  for (const { 0: found, index } of text.slice(from).matchAll(TOKENS)) {
    if (found === '[' || found === '{') left++
    else if (found === ']' || found === '}') left--
    if (left === 0) return from + index + 1
  }
  return text.length
}
