// What go-yaml says of a text that js-yaml refuses: found from what js-yaml took it for and from what stands where it stopped. Its parser counts lines
// from zero and says nothing of the first, its scanner from one, and what is wrong with values comes without a line.

export interface Refusal {
  /** js-yaml's words. */
  reason: string
  /** From zero. */
  line: number
  position: number
}

type Words = { scanner: string } | { parser: string } | { value: string } | { end: string }

/** Without `yaml: ` in front, with the line where it has one. */
export function goWords(text: string, refusal: Refusal): string {
  const words = wordsFor(text, refusal)
  const { line } = refusal
  if ('value' in words) return words.value
  if ('end' in words) return `line ${text.split('\n').length}: ${words.end}`
  if (line === 0) return 'scanner' in words ? words.scanner : words.parser
  return 'scanner' in words ? `line ${line + 1}: ${words.scanner}` : `line ${line}: ${words.parser}`
}

const NO_KEY: Words = { parser: 'did not find expected key' }
const NO_DASH: Words = { parser: "did not find expected '-' indicator" }
const NO_VALUE: Words = { scanner: 'mapping values are not allowed in this context' }
const NO_CONTENT: Words = { parser: 'did not find expected node content' }
const NO_TOKEN: Words = { scanner: 'found character that cannot start any token' }

function wordsFor(text: string, { reason, position }: Refusal): Words {
  switch (true) {
    case reason.startsWith('bad indentation of a mapping entry') || reason.startsWith('missed comma between flow collection entries'):
      return misplaced(text, { position, otherwise: reason.startsWith('bad') ? NO_KEY : unclosed(text, position) })
    case reason.startsWith('bad indentation of a sequence entry'):
      return text[position] === '-' ? NO_KEY : NO_DASH
    case reason.startsWith('end of the stream or a document separator is expected'):
      return afterRoot(text, position)
    case /^can ?not read (?:an implicit mapping pair|a block mapping entry)|^expected ':' after a mapping key/.test(reason):
      return { scanner: "could not find expected ':'" }
    case /^unexpected end of the stream within a (?:double|single) quoted scalar/.test(reason):
      return { scanner: 'found unexpected end of stream' }
    case reason.startsWith('deficient indentation') || reason.startsWith('unexpected end of the stream within a flow collection'):
      return unclosed(text, position)
    case reason.startsWith('unexpected end of the document within a'):
      return { scanner: 'found unexpected end of stream' }
    case reason.startsWith('expected hexadecimal character'):
      return { scanner: 'did not find expected hexdecimal number' }
    case reason.startsWith('bad explicit indentation width of a block scalar'):
      return { scanner: 'found an indentation indicator equal to 0' }
    case reason.startsWith('repeat of a'):
      return { scanner: 'did not find expected comment or line break' }
    case reason.startsWith('name of an anchor node must contain'):
      return { scanner: 'did not find expected alphabetic or numeric character' }
    case reason.startsWith('duplication of an anchor property') || reason.startsWith('alias node should not have any properties'):
      return NO_KEY
    case reason.startsWith('unknown escape sequence'):
      return { scanner: 'found unknown escape character' }
    case reason.startsWith('tab characters must not be used in indentation'):
      return continuesText(text, position) ? { scanner: 'found a tab character that violates indentation' } : NO_TOKEN
    case reason.startsWith('a line break is expected'):
      return { scanner: 'did not find expected comment or line break' }
    case reason.startsWith('expected the node content'):
      return NO_CONTENT
    case reason.startsWith('undeclared tag handle'):
      return { parser: 'found undefined tag handle' }
    case reason.startsWith('expected valid JSON character') || /^the stream contains non-printable|^null byte is not allowed/.test(reason):
      return { value: 'control characters are not allowed' }
    case reason.startsWith('cannot merge mappings'):
      return { value: 'map merge requires map or sequence of maps as the value' }
    case reason.startsWith('object-based map does not support complex keys'):
      return complexKey(text)
    default:
      return unknownAnchor(reason) ?? { scanner: reason }
  }
}

