// Which keys of a YAML document occur twice, all of them, as go-yaml tells them. The slow path: only documents that have some come here.
import { EVENT_ID, type Event, getScalarValue, parseEvents, SCALAR_STYLE } from 'js-yaml'

const MOST = 100
const LONGEST_KEY = 300
/** Keys of doubtful type that are looked into; what is seen after them counts as text. */
const MOST_DOUBTS = 5000

/** Keys that are no text are told as Go prints them. */
export type PlainKey = (source: string) => unknown

interface Mapping {
  keys: Set<string>
  /** The key whose value comes next. */
  key: { text: string; repeated: boolean; at: number } | undefined
  mapping: boolean
  /** Of the repeated key this collection is the value of. */
  told: string | undefined
}

/** Told when the value of the second has been read, and with the line where that value begins. */
export function repeatedKeys(text: string, options: { maxDepth: number; plain: PlainKey }): string[] {
  const told: string[] = []
  const open: Mapping[] = []
  const lines = new LineCounter(text)
  let doubts = 0
  const plain = (source: string): unknown => {
    if (/^[A-Za-z]\S{5,}$/.test(source)) return source
    if (/^(0|[1-9]\d{0,14})$/.test(source)) return Number(source)
    return ++doubts > MOST_DOUBTS ? source : options.plain(source)
  }
  const tell = (line: string | undefined) => line !== undefined && told.length < MOST && told.push(line)
  let documents = 0
  for (const event of parseEvents(text, { maxDepth: options.maxDepth })) {
    if (event.type === EVENT_ID.DOCUMENT) {
      if (++documents > 1) break
      open.push({ keys: new Set(), key: undefined, mapping: false, told: undefined })
    } else if (event.type === EVENT_ID.POP) tell(open.pop()?.told)
    else {
      const line = place(open.at(-1), event, { text, lines, plain })
      if (event.type !== EVENT_ID.MAPPING && event.type !== EVENT_ID.SEQUENCE) tell(line)
      else open.push({ keys: new Set(), key: undefined, mapping: event.type === EVENT_ID.MAPPING, told: line })
    }
  }
  return told
}

type Node = Exclude<Event, { type: typeof EVENT_ID.DOCUMENT | typeof EVENT_ID.POP }>

/** What is to be told once the node has ended, where it is the value of a key that was there before. */
function place(
  around: Mapping | undefined,
  node: Node,
  { text, lines, plain }: { text: string; lines: LineCounter; plain: PlainKey },
): string | undefined {
  if (!around?.mapping) return undefined
  if (around.key) {
    const { text: shown, repeated, at } = around.key
    around.key = undefined
    return repeated ? `line ${lines.at(startOf(node, text) ?? at)}: key ${shown} already set in map` : undefined
  }
  const shown = shownKey(node, text, plain)
  around.key = { text: shown ?? '', repeated: shown !== undefined && around.keys.has(shown), at: startOf(node, text) ?? 0 }
  if (shown !== undefined) around.keys.add(shown)
  return undefined
}

function shownKey(node: Node, text: string, plain: PlainKey): string | undefined {
  // Maps merged into others set nothing twice.
  if (node.type !== EVENT_ID.SCALAR) return undefined
  const source = getScalarValue(text, node)
  const value = node.style === SCALAR_STYLE.PLAIN && node.tagStart < 0 ? plain(source) : source
  if (source === '<<' && value === source) return undefined
  return typeof value === 'string' ? JSON.stringify(value.slice(0, LONGEST_KEY)) : String(value)
}

/** Where a node's tag, or else its value begins; nothing for values that are not there. */
function startOf(node: Node, text: string): number | undefined {
  if (node.type === EVENT_ID.ALIAS) return node.anchorStart
  if (node.type !== EVENT_ID.SCALAR) return node.start
  const marks = [node.anchorStart, node.tagStart].filter((start) => start >= 0)
  if (marks.length > 0) return Math.min(...marks)
  const block = node.style === SCALAR_STYLE.LITERAL_BLOCK || node.style === SCALAR_STYLE.FOLDED_BLOCK
  // Of a block the text is known, which begins below its mark.
  if (block) return Math.max(text.lastIndexOf('|', node.valueStart - 1), text.lastIndexOf('>', node.valueStart - 1))
  return node.valueEnd > node.valueStart ? node.valueStart : undefined
}

/** Counts on from the last place asked for. */
class LineCounter {
  readonly #text: string
  #at = 0
  #line = 1

  constructor(text: string) {
    this.#text = text
  }

  at(position: number): number {
    if (position < this.#at) [this.#at, this.#line] = [0, 1]
    for (let next = this.#text.indexOf('\n', this.#at); next >= 0 && next < position; next = this.#text.indexOf('\n', this.#at)) {
      this.#at = next + 1
      this.#line++
    }
    return this.#line
  }
}