/** Characters with which nothing begins where a value is expected. */
const STARTS: Readonly<Record<string, Words>> = {
  '@': NO_TOKEN,
  '`': NO_TOKEN,
  '%': NO_TOKEN,
  '-': { scanner: 'block sequence entries are not allowed in this context' },
  '?': { scanner: 'mapping keys are not allowed in this context' },
  ']': NO_CONTENT,
  '}': NO_CONTENT,
  ',': NO_CONTENT,
}

function misplaced(text: string, { position, otherwise }: { position: number; otherwise: Words }): Words {
  const start = text[position] ?? ''
  const inFlow = (start === ':' || start === '-') && /[[{]/.test(opened(text.slice(0, position)) ?? '')
  if (inFlow) return start === '-' ? NO_CONTENT : unclosed(text, position)
  if (start === ':') return NO_VALUE
  const before = text.slice(text.lastIndexOf('\n', position - 1) + 1, position)
  if (/^[ \t]*[@`]/.test(before + start)) return NO_TOKEN
  const isValue = /[:,[{][ \t]*$/.test(before)
  return (isValue && Object.hasOwn(STARTS, start) && STARTS[start]) || otherwise
}

/** More where the document should have ended: its root is a mapping, a list or text. */
function afterRoot(text: string, position: number): Words {
  if (text[position] === ':') return NO_VALUE
  if (/^(?:\s[@`%]|[@`])/.test(position === 0 ? text : text.slice(position - 1, position + 1))) return NO_TOKEN
  const [first = ''] = /^(?![ \t]*(?:#|---|%|\r?$)).*$/m.exec(text) ?? []
  if (/^-(?:\s|$)/.test(first)) return NO_DASH
  return /^[^\s"'[{#][^\n]*?:(?:\s|$)/.test(first) ? NO_KEY : { parser: 'did not find expected <document start>' }
}

/** What was open when a text broke off, or went on where it may not. */
function unclosed(text: string, position: number): Words {
  const open = opened(text.slice(0, position))
  if ((open === '"' || open === "'") && !text.includes(open, position)) return { end: 'found unexpected end of stream' }
  return { parser: `did not find expected ',' or '${open === '[' ? ']' : '}'}'` }
}

/** The quote or bracket that was opened last and not closed. */
function opened(text: string): string | undefined {
  const open: string[] = []
  for (const { 0: found, 1: double, 2: single, index } of text.matchAll(
    /(?<=^|\s)#[^\n]*|"(?:[^"\\]|\\.)*("?)|'(?:[^']|'')*('?)|[[\]{}]/g,
  )) {
    const [start = ''] = found
    if (start === '#') continue
    const begins = /(?:^|[\n:,[{-])[ \t]*$/.test(text.slice(Math.max(0, index - 80), index))
    if (start === '"' || start === "'") {
      if (begins && (start === '"' ? double : single) === '') return start
    } else if (start === ']' || start === '}') open.pop()
    else if (begins || open.length > 0) open.push(start)
  }
  return open.at(-1)
}

/** Whether the line before ends in text that goes on. */
function continuesText(text: string, position: number): boolean {
  const before = text.slice(0, position).trimEnd()
  return /[^\s:,[{|>-]$/.test(before) && /:[ \t]+[^"'[{|>&*!][^\n]*$/.test(before.slice(before.lastIndexOf('\n') + 1))
}

/** Nearly always a template that nobody filled in. */
function complexKey(text: string): Words {
  const [, inner = ''] = /\{\{([^{}:,"'[\]#\n]{1,200})\}\}/.exec(text) ?? []
  const name = inner.trim()
  if (!/^[^-&*!|>%@`]/.test(name)) return { value: 'invalid map key' }
  return { value: `invalid map key: map[interface {}]interface {}{${JSON.stringify(name)}:interface {}(nil)}` }
}

function unknownAnchor(reason: string): Words | undefined {
  const alias = /^unidentified alias "(.*)"$/s.exec(reason)?.[1]
  if (alias === undefined) return undefined
  if (!/^[\w-]/.test(alias)) return { scanner: 'did not find expected alphabetic or numeric character' }
  return { value: `unknown anchor '${alias}' referenced` }
}
